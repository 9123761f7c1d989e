//! A netlink socket: requests sent in batches, each acknowledged.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType,
    netlink::SocketAddrNetlink,
};

use super::message::{self, Incoming, Message};

/// As large as the kernel makes a piece of a dump.
const RECEIVE_SIZE: usize = 32 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    file: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// The kernel refused one request of a batch; the others may have been done.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Which, counted from zero.
    pub(crate) place: usize,
    /// Why.
    pub(crate) source: io::Error,
}

impl Socket {
    /// Opens one in the calling thread's namespace.
    pub(crate) fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let file = net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        net::bind(&file, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self {
            file,
            sequence: 0,
            buffer: vec![0; RECEIVE_SIZE],
        })
    }

    /// The number that the kernel knows it by.
    pub(crate) fn port(&self) -> io::Result<u32> {
        let address = net::getsockname(&self.file)?;
        let address = SocketAddrNetlink::try_from(address)?;
        Ok(address.pid())
    }

    /// Sends all of `requests` at once and waits for every acknowledgement.
    ///
    /// The first request that was refused is told; whether those after it were done depends on the protocol.
    pub(crate) fn execute(&mut self, requests: &[Message]) -> Result<(), Refused> {
        self.execute_between(&[], requests, &[])
    }

    /// As [`execute`](Self::execute), between messages that are not acknowledged.
    pub(crate) fn execute_between(
        &mut self,
        before: &[Message],
        requests: &[Message],
        after: &[Message],
    ) -> Result<(), Refused> {
        if requests.is_empty() {
            return Ok(());
        }
        let at_first = |source| Refused { place: 0, source };
        let mut bytes = Vec::new();
        for message in before {
            bytes.extend(message.numbered(self.next_sequence()));
        }
        let first = self.sequence.wrapping_add(1);
        for message in requests {
            bytes.extend(message.numbered(self.next_sequence()));
        }
        let last = self.sequence;
        for message in after {
            bytes.extend(message.numbered(self.next_sequence()));
        }
        self.send(&bytes).map_err(at_first)?;

        let expected = requests.len();
        let mut acknowledged = 0;
        let mut refused: Option<Refused> = None;
        while acknowledged < expected {
            let received = self.receive().map_err(at_first)?;
            let mut rest = &self.buffer[..received];
            while let Some(incoming) = message::next(&mut rest) {
                let Some(result) = acknowledgement(incoming) else {
                    continue;
                };
                let place = incoming.sequence.wrapping_sub(first);
                let within = place <= last.wrapping_sub(first);
                match result {
                    Ok(()) if within => acknowledged += 1,
                    Ok(()) => {}
                    Err(source) => {
                        let place = if within { place } else { 0 };
                        let place = usize::try_from(place).unwrap_or(0);
                        if !within {
                            // A refused frame refuses all that it holds.
                            return Err(Refused { place, source });
                        }
                        acknowledged += 1;
                        if refused.as_ref().is_none_or(|refused| place < refused.place) {
                            refused = Some(Refused { place, source });
                        }
                    }
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Asks a question that has one answer, and hands it to `read`.
    pub(crate) fn ask<T>(
        &mut self,
        question: &Message,
        read: impl FnOnce(Incoming<'_>) -> T,
    ) -> io::Result<T> {
        let sequence = self.next_sequence();
        self.send(&question.numbered(sequence))?;
        loop {
            let received = self.receive()?;
            let mut rest = &self.buffer[..received];
            while let Some(incoming) = message::next(&mut rest) {
                if incoming.sequence != sequence {
                    continue;
                }
                return match acknowledgement(incoming) {
                    Some(Err(error)) => Err(error),
                    Some(Ok(())) => Err(io::ErrorKind::InvalidData.into()),
                    None => Ok(read(incoming)),
                };
            }
        }
    }

    /// Asks for a list, and hands each entry to `read`.
    pub(crate) fn dump(
        &mut self,
        question: &Message,
        mut read: impl FnMut(Incoming<'_>),
    ) -> io::Result<()> {
        let sequence = self.next_sequence();
        self.send(&question.numbered(sequence))?;
        loop {
            let received = self.receive()?;
            let mut rest = &self.buffer[..received];
            while let Some(incoming) = message::next(&mut rest) {
                if incoming.sequence != sequence {
                    continue;
                }
                if i32::from(incoming.kind) == libc::NLMSG_DONE {
                    return Ok(());
                }
                match acknowledgement(incoming) {
                    Some(result) => return result,
                    None => read(incoming),
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = net::sendto(
            &self.file,
            bytes,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match net::recv(&self.file, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((received, _)) => return Ok(received),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What an acknowledgement says; none if it is another kind of message.
fn acknowledgement(incoming: Incoming<'_>) -> Option<io::Result<()>> {
    if i32::from(incoming.kind) != libc::NLMSG_ERROR {
        return None;
    }
    let code = message::number(incoming.body, 0).unwrap_or(0).cast_signed();
    Some(match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
    })
}
