//! The kernel's memory of connections: what was decided about a flow holds for all of its packets, so whoever
//! changes a decision about datagrams, whose flows have no end, makes the kernel forget.

use std::{io, net::Ipv4Addr};

use super::{
    message::{Attributes, Message},
    socket::Socket,
};

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;
const AF_INET: u8 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const NESTED: u16 = 0x8000;

/// A flow of datagrams that the kernel remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Where its first packet was sent.
    pub(crate) destination: Ipv4Addr,
    /// To which port.
    pub(crate) port: u16,
    /// Where it really went.
    pub(crate) target: Ipv4Addr,
    /// To which port.
    pub(crate) target_port: u16,
}

/// Makes the kernel forget the flows of datagrams that are `stale`; tells how many.
pub(crate) fn forget(socket: &mut Socket, stale: impl Fn(Flow) -> bool) -> io::Result<usize> {
    let question = Message::new(
        (SUBSYSTEM << 8) | GET,
        libc::NLM_F_DUMP,
        &[AF_INET, 0, 0, 0],
    );
    let mut deletions = Vec::new();
    socket.dump(&question, |incoming| {
        let Some(body) = incoming.body.get(4..) else {
            return;
        };
        let attributes = Attributes::new(body);
        if let Some((flow, original)) = read(&attributes)
            && stale(flow)
        {
            deletions.push(
                Message::new(
                    (SUBSYSTEM << 8) | DELETE,
                    libc::NLM_F_ACK,
                    &[AF_INET, 0, 0, 0],
                )
                .with(TUPLE_ORIGINAL | NESTED, original),
            );
        }
    })?;
    let mut forgotten = 0;
    for deletion in deletions {
        match socket.execute(&[deletion]) {
            Ok(()) => forgotten += 1,
            // It ended by itself meanwhile.
            Err(refused) if refused.source.raw_os_error() == Some(libc::ENOENT) => {}
            Err(refused) => return Err(refused.source),
        }
    }
    Ok(forgotten)
}

fn read<'a>(attributes: &Attributes<'a>) -> Option<(Flow, &'a [u8])> {
    let original = attributes.find(TUPLE_ORIGINAL)?;
    let (_, destination, _, port) = tuple(original)?;
    let (target, _, target_port, _) = tuple(attributes.find(TUPLE_REPLY)?)?;
    let flow = Flow {
        destination,
        port,
        target,
        target_port,
    };
    Some((flow, original))
}

/// Source, destination, and their ports, if it is of datagrams.
fn tuple(bytes: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, u16, u16)> {
    let tuple = Attributes::new(bytes);
    let addresses = tuple.nested(TUPLE_IP)?;
    let ports = tuple.nested(TUPLE_PROTOCOL)?;
    let address = |kind| {
        let octets: [u8; 4] = addresses.find(kind)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    };
    let port = |kind| {
        let octets: [u8; 2] = ports.find(kind)?.try_into().ok()?;
        Some(u16::from_be_bytes(octets))
    };
    let protocol = *ports.find(1)?.first()?;
    if i32::from(protocol) != libc::IPPROTO_UDP {
        return None;
    }
    Some((address(1)?, address(2)?, port(2)?, port(3)?))
}
