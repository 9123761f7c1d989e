//! Links, addresses and routes: what a plan asks for, as messages; and what is there.

use std::{io, net::Ipv4Addr, path::Path, time::Duration};

use super::{
    message::{Attributes, Message, number},
    operation::{Operation, request},
    socket::Socket,
};
use crate::error::{Error, Result};
use ipnet::Ipv4Net;
use rustix::net::Protocol;

/// Netlink's own protocol, which is number zero, as if none were named.
const NETLINK_ROUTE: Option<Protocol> = None;
const AF_INET: u8 = 2;
/// The length of the fixed part of a link's message.
pub(super) const LINK_FIXED: usize = 16;

/// The number by which the kernel knows an interface.
pub(crate) type Index = u32;

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

/// Waits until an interface that has been set up, and whose other end has, passes packets on.
///
/// The kernel tells a bridge of it, and the queue that it may be used, by work of its own that comes a moment later;
/// what is sent before is lost, and sent again after a whole second. To ask for the state has new kernels do that
/// work first; of older ones we ask until it is done. It is not worth failing for.
pub(crate) fn wait_until_up(socket: &mut Socket, name: &str) {
    const UP: Option<&[u8]> = Some(&[6]);
    const ATTEMPTS: u32 = 100;
    const PAUSE: Duration = Duration::from_micros(500);
    let question =
        Message::new(libc::RTM_GETLINK, 0, &[0; LINK_FIXED]).with_text(libc::IFLA_IFNAME, name);
    for _ in 0..ATTEMPTS {
        let is_up = socket.ask(&question, |incoming| {
            let attributes = incoming.body.get(LINK_FIXED..).map(Attributes::new);
            attributes.is_some_and(|attributes| attributes.find(libc::IFLA_OPERSTATE) == UP)
        });
        match is_up {
            Ok(true) | Err(_) => return,
            Ok(false) => std::thread::sleep(PAUSE),
        }
    }
    tracing::debug!(name, "an interface does not come up");
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
