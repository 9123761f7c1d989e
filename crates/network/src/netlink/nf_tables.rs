//! The little of nftables that is spoken directly, because starting `nft` would take longer than the work: elements
//! of our maps, and the redirection of a container's DNS queries.

use std::{io, net::Ipv4Addr};

use rustix::net::netlink::NETFILTER;

use super::{
    message::Message,
    socket::{Refused, Socket},
};

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
pub(crate) const SUBSYSTEM: u16 = 10;
const FAMILY_IPV4: u8 = 2;

const LIST_ENTRY: u16 = 1;
const DATA_VALUE: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const REGISTER_1: u32 = 1;
const REGISTER_2: u32 = 2;

/// The name of the table in a container's namespace.
const DNS_TABLE: &str = "essaim-dns";
/// Where queries go, whatever asks.
const DNS_PORT: u16 = 53;
/// The hook of packets that this namespace sends.
const HOOK_OUTPUT: u32 = 3;
/// Where the kernel's own destination translation stands.
const PRIORITY_DESTINATION_NAT: i32 = -100;

/// An element of one of our maps, as the kernel keeps it: each part padded to four bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    /// The map.
    pub(crate) map: &'static str,
    /// What is looked up.
    pub(crate) key: Vec<u8>,
    /// What is found.
    pub(crate) value: Vec<u8>,
}

/// Opens a socket for this in the calling thread's namespace.
pub(crate) fn open() -> io::Result<Socket> {
    Socket::open(Some(NETFILTER))
}

/// Deletes and adds elements in one transaction: all or nothing.
pub(crate) fn change_elements(
    socket: &mut Socket,
    table: &str,
    delete: &[Element],
    add: &[Element],
) -> Result<(), Refused> {
    let deletions = delete
        .iter()
        .map(|element| element_message(DELETE_ELEMENT, table, element));
    let additions = add
        .iter()
        .map(|element| element_message(NEW_ELEMENT, table, element));
    let messages: Vec<Message> = deletions.chain(additions).collect();
    transaction(socket, &messages)
}

/// Leads queries to `address` at port 53, sent in this namespace, to these ports of it. What led them elsewhere does so
/// no longer.
pub(crate) fn redirect_dns(
    socket: &mut Socket,
    address: Ipv4Addr,
    udp_port: u16,
    tcp_port: u16,
) -> Result<(), Refused> {
    let make = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let append = libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    let chain = "output";
    let rule = |protocol: libc::c_int, port: u16| {
        table_message(NEW_RULE, append)
            .with_text(1, DNS_TABLE)
            .with_text(2, chain)
            .with_nested(4, |message| redirect(message, protocol, address, port))
    };
    let messages = [
        table_message(NEW_TABLE, make).with_text(1, DNS_TABLE),
        table_message(NEW_CHAIN, make)
            .with_text(1, DNS_TABLE)
            .with_text(3, chain)
            .with_nested(4, |message| {
                message
                    .with_big_endian(1, HOOK_OUTPUT)
                    .with_big_endian(2, PRIORITY_DESTINATION_NAT.cast_unsigned())
            })
            .with_text(7, "nat"),
        rule(libc::IPPROTO_UDP, udp_port),
        rule(libc::IPPROTO_TCP, tcp_port),
    ];
    match transaction(socket, &messages) {
        Err(refused) if refused.source.raw_os_error() == Some(libc::EEXIST) => {
            let former = table_message(DELETE_TABLE, 0).with_text(1, DNS_TABLE);
            transaction(socket, &[&[former], &messages[..]].concat())
        }
        result => result,
    }
}

/// The expressions of `meta l4proto P ip daddr A th dport 53 dnat to A:port`.
fn redirect(message: Message, protocol: libc::c_int, address: Ipv4Addr, port: u16) -> Message {
    /// `meta l4proto`.
    const META_PROTOCOL: u32 = 16;
    const NETWORK_HEADER: u32 = 1;
    const TRANSPORT_HEADER: u32 = 2;
    const DESTINATION_ADDRESS_OFFSET: u32 = 16;
    const DESTINATION_PORT_OFFSET: u32 = 2;
    const NAT_DESTINATION: u32 = 1;
    let protocol = u8::try_from(protocol).expect("protocols have eight bits");

    let load_payload = |message: Message, base: u32, offset: u32, length: u32| {
        expression(message, "payload", |data| {
            data.with_big_endian(1, REGISTER_1)
                .with_big_endian(2, base)
                .with_big_endian(3, offset)
                .with_big_endian(4, length)
        })
    };
    let is = |message: Message, value: &[u8]| {
        expression(message, "cmp", |data| {
            data.with_big_endian(1, REGISTER_1)
                .with_big_endian(2, 0)
                .with_nested(3, |data| data.with(DATA_VALUE, value))
        })
    };
    let set = |message: Message, register: u32, value: &[u8]| {
        expression(message, "immediate", |data| {
            data.with_big_endian(1, register)
                .with_nested(2, |data| data.with(DATA_VALUE, value))
        })
    };

    let message = expression(message, "meta", |data| {
        data.with_big_endian(1, REGISTER_1)
            .with_big_endian(2, META_PROTOCOL)
    });
    let message = is(message, &[protocol]);
    let message = load_payload(message, NETWORK_HEADER, DESTINATION_ADDRESS_OFFSET, 4);
    let message = is(message, &address.octets());
    let message = load_payload(message, TRANSPORT_HEADER, DESTINATION_PORT_OFFSET, 2);
    let message = is(message, &DNS_PORT.to_be_bytes());
    let message = set(message, REGISTER_1, &address.octets());
    let message = set(message, REGISTER_2, &port.to_be_bytes());
    expression(message, "nat", |data| {
        data.with_big_endian(1, NAT_DESTINATION)
            .with_big_endian(2, u32::from(FAMILY_IPV4))
            .with_big_endian(3, REGISTER_1)
            .with_big_endian(5, REGISTER_2)
    })
}

fn expression(message: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    message.with_nested(LIST_ENTRY, |message| {
        message
            .with_text(EXPRESSION_NAME, name)
            .with_nested(EXPRESSION_DATA, data)
    })
}

fn element_message(kind: u16, table: &str, element: &Element) -> Message {
    table_message(kind, libc::NLM_F_CREATE)
        .with_text(1, table)
        .with_text(2, element.map)
        .with_nested(3, |message| {
            message.with_nested(LIST_ENTRY, |message| {
                message
                    .with_nested(1, |message| message.with(DATA_VALUE, &element.key))
                    .with_nested(2, |message| message.with(DATA_VALUE, &element.value))
            })
        })
}

fn table_message(kind: u16, flags: i32) -> Message {
    Message::new(
        (SUBSYSTEM << 8) | kind,
        flags | libc::NLM_F_ACK,
        &[FAMILY_IPV4, 0, 0, 0],
    )
}

fn transaction(socket: &mut Socket, messages: &[Message]) -> Result<(), Refused> {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    let frame = |kind| Message::new(kind, 0, &[0, 0, high, low]);
    socket.execute_between(&[frame(BATCH_BEGIN)], messages, &[frame(BATCH_END)])
}
