//! Ports of the host, held by sockets that are bound and never listen.
//!
//! A translated destination reserves nothing: without them another program could listen at a published port, and
//! nobody would ever reach it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::OwnedFd,
};

use model::port::Protocol;
use rustix::{
    io::Errno,
    net::{self, AddressFamily, Shutdown, SocketFlags, SocketType, sockopt},
};

use crate::{
    HostPorts, PortBinding, PortRequest, PortReservation,
    error::{Error, Result},
};

/// The ports given to those who ask for any, in turn, so that one just given up is not another's at once.
#[derive(Debug, Clone)]
pub(crate) struct EphemeralPorts {
    first: u16,
    last: u16,
    next: u16,
}

impl EphemeralPorts {
    pub(crate) const fn new(first: u16, last: u16) -> Self {
        Self {
            first,
            last,
            next: first,
        }
    }

    /// Every port once, beginning after the last that was given.
    fn candidates(&self) -> impl Iterator<Item = u16> + use<> {
        (self.next..=self.last).chain(self.first..self.next)
    }

    const fn given(&mut self, port: u16) {
        self.next = if port >= self.last {
            self.first
        } else {
            port + 1
        };
    }
}

/// Reserves a port for each request, or none at all. Ports that name no address are taken at `host_binding`.
pub(crate) fn reserve(
    requests: &[PortRequest],
    host_binding: Ipv4Addr,
    ephemeral: &mut EphemeralPorts,
) -> Result<PortReservation> {
    let mut reservation = PortReservation::default();
    for request in requests {
        let address = request.host_address.unwrap_or(host_binding);
        let (host_port, socket) = reserve_one(request, address, ephemeral)?;
        reservation.bindings.push(PortBinding {
            container: request.container,
            host_address: address,
            host_port,
        });
        reservation.sockets.push(socket);
    }
    Ok(reservation)
}

fn reserve_one(
    request: &PortRequest,
    address: Ipv4Addr,
    ephemeral: &mut EphemeralPorts,
) -> Result<(u16, OwnedFd)> {
    let protocol = request.container.protocol;
    match &request.host_ports {
        HostPorts::FirstOf(range) => match first_free(range.clone(), protocol, address)? {
            Some(found) => Ok(found),
            None => Err(Error::PortTaken {
                address,
                port: *range.start(),
            }),
        },
        HostPorts::Any => match first_free(ephemeral.candidates(), protocol, address)? {
            Some((port, socket)) => {
                ephemeral.given(port);
                Ok((port, socket))
            }
            None => Err(Error::PortsExhausted),
        },
    }
}

fn first_free(
    ports: impl Iterator<Item = u16>,
    protocol: Protocol,
    address: Ipv4Addr,
) -> Result<Option<(u16, OwnedFd)>> {
    for port in ports {
        match hold(protocol, SocketAddrV4::new(address, port)) {
            Ok(socket) => return Ok(Some((port, socket))),
            Err(Failure::Taken) => {}
            Err(Failure::Unsupported) => return Err(Error::UnsupportedProtocol { protocol }),
            Err(Failure::Other(errno)) => {
                return Err(Error::BindPort {
                    address,
                    port,
                    protocol,
                    source: errno.into(),
                });
            }
        }
    }
    Ok(None)
}

enum Failure {
    Taken,
    Unsupported,
    Other(Errno),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ADDRINUSE => Self::Taken,
            errno => Self::Other(errno),
        }
    }
}

fn hold(protocol: Protocol, address: SocketAddrV4) -> std::result::Result<OwnedFd, Failure> {
    match protocol {
        Protocol::Tcp => match bound(SocketType::STREAM, address) {
            Err(Failure::Taken) => hold_despite_old_connections(address),
            result => result,
        },
        Protocol::Udp => {
            let socket = bound(SocketType::DGRAM, address)?;
            // What comes before the port is published is for nobody, and must not take memory for good.
            sockopt::set_socket_recv_buffer_size(&socket, 0)?;
            Ok(socket)
        }
        Protocol::Sctp => Err(Failure::Unsupported),
    }
}

fn bound(kind: SocketType, address: SocketAddrV4) -> std::result::Result<OwnedFd, Failure> {
    let socket = open(kind)?;
    net::bind(&socket, &address)?;
    Ok(socket)
}

fn open(kind: SocketType) -> std::result::Result<OwnedFd, Errno> {
    net::socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)
}

/// Takes a port that no socket holds, only connections that ended a moment ago. Those do not matter to whoever
/// says that he means to use the address again; that nobody else said so too, only listening can tell.
fn hold_despite_old_connections(address: SocketAddrV4) -> std::result::Result<OwnedFd, Failure> {
    let socket = open(SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, 1)?;
    // No longer listening, still bound.
    net::shutdown(&socket, Shutdown::Read)?;
    sockopt::set_socket_reuseaddr(&socket, false)?;
    Ok(socket)
}

/// Whether `socket` is bound to `address`, of whatever port.
pub(crate) fn port_at(socket: &OwnedFd, address: Ipv4Addr) -> io::Result<Option<u16>> {
    let bound = SocketAddrV4::try_from(net::getsockname(socket)?)?;
    Ok((*bound.ip() == address).then_some(bound.port()))
}

#[cfg(test)]
mod tests {
    use super::EphemeralPorts;

    #[test]
    fn ephemeral_ports_go_round() {
        let mut ports = EphemeralPorts::new(10, 13);
        let all = |ports: &EphemeralPorts| ports.candidates().collect::<Vec<_>>();
        assert_eq!(all(&ports), [10, 11, 12, 13]);
        ports.given(11);
        assert_eq!(all(&ports), [12, 13, 10, 11]);
        ports.given(13);
        assert_eq!(all(&ports), [10, 11, 12, 13]);
    }
}
