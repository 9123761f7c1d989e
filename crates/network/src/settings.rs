//! What a daemon sets: names, so that several daemons do not collide, and where addresses come from.

use std::{net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;

/// What [`Networks::open`](crate::Networks::open) is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names our nftables table and marks our bridges. Two daemons in one network namespace need two names. At
    /// most 64 letters, digits, `_`, `-`, beginning with a letter.
    pub name: String,
    /// The network called `bridge`; none with `--bridge=none`.
    pub default_bridge: Option<DefaultBridge>,
    /// Where subnets come from when a network names none, in this order.
    pub pools: Vec<Pool>,
    /// The host's resolver configuration, read anew whenever a query is forwarded after it changed.
    pub resolv_conf: PathBuf,
    /// The first of the ports given to those who ask for any.
    pub first_ephemeral_port: u16,
    /// The last of them.
    pub last_ephemeral_port: u16,
}

/// How the default network is made.
#[derive(Debug, Clone)]
pub struct DefaultBridge {
    /// The id of the network: 64 hexadecimal digits, the same at every start.
    pub id: String,
    /// The name of the bridge.
    pub interface: String,
    /// `--bip`: the bridge's address with the length of its network's prefix; the first free pool otherwise.
    pub address: Option<Ipv4Net>,
    /// `--fixed-cidr`: where containers' addresses come from, within the subnet.
    pub ip_range: Option<Ipv4Net>,
    /// `--mtu`.
    pub mtu: Option<u32>,
    /// `--icc`: whether containers may talk to each other.
    pub inter_container: bool,
    /// `--ip-masq`.
    pub masquerade: bool,
    /// `--ip`: where ports are published that name no address.
    pub host_binding: Ipv4Addr,
}

/// A piece of address space that subnets of one size are cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The whole piece.
    pub base: Ipv4Net,
    /// The length of the prefix of each subnet.
    pub prefix_length: u8,
}

impl Pool {
    /// Docker's pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20.
    pub fn docker() -> Vec<Self> {
        let sixteen = |second| Self {
            base: Ipv4Net::new_assert(Ipv4Addr::new(172, second, 0, 0), 16),
            prefix_length: 16,
        };
        let mut pools: Vec<Self> = (17..=31).map(sixteen).collect();
        pools.push(Self {
            base: Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
            prefix_length: 20,
        });
        pools
    }
}

impl Settings {
    /// The settings of a daemon that is alone in its network namespace; `default_id` is the id of the network
    /// called `bridge`.
    pub fn new(default_id: String) -> Self {
        Self {
            name: "essaim".to_owned(),
            default_bridge: Some(DefaultBridge::new(default_id, "essaim0".to_owned())),
            pools: Pool::docker(),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            first_ephemeral_port: 32768,
            last_ephemeral_port: 60999,
        }
    }
}

impl DefaultBridge {
    /// The default network with nothing set.
    pub const fn new(id: String, interface: String) -> Self {
        Self {
            id,
            interface,
            address: None,
            ip_range: None,
            mtu: None,
            inter_container: true,
            masquerade: true,
            host_binding: Ipv4Addr::UNSPECIFIED,
        }
    }
}
