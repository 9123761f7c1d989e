//! From what was told to what is meant: every value is understood here, once, or refused by name.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use engine::settings::{Settings, Ulimit};
use server::tls;
use tracing::level_filters::LevelFilter;

use super::flags::Options;

/// A daemon as it is meant to run.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) engine: Settings,
    pub(super) places: Vec<Place>,
    pub(super) tls: Option<tls::Files>,
    /// Who may use the sockets beside root.
    pub(super) group: Group,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) log_level: LevelFilter,
}

/// A group, before it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group {
    /// `docker`, if there is one.
    Usual,
    /// This one; it has to be there.
    Named(String),
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    /// The value is none of the kind.
    #[error("{setting}: {value:?} is not {expected}")]
    Value {
        /// The flag's name.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is taken.
        expected: &'static str,
    },
    /// TCP without knowing who connects.
    #[error(
        "refusing to listen on tcp://{address}: whoever can connect there would be root on this computer; give \
         --tlsverify with --tlscacert, --tlscert and --tlskey"
    )]
    OpenTcp {
        /// Where.
        address: SocketAddr,
    },
    /// TLS without all its files.
    #[error("--tlsverify needs --{missing}")]
    TlsFile {
        /// The flag that is missing.
        missing: &'static str,
    },
}

/// Understands the options.
pub(super) fn resolve(options: Options) -> Result<Daemon, SettingsError> {
    let tls = tls_files(&options)?;
    let places = places(&options.host)?;
    if tls.is_none()
        && let Some(address) = places.iter().find_map(Place::address)
    {
        return Err(SettingsError::OpenTcp { address });
    }
    Ok(Daemon {
        places,
        tls,
        group: options.group.clone().map_or(Group::Usual, Group::Named),
        pid_file: options.pidfile.clone(),
        log_level: log_level(&options)?,
        engine: engine_settings(options)?,
    })
}

impl Place {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(address) => Some(*address),
        }
    }
}

fn tls_files(options: &Options) -> Result<Option<tls::Files>, SettingsError> {
    if options.tlsverify != Some(true) {
        return Ok(None);
    }
    let file =
        |file: &Option<PathBuf>, missing| file.clone().ok_or(SettingsError::TlsFile { missing });
    Ok(Some(tls::Files {
        authorities: file(&options.tlscacert, "tlscacert")?,
        certificate: file(&options.tlscert, "tlscert")?,
        key: file(&options.tlskey, "tlskey")?,
    }))
}

fn places(hosts: &[String]) -> Result<Vec<Place>, SettingsError> {
    if hosts.is_empty() {
        return Ok(vec![Place::Unix("/run/essaim.sock".into())]);
    }
    hosts.iter().map(|host| place(host)).collect()
}

fn place(host: &str) -> Result<Place, SettingsError> {
    let invalid = || SettingsError::Value {
        setting: "host",
        value: host.to_owned(),
        expected: "unix:///path or tcp://address:port",
    };
    if let Some(path) = host.strip_prefix("unix://") {
        return if path.starts_with('/') {
            Ok(Place::Unix(path.into()))
        } else {
            Err(invalid())
        };
    }
    let address = host.strip_prefix("tcp://").ok_or_else(invalid)?;
    let address = address.trim_end_matches('/');
    if let Ok(address) = address.parse() {
        return Ok(Place::Tcp(address));
    }
    let (name, port) = address.rsplit_once(':').unwrap_or((address, "2376"));
    let port = port.parse().map_err(|_| invalid())?;
    let ip = match name {
        "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
        "" => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        name => name.parse().map_err(|_| invalid())?,
    };
    Ok(Place::Tcp(SocketAddr::new(ip, port)))
}

fn log_level(options: &Options) -> Result<LevelFilter, SettingsError> {
    if options.debug == Some(true) {
        return Ok(LevelFilter::DEBUG);
    }
    match options.log_level.as_deref() {
        None | Some("info") => Ok(LevelFilter::INFO),
        Some("trace") => Ok(LevelFilter::TRACE),
        Some("debug") => Ok(LevelFilter::DEBUG),
        Some("warn") => Ok(LevelFilter::WARN),
        Some("error" | "fatal") => Ok(LevelFilter::ERROR),
        Some(other) => Err(SettingsError::Value {
            setting: "log-level",
            value: other.to_owned(),
            expected: "debug, info, warn or error",
        }),
    }
}

