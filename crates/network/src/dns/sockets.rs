//! The sockets of a container's DNS.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
};

use rustix::net::{SocketType, sockopt};

use crate::{
    DNS_ADDRESS, DnsSockets,
    error::{Error, Result},
    netlink::nf_tables,
    netlink::route,
    plan, reservation,
};

/// Opens them in the calling thread's namespace, and leads there what is sent to port 53.
pub(crate) fn open() -> Result<DnsSockets> {
    let failed = |source| Error::DnsSockets { source };
    route::apply(&mut route::open()?, &plan::loopback())?;
    let udp = UdpSocket::bind((DNS_ADDRESS, 0)).map_err(failed)?;
    let tcp = TcpListener::bind((DNS_ADDRESS, 0)).map_err(failed)?;
    let udp_port = udp.local_addr().map_err(failed)?.port();
    let tcp_port = tcp.local_addr().map_err(failed)?.port();
    let mut socket = nf_tables::open().map_err(failed)?;
    nf_tables::redirect_dns(&mut socket, DNS_ADDRESS, udp_port, tcp_port).map_err(|refused| {
        Error::Netlink {
            operation: "leading DNS queries to their sockets".to_owned(),
            source: refused.source,
        }
    })?;
    Ok(DnsSockets {
        udp: udp.into(),
        tcp: tcp.into(),
    })
}

/// Finds them among others, which are closed.
pub(crate) fn among(kept: Vec<OwnedFd>) -> Option<DnsSockets> {
    let mut udp = None;
    let mut tcp = None;
    for socket in kept {
        match kind(&socket) {
            Ok(Some(SocketType::DGRAM)) => udp = Some(socket),
            Ok(Some(SocketType::STREAM)) => tcp = Some(socket),
            // Not one of these.
            Ok(_) | Err(_) => {}
        }
    }
    Some(DnsSockets {
        udp: udp?,
        tcp: tcp?,
    })
}

fn kind(socket: &OwnedFd) -> io::Result<Option<SocketType>> {
    match reservation::port_at(socket, DNS_ADDRESS)? {
        Some(_) => Ok(Some(sockopt::socket_type(socket)?)),
        None => Ok(None),
    }
}
