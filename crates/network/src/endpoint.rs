//! A container's place in a network.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{MacAddress, Namespace};

/// A wish to join a network.
#[derive(Debug)]
pub struct Attach<'a> {
    /// The container's id.
    pub container: &'a str,
    /// The network's id.
    pub network: &'a str,
    /// The container's network namespace.
    pub namespace: &'a Namespace,
    /// What others in the network find it by: its name, its short id, its aliases, its service's name. The first
    /// is what a reverse look-up answers. Ignored on the default network.
    pub names: Vec<String>,
    /// `--link`: names that this container alone finds others by.
    pub links: Vec<Link>,
    /// `--ip`.
    pub address: Option<Ipv4Addr>,
    /// The address it had when it last ran; it gets it again if it is free.
    pub previous_address: Option<Ipv4Addr>,
    /// `--mac-address`.
    pub mac: Option<MacAddress>,
    /// Which network the default route goes through: the highest, then the first by name.
    pub gateway_priority: i64,
}

/// A container's place in a network: what the engine stores while the container runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// An id of its own: 64 hexadecimal digits.
    pub id: String,
    /// The container's id.
    pub container: String,
    /// The network's id.
    pub network: String,
    /// The interface inside the container: `eth0`, `eth1`, …
    pub interface: String,
    /// The interface outside, a port of the bridge.
    pub host_interface: String,
    /// The address.
    pub address: Ipv4Addr,
    /// The length of the network's prefix.
    pub prefix_length: u8,
    /// The network's gateway; none in an internal network.
    pub gateway: Option<Ipv4Addr>,
    /// The hardware address.
    pub mac: MacAddress,
    /// What others in the network find it by; empty on the default network.
    pub names: Vec<String>,
    /// Names that this container alone finds others by.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Which network the default route goes through: the highest, then the first by name.
    pub gateway_priority: i64,
}

/// A further name for what another container is found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// A name that others know.
    pub name: String,
    /// What the container that has the link calls it.
    pub alias: String,
}

/// The endpoint that the default route goes through, and published ports to: that of the highest priority, among
/// equals of the network that is first by name; never one without a gateway.
///
/// Takes each endpoint with its network's name.
pub(crate) fn gateway_endpoint<'a>(
    endpoints: impl IntoIterator<Item = (&'a Endpoint, &'a str)>,
) -> Option<&'a Endpoint> {
    endpoints
        .into_iter()
        .filter(|(endpoint, _)| endpoint.gateway.is_some())
        .min_by_key(|(endpoint, name)| (std::cmp::Reverse(endpoint.gateway_priority), *name))
        .map(|(endpoint, _)| endpoint)
}

/// The first of `eth0`, `eth1`, … that no endpoint has.
pub(crate) fn free_interface<'a>(endpoints: impl Iterator<Item = &'a Endpoint> + Clone) -> String {
    let taken = |name: &str| endpoints.clone().any(|endpoint| endpoint.interface == name);
    (0..=u32::MAX)
        .map(|number| format!("eth{number}"))
        .find(|name| !taken(name))
        .expect("there are more numbers than endpoints")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{Endpoint, free_interface, gateway_endpoint};
    use crate::MacAddress;

    fn endpoint(interface: &str, priority: i64, internal: bool) -> Endpoint {
        let address = Ipv4Addr::new(172, 17, 0, 2);
        Endpoint {
            id: "e".repeat(64),
            container: "c".repeat(64),
            network: "n".repeat(64),
            interface: interface.to_owned(),
            host_interface: "veth0".to_owned(),
            address,
            prefix_length: 16,
            gateway: (!internal).then_some(Ipv4Addr::new(172, 17, 0, 1)),
            mac: MacAddress::for_address(address),
            names: Vec::new(),
            links: Vec::new(),
            gateway_priority: priority,
        }
    }

    #[test]
    fn the_default_route_goes_by_priority_then_by_name() {
        let (one, two, three) = (
            endpoint("eth0", 0, false),
            endpoint("eth1", 0, false),
            endpoint("eth2", 5, true),
        );
        let chosen = |endpoints: &[(&Endpoint, &str)]| {
            gateway_endpoint(endpoints.iter().copied()).map(|endpoint| endpoint.interface.clone())
        };
        assert_eq!(
            chosen(&[(&one, "b"), (&two, "a"), (&three, "0")]).as_deref(),
            Some("eth1")
        );
        let first = endpoint("eth3", 1, false);
        assert_eq!(
            chosen(&[(&one, "b"), (&two, "a"), (&first, "z")]).as_deref(),
            Some("eth3")
        );
        assert_eq!(chosen(&[(&three, "a")]), None);
    }

    #[test]
    fn interfaces_take_the_first_free_number() {
        let endpoints = [endpoint("eth0", 0, false), endpoint("eth2", 0, false)];
        assert_eq!(free_interface(endpoints.iter()), "eth1");
        assert_eq!(free_interface([].iter()), "eth0");
    }
}
