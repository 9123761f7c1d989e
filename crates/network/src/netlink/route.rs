//! Links, addresses and routes: what a plan asks for, as messages; and what is there.

use std::{io, net::Ipv4Addr, path::Path};

use super::{
    message::{Attributes, Message, number},
    socket::Socket,
};
use crate::{
    MacAddress,
    error::{Error, Result},
};
use ipnet::Ipv4Net;
use rustix::net::Protocol;

/// Netlink's own protocol, which is number zero, as if none were named.
const NETLINK_ROUTE: Option<Protocol> = None;
const LINK_ADDRESS: u16 = libc::IFLA_ADDRESS;
const BRIDGE_PORT_HAIRPIN: u16 = 4;
const BRIDGE_PORT_ISOLATED: u16 = 33;
const VETH_PEER: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u16 = 10;
const INET6_ADDRESS_GENERATION: u16 = 8;
const GENERATE_NO_ADDRESS: u8 = 1;
/// The length of the fixed part of a link's message.
const LINK_FIXED: usize = 16;

/// The number by which the kernel knows an interface.
pub(crate) type Index = u32;

/// One change of the kernel's configuration: what plans are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Makes a bridge, down, without addresses.
    AddBridge {
        name: String,
        mac: MacAddress,
        mtu: Option<u32>,
    },
    /// Makes a veth pair: one end a port of a bridge, up; the other in the namespace that `namespace_fd` is open
    /// on, down.
    AddVeth {
        name: String,
        bridge: Index,
        mtu: Option<u32>,
        peer: String,
        peer_mac: MacAddress,
        namespace_fd: i32,
    },
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
    /// Deletes an interface.
    DeleteLink { name: String },
}

/// An interface that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: Index,
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
    pub(crate) is_bridge: bool,
    pub(crate) master: Option<Index>,
}

/// Opens a socket for this in the calling thread's namespace.
pub(crate) fn open() -> Result<Socket> {
    Socket::open(NETLINK_ROUTE).map_err(|source| Error::Netlink {
        operation: "opening a netlink socket".to_owned(),
        source,
    })
}

/// Does all of `operations`, in one go.
pub(crate) fn apply(socket: &mut Socket, operations: &[Operation]) -> Result<()> {
    let without_ipv6 = !Path::new("/proc/sys/net/ipv6").exists();
    let operations: Vec<&Operation> = operations
        .iter()
        .filter(|operation| !(without_ipv6 && matches!(operation, Operation::NoLinkLocal { .. })))
        .collect();
    let requests: Vec<Message> = operations
        .iter()
        .map(|operation| request(operation))
        .collect();
    socket.execute(&requests).map_err(|refused| Error::Netlink {
        operation: operations[refused.place].describe(),
        source: refused.source,
    })
}

/// The interface called `name`.
pub(crate) fn link(socket: &mut Socket, name: &str) -> Result<Option<Link>> {
    let question =
        Message::new(libc::RTM_GETLINK, 0, &[0; LINK_FIXED]).with_text(libc::IFLA_IFNAME, name);
    match socket.ask(&question, |incoming| read_link(incoming.body)) {
        Ok(link) => Ok(link),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(source) => Err(Error::Netlink {
            operation: format!("looking for interface {name}"),
            source,
        }),
    }
}

/// The index of the interface called `name`, which must be there.
pub(crate) fn index(socket: &mut Socket, name: &str) -> Result<Index> {
    match link(socket, name)? {
        Some(link) => Ok(link.index),
        None => Err(Error::Netlink {
            operation: format!("looking for interface {name}"),
            source: io::Error::from_raw_os_error(libc::ENODEV),
        }),
    }
}

/// Every interface.
pub(crate) fn links(socket: &mut Socket) -> Result<Vec<Link>> {
    let question = Message::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; LINK_FIXED]);
    let mut links = Vec::new();
    socket
        .dump(&question, |incoming| links.extend(read_link(incoming.body)))
        .map_err(|source| Error::Netlink {
            operation: "listing interfaces".to_owned(),
            source,
        })?;
    Ok(links)
}

/// The destinations that the host has routes to, with the interface that each goes through; the default route
/// aside.
pub(crate) fn routes(socket: &mut Socket) -> Result<Vec<(Ipv4Net, Index)>> {
    let mut fixed = [0; 12];
    fixed[0] = AF_INET;
    let question = Message::new(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &fixed);
    let mut routes = Vec::new();
    socket
        .dump(&question, |incoming| {
            routes.extend(read_route(incoming.body));
        })
        .map_err(|source| Error::Netlink {
            operation: "listing routes".to_owned(),
            source,
        })?;
    Ok(routes)
}

