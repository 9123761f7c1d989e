//! Where a request goes: a host, a port and a path, read from what a person types. It must never look a
//! name up; that is [`crate::Resolver`]'s part.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// An `http://` address. The scheme may be left out, as in `localhost:8001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    path: String,
    explicit_port: bool,
}

/// Why a text is no [`Target`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// The text cannot be read as an address at all.
    #[error("\"{0}\" is not an HTTP address; write it as http://host:port/path")]
    Malformed(String),
    /// The scheme is not `http`.
    #[error("\"{address}\" asks for {scheme}, and only plain http is spoken here")]
    Scheme {
        /// The whole text.
        address: String,
        /// The scheme that was asked for.
        scheme: String,
    },
}

impl Target {
    /// The host's name or address, without brackets around an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port; 80 where none was written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, always beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the `Host` header says: the host, and the port where one was written.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.explicit_port {
            format!("{host}:{}", self.port)
        } else {
            host
        }
    }

    /// The same host and port with another path, which must begin with `/`.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(text.to_owned());
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: Uri = full.parse().map_err(|_| malformed())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(scheme) => {
                return Err(TargetError::Scheme {
                    address: text.to_owned(),
                    scheme: scheme.to_owned(),
                });
            }
            None => return Err(malformed()),
        }
        let authority = uri.authority().ok_or_else(malformed)?;
        // `Uri` lets `host:99999` and `host:` pass with no port; a typing error must not become port 80.
        let explicit_port = uri.port().is_some();
        let after_host = authority.as_str().rsplit(']').next().unwrap_or_default();
        let port_written = after_host.contains(':');
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if host.is_empty() || authority.as_str().contains('@') || port_written != explicit_port {
            return Err(malformed());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
            explicit_port,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str, host: &str, port: u16) {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), expect);
        assert_eq!((target.host(), target.port()), (host, port));
    }

    #[track_caller]
    fn refuse(text: &str) {
        assert!(
            text.parse::<Target>().is_err(),
            "{text:?} must not be read as an address"
        );
    }

    #[test]
    fn reads_what_people_type() {
        check(
            "localhost:8001",
            "http://localhost:8001/",
            "localhost",
            8001,
        );
        check("http://rng", "http://rng/", "rng", 80);
        check("rng/32", "http://rng/32", "rng", 80);
        check("http://[::1]:80/a?b=c", "http://[::1]:80/a?b=c", "::1", 80);
        check("[::1]", "http://[::1]/", "::1", 80);
        check("127.0.0.1:9?x", "http://127.0.0.1:9/?x", "127.0.0.1", 9);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "http://",
            "https://rng",
            "ftp://x/",
            "rng:99999",
            "rng:",
            "a b",
            "u:p@rng",
            ":80",
        ] {
            refuse(text);
        }
    }
}