fn engine_settings(options: Options) -> Result<Settings, SettingsError> {
    only("log-driver", options.log_driver.as_deref(), "json-file")?;
    only(
        "storage-driver",
        options.storage_driver.as_deref(),
        "overlay2",
    )?;
    let data_root = options
        .data_root
        .unwrap_or_else(|| "/var/lib/essaim".into());
    let exec_root = options.exec_root.unwrap_or_else(|| "/run/essaim".into());
    let mut settings = Settings::new(data_root, exec_root);
    if let Some(parent) = options.cgroup_parent {
        settings.cgroup_parent = format!("/{}", parent.trim_matches('/'));
    }
    if let Some(size) = options.default_shm_size {
        settings.default_shm_size = bytes("default-shm-size", &size)?;
    }
    if let Some(seconds) = options.shutdown_timeout {
        settings.shutdown_timeout_s = seconds;
    }
    if let Some(name) = options.network_name {
        settings.network_name = name;
    }
    settings.default_ulimits = all(&options.default_ulimit, ulimit)?;
    settings.log_options = pairs("log-opt", &options.log_opt)?;
    settings.init = options.init.unwrap_or_default();
    settings.dns = all(&options.dns, address)?;
    settings.dns_search = options.dns_search;
    settings.dns_options = options.dns_opt;
    settings.registry_mirrors = options.registry_mirror;
    settings.insecure_registries = options.insecure_registry;
    settings.bridge_address = options.bip;
    settings.address_pools = all(&options.default_address_pool, pool)?;
    settings.labels = all(&options.label, label)?;
    settings.live_restore = options.live_restore.unwrap_or_default();
    Ok(settings)
}

fn all<T>(
    values: &[String],
    read: impl Fn(&str) -> Result<T, SettingsError>,
) -> Result<Vec<T>, SettingsError> {
    values.iter().map(|value| read(value)).collect()
}

fn only(
    setting: &'static str,
    value: Option<&str>,
    expected: &'static str,
) -> Result<(), SettingsError> {
    match value {
        Some(value) if value != expected => Err(SettingsError::Value {
            setting,
            value: value.to_owned(),
            expected,
        }),
        _ => Ok(()),
    }
}

fn address(text: &str) -> Result<IpAddr, SettingsError> {
    text.parse().map_err(|_| SettingsError::Value {
        setting: "dns",
        value: text.to_owned(),
        expected: "an IP address",
    })
}

fn label(text: &str) -> Result<String, SettingsError> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err(SettingsError::Value {
            setting: "label",
            value: text.to_owned(),
            expected: "NAME=VALUE",
        }),
    }
}

fn pairs(
    setting: &'static str,
    texts: &[String],
) -> Result<BTreeMap<String, String>, SettingsError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(SettingsError::Value {
            setting,
            value: text.clone(),
            expected: "NAME=VALUE",
        }),
    };
    texts.iter().map(pair).collect()
}

fn ulimit(text: &str) -> Result<Ulimit, SettingsError> {
    let invalid = || SettingsError::Value {
        setting: "default-ulimit",
        value: text.to_owned(),
        expected: "NAME=SOFT[:HARD]",
    };
    let number = |text: &str| match text {
        "unlimited" => Ok(-1),
        text => text.parse().map_err(|_| invalid()),
    };
    let (name, limits) = text.split_once('=').ok_or_else(invalid)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Ok(Ulimit {
        name: name.to_owned(),
        soft: number(soft)?,
        hard: number(hard)?,
    })
}

fn pool(text: &str) -> Result<(String, u8), SettingsError> {
    let invalid = || SettingsError::Value {
        setting: "default-address-pool",
        value: text.to_owned(),
        expected: "base=CIDR,size=PREFIX",
    };
    let (mut base, mut size) = (None, None);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("base", value)) => base = Some(value.to_owned()),
            Some(("size", value)) => size = value.parse().ok(),
            _ => return Err(invalid()),
        }
    }
    Ok((base.ok_or_else(invalid)?, size.ok_or_else(invalid)?))
}

