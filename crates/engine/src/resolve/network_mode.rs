//! `NetworkMode`, `IpcMode`, `PidMode`: texts that say whose namespace a container is in.

use model::api::host_config::HostConfig;

/// Where a container's network comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode<'a> {
    /// The network called `bridge`.
    Default,
    /// None but loopback.
    None,
    /// The host's.
    Host,
    /// That of another container.
    Container(&'a str),
    /// A network by its name or id.
    Named(&'a str),
}

impl<'a> NetworkMode<'a> {
    /// What the configuration says.
    pub fn of(host_config: &'a HostConfig) -> Self {
        match host_config.network_mode.as_str() {
            "" | "default" | "bridge" => Self::Default,
            "none" => Self::None,
            "host" => Self::Host,
            other => match other.strip_prefix("container:") {
                Some(container) => Self::Container(container),
                None => Self::Named(other),
            },
        }
    }

    /// Whether it is the host's.
    pub fn is_host(self) -> bool {
        self == Self::Host
    }

    /// The name under which the network is listed with the container; none for another container's.
    pub fn network(self) -> Option<&'a str> {
        match self {
            Self::Default => Some("bridge"),
            Self::None => Some("none"),
            Self::Host => Some("host"),
            Self::Named(name) => Some(name),
            Self::Container(_) => None,
        }
    }
}

/// The container whose namespace a mode such as `container:web` joins.
pub fn joined(mode: &str) -> Option<&str> {
    mode.strip_prefix("container:")
}
