//! Changes of links, addresses and routes: what plans are made of, and the messages that they are.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{
    message::Message,
    route::{Index, LINK_FIXED},
};
use crate::MacAddress;

const LINK_ADDRESS: u16 = libc::IFLA_ADDRESS;
const BRIDGE_PORT_HAIRPIN: u16 = 4;
const BRIDGE_PORT_ISOLATED: u16 = 33;
const VETH_PEER: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u16 = 10;
const AF_BRIDGE: u8 = 7;
const INET6_ADDRESS_GENERATION: u16 = 8;
const GENERATE_NO_ADDRESS: u8 = 1;
const CHANGE: i32 = libc::NLM_F_ACK;
const MAKE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// One change of the kernel's configuration: what plans are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Makes a bridge, down, without addresses.
    AddBridge {
        name: String,
        mac: MacAddress,
        mtu: Option<u32>,
    },
    /// Makes a pair of interfaces.
    AddVeth(Veth),
    /// Makes an interface a port of a bridge.
    SetMaster { name: String, bridge: Index },
    /// Marks an interface by a text that only people and we read.
    SetAlias { name: String, alias: String },
    /// Keeps an interface from making itself an IPv6 address.
    NoLinkLocal { name: String },
    /// Lets frames return through the port they came from.
    SetHairpin { name: String },
    /// Keeps a port from talking to other such ports.
    SetIsolated { name: String },
    /// Sets an interface up.
    SetUp { index: Index },
    /// Gives an interface an address.
    AddAddress { index: Index, address: Ipv4Net },
    /// Leads what has no other way through a gateway, instead of any other that does.
    SetDefaultRoute { index: Index, gateway: Ipv4Addr },
    /// Tells a port's bridge that a hardware address is behind it.
    LearnAddress { port: Index, mac: MacAddress },
    /// Deletes an interface.
    DeleteLink { name: String },
}

/// A pair of interfaces: one end a port of a bridge, up; the other in the namespace that `namespace_fd` is open on,
/// down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Veth {
    pub(crate) name: String,
    pub(crate) bridge: Index,
    pub(crate) mtu: Option<u32>,
    pub(crate) peer: String,
    pub(crate) peer_mac: MacAddress,
    pub(crate) namespace_fd: i32,
}

fn link_fixed(index: Index, flags: i32) -> [u8; LINK_FIXED] {
    let mut fixed = [0; LINK_FIXED];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&flags.to_ne_bytes());
    fixed
}

/// The message that asks for an operation.
pub(super) fn request(operation: &Operation) -> Message {
    let named = |name: &str| {
        Message::new(libc::RTM_NEWLINK, CHANGE, &link_fixed(0, 0))
            .with_text(libc::IFLA_IFNAME, name)
    };
    let port = |name: &str, option: u16| {
        named(name).with_nested(libc::IFLA_LINKINFO, |message| {
            message
                .with(libc::IFLA_INFO_SLAVE_KIND, b"bridge")
                .with_nested(libc::IFLA_INFO_SLAVE_DATA, |message| {
                    message.with(option, &[1])
                })
        })
    };
    match operation {
        Operation::AddBridge { name, mac, mtu } => {
            let message = Message::new(libc::RTM_NEWLINK, MAKE, &link_fixed(0, 0))
                .with_text(libc::IFLA_IFNAME, name)
                .with(LINK_ADDRESS, &mac.octets());
            with_mtu(message, *mtu).with_nested(libc::IFLA_LINKINFO, |message| {
                message.with(libc::IFLA_INFO_KIND, b"bridge")
            })
        }
        Operation::AddVeth(pair) => add_veth(pair),
        Operation::SetMaster { name, bridge } => {
            named(name).with_number(libc::IFLA_MASTER, *bridge)
        }
        Operation::SetAlias { name, alias } => {
            named(name).with(libc::IFLA_IFALIAS, alias.as_bytes())
        }
        Operation::NoLinkLocal { name } => named(name).with_nested(libc::IFLA_AF_SPEC, |message| {
            message.with_nested(AF_INET6, |message| {
                message.with(INET6_ADDRESS_GENERATION, &[GENERATE_NO_ADDRESS])
            })
        }),
        Operation::SetHairpin { name } => port(name, BRIDGE_PORT_HAIRPIN),
        Operation::SetIsolated { name } => port(name, BRIDGE_PORT_ISOLATED),
        Operation::SetUp { index } => {
            Message::new(libc::RTM_NEWLINK, CHANGE, &link_fixed(*index, libc::IFF_UP))
        }
        Operation::AddAddress { index, address } => {
            let mut fixed = [0; 8];
            fixed[0] = AF_INET;
            fixed[1] = address.prefix_len();
            fixed[4..8].copy_from_slice(&index.to_ne_bytes());
            Message::new(libc::RTM_NEWADDR, MAKE, &fixed)
                .with(libc::IFA_LOCAL, &address.addr().octets())
                .with(libc::IFA_ADDRESS, &address.addr().octets())
                .with(libc::IFA_BROADCAST, &address.broadcast().octets())
        }
        Operation::SetDefaultRoute { index, gateway } => Message::new(
            libc::RTM_NEWROUTE,
            libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE,
            &default_route(),
        )
        .with(libc::RTA_GATEWAY, &gateway.octets())
        .with_number(libc::RTA_OIF, *index),
        Operation::LearnAddress { port, mac } => {
            let mut fixed = [0; 12];
            fixed[0] = AF_BRIDGE;
            fixed[4..8].copy_from_slice(&port.to_ne_bytes());
            fixed[8..10].copy_from_slice(&libc::NUD_REACHABLE.to_ne_bytes());
            fixed[10] = libc::NTF_MASTER;
            Message::new(
                libc::RTM_NEWNEIGH,
                libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE,
                &fixed,
            )
            .with(libc::NDA_LLADDR, &mac.octets())
        }
        Operation::DeleteLink { name } => {
            Message::new(libc::RTM_DELLINK, CHANGE, &link_fixed(0, 0))
                .with_text(libc::IFLA_IFNAME, name)
        }
    }
}