/// A size with a unit of 1024: `64m`, `1g`, `65536`.
fn bytes(setting: &'static str, text: &str) -> Result<u64, SettingsError> {
    let invalid = || SettingsError::Value {
        setting,
        value: text.to_owned(),
        expected: "a size such as 64m",
    };
    let lower = text.to_ascii_lowercase();
    let lower = lower.trim_end_matches('b').trim_end_matches('i');
    let (number, shift) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 10),
        Some(b'm') => (&lower[..lower.len() - 1], 20),
        Some(b'g') => (&lower[..lower.len() - 1], 30),
        _ => (lower, 0),
    };
    let number: u64 = number.trim().parse().map_err(|_| invalid())?;
    number.checked_mul(1 << shift).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Options, Place, resolve};

    #[track_caller]
    fn refused(options: Options, expected: &str) {
        let error = resolve(options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    fn host(host: &str) -> Options {
        Options {
            host: vec![host.to_owned()],
            ..Options::default()
        }
    }

    #[test]
    fn nothing_told_is_a_daemon() {
        let daemon = resolve(Options::default()).unwrap();
        assert_eq!(daemon.places, [Place::Unix("/run/essaim.sock".into())]);
        assert_eq!(daemon.engine.data_root, PathBuf::from("/var/lib/essaim"));
        assert_eq!(daemon.engine.cgroup_parent, "/essaim");
    }

    #[test]
    fn tcp_without_tls_is_refused() {
        refused(
            host("tcp://127.0.0.1:2375"),
            "refusing to listen on tcp://127.0.0.1:2375",
        );
        refused(host("tcp://:2375"), "tcp://0.0.0.0:2375");
        let mut options = host("tcp://localhost:2376");
        options.tlsverify = Some(true);
        refused(options.clone(), "--tlsverify needs --tlscacert");
        options.tlscacert = Some("ca.pem".into());
        options.tlscert = Some("cert.pem".into());
        options.tlskey = Some("key.pem".into());
        let daemon = resolve(options).unwrap();
        assert_eq!(daemon.places[0].to_string(), "tcp://127.0.0.1:2376");
    }

    #[test]
    fn other_places_are_refused() {
        for place in [
            "fd://",
            "unix://relative",
            "http://x",
            "tcp://example.org:1",
            "tcp://1.2.3.4:x",
        ] {
            refused(host(place), "is not unix:///path or tcp://address:port");
        }
    }

    #[test]
    fn values_are_understood() {
        let daemon = resolve(Options {
            default_ulimit: vec!["nofile=1024:2048".into(), "core=0".into()],
            default_shm_size: Some("128MiB".into()),
            log_opt: vec!["max-size=10m".into()],
            dns: vec!["10.0.0.1".into()],
            default_address_pool: vec!["base=10.10.0.0/16,size=24".into()],
            cgroup_parent: Some("lab/".into()),
            ..Options::default()
        })
        .unwrap()
        .engine;
        assert_eq!(daemon.default_ulimits[0].hard, 2048);
        assert_eq!(daemon.default_ulimits[1].hard, 0);
        assert_eq!(daemon.default_shm_size, 128 << 20);
        assert_eq!(daemon.log_options["max-size"], "10m");
        assert_eq!(daemon.address_pools, [("10.10.0.0/16".to_owned(), 24)]);
        assert_eq!(daemon.cgroup_parent, "/lab");
    }

    #[test]
    fn wrong_values_are_named() {
        let options = Options::default;
        refused(
            Options {
                dns: vec!["dns".into()],
                ..options()
            },
            "dns: \"dns\"",
        );
        refused(
            Options {
                label: vec!["x".into()],
                ..options()
            },
            "label: \"x\"",
        );
        refused(
            Options {
                log_level: Some("loud".into()),
                ..options()
            },
            "log-level",
        );
        refused(
            Options {
                log_driver: Some("syslog".into()),
                ..options()
            },
            "log-driver",
        );
        refused(
            Options {
                default_ulimit: vec!["nofile".into()],
                ..options()
            },
            "default-ulimit",
        );
        refused(
            Options {
                default_shm_size: Some("x".into()),
                ..options()
            },
            "default-shm-size",
        );
        refused(
            Options {
                default_shm_size: Some("99999999999g".into()),
                ..options()
            },
            "default-shm-size",
        );
    }
}
