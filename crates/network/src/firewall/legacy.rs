//! The rules of the old packet filter, which nftables does not show: the table `filter` of `iptables-legacy`, read
//! from the kernel as that program does.
#![expect(
    unsafe_code,
    reason = "the socket option is known to no safe interface"
)]

use std::{
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, ipproto};

use super::others::{Chain, Family, Pattern, Rule};

const TABLE: &str = "filter";
/// The names of what is numbered, in the calling thread's namespace.
const TABLES: &str = "/proc/thread-self/net/ip_tables_names";

const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;
/// A name, then the hooks, where each begins and ends, how many entries, how many bytes.
const INFO_LENGTH: usize = 84;
const INFO_HOOK_ENTRIES: usize = 36;
const INFO_UNDERFLOWS: usize = 56;
const INFO_SIZE: usize = 80;
/// The hook of packets that pass through.
const FORWARD: usize = 2;
/// A name and a size, padded, before the entries.
const ENTRIES_START: usize = 40;

/// Within an entry: the names of interfaces, their masks, where the target is and where the next entry.
const IN_INTERFACE: usize = 16;
const OUT_INTERFACE: usize = 32;
const IN_MASK: usize = 48;
const OUT_MASK: usize = 64;
const INTERFACE_LENGTH: usize = 16;
const INVERTED: usize = 83;
const TARGET_OFFSET: usize = 88;
const NEXT_OFFSET: usize = 90;
/// Within a target: its name, empty for a verdict, and the verdict.
const TARGET_NAME: usize = 2;
const TARGET_VERDICT: usize = 32;
const DROP: i32 = -1;
const ACCEPT: i32 = -2;

/// The chain that sees what passes through, and the rules of its table; none if the old filter is not in use.
pub(super) fn look() -> io::Result<Option<(Chain, Vec<Rule>)>> {
    let tables = match fs::read_to_string(TABLES) {
        Ok(tables) => tables,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !tables.lines().any(|table| table == TABLE) {
        return Ok(None);
    }
    let socket = net::socket_with(
        AddressFamily::INET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(ipproto::RAW),
    )?;
    let mut info = vec![0; INFO_LENGTH];
    info[..TABLE.len()].copy_from_slice(TABLE.as_bytes());
    read_option(&socket, GET_INFO, &mut info)?;
    let cut_short = || io::Error::from(io::ErrorKind::InvalidData);
    let size = offset(&info, INFO_SIZE).ok_or_else(cut_short)?;
    let mut entries = vec![0; ENTRIES_START + size];
    entries[..TABLE.len()].copy_from_slice(TABLE.as_bytes());
    let told = u32::try_from(size).map_err(|_| cut_short())?;
    entries[32..36].copy_from_slice(&told.to_ne_bytes());
    read_option(&socket, GET_ENTRIES, &mut entries)?;
    let first = offset(&info, INFO_HOOK_ENTRIES + 4 * FORWARD).ok_or_else(cut_short)?;
    let last = offset(&info, INFO_UNDERFLOWS + 4 * FORWARD).ok_or_else(cut_short)?;
    read(&entries[ENTRIES_START..], first, last)
        .map(Some)
        .ok_or_else(cut_short)
}

/// Reads the table: the chain's rules begin at `first`, and its policy is at `last`.
fn read(entries: &[u8], first: usize, last: usize) -> Option<(Chain, Vec<Rule>)> {
    let policy = verdict(entries.get(last..)?)?;
    let chain = Chain {
        family: Family::Legacy,
        table: TABLE.to_owned(),
        name: "FORWARD".to_owned(),
        forwards: true,
        drops: policy == DROP,
    };
    let mut rules = Vec::new();
    let mut at = 0;
    while let Some(entry) = entries.get(at..).filter(|entry| !entry.is_empty()) {
        let length = usize::from(short(entry, NEXT_OFFSET)?);
        if length == 0 {
            return None;
        }
        let verdict = verdict(entry);
        let plain = entry.get(INVERTED) == Some(&0);
        let pattern = |name, mask| pattern(entry, name, mask).filter(|_| plain);
        let enters_by = pattern(IN_INTERFACE, IN_MASK);
        let leaves_by = pattern(OUT_INTERFACE, OUT_MASK);
        let unconditional = entry.get(..INVERTED + 1)?.iter().all(|byte| *byte == 0)
            && short(entry, TARGET_OFFSET) == Some(112);
        let within = (first..last).contains(&at);
        rules.push(Rule {
            table: TABLE.to_owned(),
            chain: if within { "FORWARD" } else { "" }.to_owned(),
            enters_by,
            leaves_by,
            accepts: verdict == Some(ACCEPT),
            drops_all: unconditional && verdict == Some(DROP),
        });
        at += length;
    }
    Some((chain, rules))
}

fn verdict(entry: &[u8]) -> Option<i32> {
    let target = entry.get(usize::from(short(entry, TARGET_OFFSET)?)..)?;
    let is_verdict = target.get(TARGET_NAME) == Some(&0);
    let bytes = target.get(TARGET_VERDICT..TARGET_VERDICT + 4)?;
    is_verdict.then_some(i32::from_ne_bytes(bytes.try_into().ok()?))
}

/// An interface's name, of which the mask says how much counts: with its final zero, if it is the whole.
fn pattern(entry: &[u8], name: usize, mask: usize) -> Option<Pattern> {
    let name = entry.get(name..name + INTERFACE_LENGTH)?;
    let mask = entry.get(mask..mask + INTERFACE_LENGTH)?;
    let counts = mask.iter().take_while(|byte| **byte != 0).count();
    (counts != 0).then(|| Pattern::read(&name[..counts]))?
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    usize::try_from(number).ok()
}

fn read_option(socket: &OwnedFd, option: libc::c_int, buffer: &mut [u8]) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(buffer.len())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the kernel writes `length` bytes at most, which the buffer has, and reads no further either; both
    // pointers are to what lives until it returns.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            option,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