fn add_veth(pair: &Veth) -> Message {
    let message = Message::new(libc::RTM_NEWLINK, MAKE, &link_fixed(0, libc::IFF_UP))
        .with_text(libc::IFLA_IFNAME, &pair.name)
        .with_number(libc::IFLA_MASTER, pair.bridge);
    with_mtu(message, pair.mtu).with_nested(libc::IFLA_LINKINFO, |message| {
        message
            .with(libc::IFLA_INFO_KIND, b"veth")
            .with_nested(libc::IFLA_INFO_DATA, |message| {
                message.with_nested(VETH_PEER, |message| {
                    let message = message
                        .with_raw(&link_fixed(0, 0))
                        .with_text(libc::IFLA_IFNAME, &pair.peer)
                        .with(LINK_ADDRESS, &pair.peer_mac.octets())
                        .with(libc::IFLA_NET_NS_FD, &pair.namespace_fd.to_ne_bytes());
                    with_mtu(message, pair.mtu)
                })
            })
    })
}

fn with_mtu(message: Message, mtu: Option<u32>) -> Message {
    match mtu {
        Some(mtu) => message.with_number(libc::IFLA_MTU, mtu),
        None => message,
    }
}

fn default_route() -> [u8; 12] {
    let mut fixed = [0; 12];
    fixed[0] = AF_INET;
    fixed[4] = libc::RT_TABLE_MAIN;
    fixed[5] = libc::RTPROT_BOOT;
    fixed[6] = libc::RT_SCOPE_UNIVERSE;
    fixed[7] = libc::RTN_UNICAST;
    fixed
}

impl Operation {
    /// What it does, for an error's text.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::AddBridge { name, .. } => format!("making bridge {name}"),
            Self::AddVeth(pair) => format!("making interfaces {} and {}", pair.name, pair.peer),

            Self::SetMaster { name, bridge } => {
                format!("plugging {name} into bridge {bridge}")
            }
            Self::SetAlias { name, .. } => format!("setting the alias of {name}"),
            Self::NoLinkLocal { name } => format!("turning off IPv6 addresses on {name}"),
            Self::SetHairpin { name } => format!("setting the bridge port {name} to hairpin mode"),
            Self::SetIsolated { name } => format!("isolating the bridge port {name}"),
            Self::SetUp { index } => format!("setting interface {index} up"),
            Self::AddAddress { index, address } => {
                format!("giving interface {index} the address {address}")
            }
            Self::SetDefaultRoute { gateway, .. } => {
                format!("setting the default route to {gateway}")
            }
            Self::LearnAddress { port, mac } => {
                format!("telling the bridge that {mac} is behind port {port}")
            }
            Self::DeleteLink { name } => format!("deleting interface {name}"),
        }
    }
}
