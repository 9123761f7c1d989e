//! Networks as nouns: what is asked for, and what it resolves to.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// A bridge network, as asked for.
#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    /// The id: 64 hexadecimal digits.
    pub id: String,
    /// The name. That it is not taken yet is the engine's to see.
    pub name: String,
    /// `--internal`: nothing in or out.
    pub internal: bool,
    /// `--opt`, the options of Docker's bridge driver: `com.docker.network.bridge.name`, `…enable_icc`,
    /// `…enable_ip_masquerade`, `…host_binding_ipv4`, `com.docker.network.driver.mtu`. Others are ignored, as
    /// Docker does.
    pub options: BTreeMap<String, String>,
    /// `--subnet`, `--ip-range`, `--gateway`, `--aux-address`; at most one so far.
    pub addresses: Vec<AddressPlan>,
}

/// Where the addresses of a network come from, as asked for; text as the client sent it.
#[derive(Debug, Clone, Default)]
pub struct AddressPlan {
    /// `--subnet`.
    pub subnet: Option<String>,
    /// `--ip-range`.
    pub ip_range: Option<String>,
    /// `--gateway`.
    pub gateway: Option<String>,
    /// `--aux-address`: addresses that no container gets, by name.
    pub auxiliary: BTreeMap<String, String>,
}

/// A bridge network, resolved: what the engine stores and gives back after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The id: 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
    /// The bridge's name.
    pub bridge: String,
    /// Whether it is the one called `bridge`, which has no DNS.
    pub is_default: bool,
    /// Nothing in or out.
    pub internal: bool,
    /// The addresses.
    pub subnet: Ipv4Net,
    /// Where containers' addresses come from, within the subnet.
    pub ip_range: Option<Ipv4Net>,
    /// The bridge's own address, the containers' gateway unless the network is internal.
    pub gateway: Ipv4Addr,
    /// Addresses that no container gets, by name.
    pub auxiliary: BTreeMap<String, Ipv4Addr>,
    /// The MTU of the bridge and of the containers' interfaces; the kernel's default otherwise.
    pub mtu: Option<u32>,
    /// Whether containers may talk to each other.
    pub inter_container: bool,
    /// Whether what leaves bears the host's address.
    pub masquerade: bool,
    /// Where ports are published that name no address.
    pub host_binding: Ipv4Addr,
}
