//! Where an engine is: `unix://`, `tcp://`, `ssh://`. Pure: environment and flags are handed in.

use std::fmt;
use std::path::PathBuf;

/// Where an engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket on this computer.
    Unix(PathBuf),
    /// A port, plain or with TLS.
    Tcp {
        /// The host's name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// How to speak TLS; plain without.
        tls: Option<TlsFiles>,
    },
    /// A program on another computer that passes its standard streams on to an engine.
    Ssh {
        /// The user, if one is named.
        user: Option<String>,
        /// The host, as `ssh` knows it.
        host: String,
        /// The port, if one is named.
        port: Option<u16>,
        /// The socket over there, if one is named.
        socket: Option<String>,
    },
}

/// The files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that the engine's certificate must come from.
    pub authorities: PathBuf,
    /// The client's certificate.
    pub certificate: PathBuf,
    /// The client's key.
    pub key: PathBuf,
    /// Whether the engine's certificate is checked. Without, anybody may answer in its place.
    pub verify: bool,
}

/// What is known when an endpoint is chosen: flags before environment before the program's own default.
#[derive(Debug, Clone, Default)]
pub struct EndpointChoice {
    /// `-H`, or else `DOCKER_HOST`.
    pub host: Option<String>,
    /// The socket where nothing is said.
    pub default_socket: PathBuf,
    /// Set if TLS is asked for; its files may not exist.
    pub tls: Option<TlsFiles>,
}

/// A text that is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// The scheme is missing or unknown.
    #[error("unable to parse docker host `{text}`")]
    Scheme {
        /// The text, as it was given.
        text: String,
    },
    /// The host is missing.
    #[error("invalid docker host `{text}`: no host is named")]
    Host {
        /// The text, as it was given.
        text: String,
    },
    /// The port is no port.
    #[error("invalid docker host `{text}`: `{port}` is not a port")]
    Port {
        /// The text, as it was given.
        text: String,
        /// What stands where a port should.
        port: String,
    },
    /// There is more than a host in an `ssh://` address than `ssh` takes.
    #[error("invalid docker host `{text}`: a password is not supported")]
    Password {
        /// The text, as it was given.
        text: String,
    },
}

/// The port that plain TCP has where none is named.
const PLAIN_PORT: u16 = 2375;
/// The port that TLS has where none is named.
const TLS_PORT: u16 = 2376;

impl Endpoint {
    /// Decides where to connect.
    pub fn resolve(choice: EndpointChoice) -> Result<Self, InvalidEndpoint> {
        let Some(text) = choice.host.filter(|host| !host.is_empty()) else {
            return Ok(Self::Unix(choice.default_socket));
        };
        let invalid = || InvalidEndpoint::Scheme { text: text.clone() };
        let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
        match scheme {
            "unix" if rest.is_empty() => Ok(Self::Unix(choice.default_socket)),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" | "http" | "https" => tcp(&text, scheme, rest, choice.tls),
            "ssh" => ssh(&text, rest),
            _ => Err(invalid()),
        }
    }
}

fn tcp(
    text: &str,
    scheme: &str,
    rest: &str,
    tls: Option<TlsFiles>,
) -> Result<Endpoint, InvalidEndpoint> {
    let authority = rest.split('/').next().unwrap_or_default();
    let default_port = if tls.is_some() || scheme == "https" {
        TLS_PORT
    } else {
        PLAIN_PORT
    };
    let (host, port) = host_and_port(text, authority)?;
    Ok(Endpoint::Tcp {
        // Docker takes `tcp://:2375` for this computer.
        host: if host.is_empty() {
            "127.0.0.1".into()
        } else {
            host
        },
        port: port.unwrap_or(default_port),
        tls,
    })
}

fn ssh(text: &str, rest: &str) -> Result<Endpoint, InvalidEndpoint> {
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let (user, address) = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            return Err(InvalidEndpoint::Password { text: text.into() });
        }
        Some((user, address)) => (Some(user.to_owned()), address),
        None => (None, authority),
    };
    let (host, port) = host_and_port(text, address)?;
    // An empty host, or one that ssh would take for an option.
    if host.is_empty()
        || host.starts_with('-')
        || user.as_ref().is_some_and(|user| user.starts_with('-'))
    {
        return Err(InvalidEndpoint::Host { text: text.into() });
    }
    Ok(Endpoint::Ssh {
        user: user.filter(|user| !user.is_empty()),
        host,
        port,
        socket: path
            .filter(|path| !path.is_empty())
            .map(|path| format!("/{path}")),
    })
}

fn host_and_port(text: &str, authority: &str) -> Result<(String, Option<u16>), InvalidEndpoint> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| InvalidEndpoint::Host { text: text.into() })?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port
        .map(|port| {
            port.parse().map_err(|_| InvalidEndpoint::Port {
                text: text.into(),
                port: port.into(),
            })
        })
        .transpose()?;
    Ok((host.to_owned(), port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh {
                user,
                host,
                port,
                socket,
            } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(host)?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                f.write_str(socket.as_deref().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointChoice, TlsFiles};

    fn files() -> TlsFiles {
        TlsFiles {
            authorities: "ca.pem".into(),
            certificate: "cert.pem".into(),
            key: "key.pem".into(),
            verify: true,
        }
    }

    #[track_caller]
    fn check(host: &str, tls: Option<TlsFiles>, expect: &str) {
        let found = Endpoint::resolve(EndpointChoice {
            host: Some(host.to_owned()),
            default_socket: "/run/engine.sock".into(),
            tls,
        });
        let found = found.map_or_else(|error| error.to_string(), |found| found.to_string());
        assert_eq!(found, expect, "{host}");
    }

    #[test]
    fn an_endpoint_is_a_socket_a_port_or_a_host() {
        check("", None, "unix:///run/engine.sock");
        check("unix://", None, "unix:///run/engine.sock");
        check("unix:///a/b.sock", None, "unix:///a/b.sock");
        check("tcp://host", None, "tcp://host:2375");
        check("tcp://host", Some(files()), "tcp://host:2376");
        check("tcp://:4000", None, "tcp://127.0.0.1:4000");
        check("tcp://[::1]:4000/", None, "tcp://[::1]:4000");
        check(
            "ssh://me@host:22/run/a.sock",
            None,
            "ssh://me@host:22/run/a.sock",
        );
        check("ssh://host", None, "ssh://host");
    }

    #[test]
    fn what_is_none_is_refused() {
        check("host:2375", None, "unable to parse docker host `host:2375`");
        check(
            "ftp://host",
            None,
            "unable to parse docker host `ftp://host`",
        );
        check(
            "tcp://host:x",
            None,
            "invalid docker host `tcp://host:x`: `x` is not a port",
        );
        check(
            "tcp://[::1",
            None,
            "invalid docker host `tcp://[::1`: no host is named",
        );
        check(
            "ssh://",
            None,
            "invalid docker host `ssh://`: no host is named",
        );
        check(
            "ssh://-oProxyCommand=x",
            None,
            "invalid docker host `ssh://-oProxyCommand=x`: no host is named",
        );
        check(
            "ssh://me:secret@host",
            None,
            "invalid docker host `ssh://me:secret@host`: a password is not supported",
        );
    }
}
