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
    /// Which network the default route goes through: the highest, then the first by name.
    pub gateway_priority: i64,
}