/// The IPv4 addresses of all interfaces, with the interface that has each.
pub(crate) fn addresses(socket: &mut Socket) -> Result<Vec<(Ipv4Net, Index)>> {
    let mut fixed = [0; 8];
    fixed[0] = AF_INET;
    let question = Message::new(libc::RTM_GETADDR, libc::NLM_F_DUMP, &fixed);
    let mut addresses = Vec::new();
    socket
        .dump(&question, |incoming| {
            addresses.extend(read_address(incoming.body));
        })
        .map_err(|source| Error::Netlink {
            operation: "listing addresses".to_owned(),
            source,
        })?;
    Ok(addresses)
}

/// The addresses that this computer itself answers to.
pub(crate) fn local_addresses(socket: &mut Socket) -> Result<Vec<Ipv4Addr>> {
    let addresses = addresses(socket)?;
    Ok(addresses
        .into_iter()
        .map(|(address, _)| address.addr())
        .collect())
}

fn read_link(body: &[u8]) -> Option<Link> {
    let attributes = Attributes::new(body.get(LINK_FIXED..)?);
    let info = attributes.nested(libc::IFLA_LINKINFO);
    Some(Link {
        index: number(body, 4)?,
        name: attributes.text(libc::IFLA_IFNAME)?.to_owned(),
        alias: attributes.text(libc::IFLA_IFALIAS).map(str::to_owned),
        is_bridge: info.is_some_and(|info| info.text(libc::IFLA_INFO_KIND) == Some("bridge")),
        master: attributes
            .find(libc::IFLA_MASTER)
            .and_then(|bytes| number(bytes, 0)),
    })
}

fn read_route(body: &[u8]) -> Option<(Ipv4Net, Index)> {
    let attributes = Attributes::new(body.get(12..)?);
    let length = body[1];
    let kind = body[7];
    if kind != libc::RTN_UNICAST || length == 0 {
        return None;
    }
    let destination: [u8; 4] = attributes.find(libc::RTA_DST)?.try_into().ok()?;
    let interface = attributes
        .find(libc::RTA_OIF)
        .and_then(|bytes| number(bytes, 0));
    let net = Ipv4Net::new(destination.into(), length).ok()?;
    Some((net.trunc(), interface.unwrap_or(0)))
}

fn read_address(body: &[u8]) -> Option<(Ipv4Net, Index)> {
    let attributes = Attributes::new(body.get(8..)?);
    let address: [u8; 4] = attributes.find(libc::IFA_LOCAL)?.try_into().ok()?;
    let address = Ipv4Net::new(address.into(), body[1]).ok()?;
    Some((address, number(body, 4)?))
}

fn link_fixed(index: Index, flags: i32) -> [u8; LINK_FIXED] {
    let mut fixed = [0; LINK_FIXED];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&flags.to_ne_bytes());
    fixed
}

fn request(operation: &Operation) -> Message {
    const CHANGE: i32 = libc::NLM_F_ACK;
    const MAKE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
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
        Operation::AddVeth {
            name,
            bridge,
            mtu,
            peer,
            peer_mac,
            namespace_fd,
        } => {
            let message = Message::new(libc::RTM_NEWLINK, MAKE, &link_fixed(0, libc::IFF_UP))
                .with_text(libc::IFLA_IFNAME, name)
                .with_number(libc::IFLA_MASTER, *bridge);
            with_mtu(message, *mtu).with_nested(libc::IFLA_LINKINFO, |message| {
                message.with(libc::IFLA_INFO_KIND, b"veth").with_nested(
                    libc::IFLA_INFO_DATA,
                    |message| {
                        message.with_nested(VETH_PEER, |message| {
                            let message = message
                                .with_raw(&link_fixed(0, 0))
                                .with_text(libc::IFLA_IFNAME, peer)
                                .with(LINK_ADDRESS, &peer_mac.octets())
                                .with(libc::IFLA_NET_NS_FD, &namespace_fd.to_ne_bytes());
                            with_mtu(message, *mtu)
                        })
                    },
                )
            })
        }
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
        Operation::DeleteLink { name } => {
            Message::new(libc::RTM_DELLINK, CHANGE, &link_fixed(0, 0))
                .with_text(libc::IFLA_IFNAME, name)
        }
    }
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
    fn describe(&self) -> String {
        match self {
            Self::AddBridge { name, .. } => format!("making bridge {name}"),
            Self::AddVeth { name, peer, .. } => format!("making interfaces {name} and {peer}"),
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
            Self::DeleteLink { name } => format!("deleting interface {name}"),
        }
    }
}
