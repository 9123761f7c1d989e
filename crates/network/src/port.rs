//! Published ports: what is asked for, and what it comes to.

use std::{fmt, net::Ipv4Addr, ops::RangeInclusive, os::fd::OwnedFd, str::FromStr};

use model::port::Port;
use serde::{Deserialize, Serialize};

/// A port of a container to be reachable at a port of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRequest {
    /// The container's port.
    pub container: Port,
    /// At which of the host's addresses; the network's default, mostly all, if none is named.
    pub host_address: Option<Ipv4Addr>,
    /// At which of the host's ports.
    pub host_ports: HostPorts,
}

/// Which ports of the host would do: any, or the first free one of a range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostPorts {
    /// Any free one from the ephemeral range: `""` or `"0"`.
    #[default]
    Any,
    /// The first free one of these: `"80"` or `"8000-8010"`.
    FirstOf(RangeInclusive<u16>),
}

/// A text that does not name ports of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid port specification: {text:?}")]
pub struct InvalidHostPorts {
    /// The text, as it was given.
    pub text: String,
}

/// A published port, as it came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortBinding {
    /// The container's port.
    pub container: Port,
    /// The host's address; unspecified for all.
    pub host_address: Ipv4Addr,
    /// The host's port.
    pub host_port: u16,
}

/// Ports of the host that nobody else can take while the sockets are open.
#[derive(Debug, Default)]
pub struct PortReservation {
    /// In the order in which they were asked for.
    pub bindings: Vec<PortBinding>,
    /// A bound, non-listening socket for each: for the container's shim to keep.
    pub sockets: Vec<OwnedFd>,
}

impl FromStr for HostPorts {
    type Err = InvalidHostPorts;

    fn from_str(text: &str) -> Result<Self, InvalidHostPorts> {
        let invalid = || InvalidHostPorts {
            text: text.to_owned(),
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        if text.is_empty() {
            return Ok(Self::Any);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(0), Some(0)) => Ok(Self::Any),
            (Some(first), Some(last)) if first != 0 && first <= last => {
                Ok(Self::FirstOf(first..=last))
            }
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for PortBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}->{}",
            self.host_address, self.host_port, self.container
        )
    }
}

#[cfg(test)]
mod tests {
    use super::HostPorts;

    #[track_caller]
    fn check(text: &str, expect: Option<HostPorts>) {
        assert_eq!(text.parse().ok(), expect, "{text}");
    }

    #[test]
    fn host_ports_are_any_or_a_range() {
        check("", Some(HostPorts::Any));
        check("0", Some(HostPorts::Any));
        check("80", Some(HostPorts::FirstOf(80..=80)));
        check("8000-8010", Some(HostPorts::FirstOf(8000..=8010)));
        check("65535", Some(HostPorts::FirstOf(65535..=65535)));
        for wrong in [
            "65536", "80-79", "0-80", "-80", "80-", "a", "+80", " 80", "1-2-3",
        ] {
            check(wrong, None);
        }
    }
}
