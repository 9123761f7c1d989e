//! What a daemon and a shim say to each other.
//!
//! Each message is one packet of a `SOCK_SEQPACKET` socket: JSON, and descriptors beside it. The daemon asks, with a
//! number; the shim answers with the same number, or tells of an event. A shim must understand every daemon that comes
//! after it, so that messages only ever grow: fields get defaults, requests are added, none changes its meaning.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::host::CgroupLayout;
use crate::spec::{Exit, LogFile};

/// The version that this program speaks.
pub(crate) const VERSION: u32 = 1;

/// The largest message; what may be longer travels in a file in memory.
pub(crate) const LARGEST_MESSAGE: usize = 16 * 1024;

/// The most descriptors in one message: the kernel takes no more. A published port needs one.
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// What a daemon asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Comes back in the answer.
    pub(crate) number: u64,
    /// What: an [`Ask`], read apart so that a shim can tell a newer daemon what it doesn't know.
    pub(crate) ask: serde_json::Value,
}

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// How things are. Answered with [`Answer::State`].
    Hello {
        /// The daemon's version.
        version: u32,
    },
    /// Make the container. Beside it: the payload. Answered with [`Answer::Made`].
    Create(Box<ShimSettings>),
    /// Run the container's program.
    Start,
    /// Send a signal to a process: 0 is the container's first, others are execs.
    Signal {
        /// Which process.
        process: u32,
        /// Which signal.
        signal: i32,
    },
    /// Connect the stream beside it to the container's standard streams.
    Attach {
        /// Whether it feeds standard input.
        stdin: bool,
        /// Whether it gets standard output.
        stdout: bool,
        /// Whether it gets standard error.
        stderr: bool,
    },
    /// Close standard input.
    CloseStdin,
    /// Set a terminal's size.
    Resize {
        /// Which process's terminal.
        process: u32,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Run a process in the container. Beside it: the payload, and a stream if any of the three is set. Answered with
    /// [`Answer::Made`] once its program runs.
    Exec {
        /// Whether it has a terminal.
        tty: bool,
        /// Whether standard input comes from the stream.
        stdin: bool,
        /// Whether standard output goes to the stream.
        stdout: bool,
        /// Whether standard error goes to the stream.
        stderr: bool,
    },
    /// Hold the descriptors beside it.
    Keep {
        /// Under this name, in place of what was there.
        name: String,
    },
    /// Give copies of the descriptors under this name.
    Kept {
        /// The name.
        name: String,
    },
}

/// What the shim itself must know of a container; the rest is read by a child that ends again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShimSettings {
    pub(crate) id: String,
    /// The folder of the socket.
    pub(crate) directory: std::path::PathBuf,
    pub(crate) tty: bool,
    pub(crate) open_stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) log: Option<LogFile>,
    pub(crate) exit_file: std::path::PathBuf,
    pub(crate) cgroup: String,
    pub(crate) shim_cgroup: String,
    pub(crate) layout: CgroupLayout,
    /// Names of the descriptors beside the payload, which are to be kept.
    pub(crate) kept: Vec<String>,
}

/// What a shim says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Say {
    /// The answer to the request of this number.
    Answer {
        /// The request's number.
        number: u64,
        /// The answer.
        answer: Result<Answer, Failure>,
    },
    /// The container ended.
    Exited(Exit),
    /// The shim is this process from now on.
    Here {
        /// Its id.
        pid: u32,
    },
    /// A process that was run in it ended.
    ExecExited {
        /// Which.
        process: u32,
        /// Its status.
        code: i32,
    },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// A process is there.
    Made {
        /// Its number, for later requests: 0 for the container.
        process: u32,
        /// Its id as the shim sees it.
        pid: u32,
    },
    /// How things are.
    State {
        /// The shim's version.
        version: u32,
        /// The id of the container's first process.
        pid: u32,
        /// The container's cgroup.
        cgroup: String,
        /// Whether its program was started.
        started: bool,
        /// How it ended, if it has.
        exit: Option<Exit>,
    },
}

/// Sends one message.
pub(crate) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    if text.len() > LARGEST_MESSAGE {
        return Err(io::Error::other("a message is too long"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("a message has too many descriptors"));
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&text)],
        &mut beside,
        flags | SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one message; `None` at the end.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    flags: RecvFlags,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut text = vec![0; LARGEST_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut text)],
        &mut beside,
        flags | RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors: Vec<OwnedFd> = beside
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Ok(None);
    }
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::Error::other("a message was cut short"));
    }
    Ok(Some((
        serde_json::from_slice(&text[..received.bytes])?,
        descriptors,
    )))
}

/// Puts what a child of the shim reads (JSON, then a compiled filter) into a file in memory.
pub(crate) fn payload<T: Serialize>(spec: &T, filter: Option<&[u8]>) -> io::Result<OwnedFd> {
    let text = serde_json::to_vec(spec)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let memory = rustix::fs::memfd_create("essaim-payload", rustix::fs::MemfdFlags::CLOEXEC)?;
    let whole = [
        &length.to_ne_bytes(),
        text.as_slice(),
        filter.unwrap_or_default(),
    ]
    .concat();
    write_all(memory.as_fd(), &whole)?;
    Ok(memory)
}

/// Reads what [`payload`] wrote.
pub(crate) fn read_payload<T: DeserializeOwned>(
    memory: BorrowedFd<'_>,
) -> io::Result<(T, Vec<u8>)> {
    let size = usize::try_from(rustix::fs::fstat(memory)?.st_size).map_err(io::Error::other)?;
    let mut whole = vec![0; size];
    let mut read = 0;
    while read < size {
        match rustix::io::pread(memory, &mut whole[read..], read as u64)? {
            0 => break,
            count => read += count,
        }
    }
    let (length, rest) = whole
        .split_first_chunk::<4>()
        .ok_or_else(|| io::Error::other("the payload is empty"))?;
    let length = usize::try_from(u32::from_ne_bytes(*length)).map_err(io::Error::other)?;
    let (text, filter) = rest
        .split_at_checked(length)
        .ok_or_else(|| io::Error::other("the payload is cut short"))?;
    Ok((serde_json::from_slice(text)?, filter.to_vec()))
}

/// Writes all of it, however often that takes.
pub(crate) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
