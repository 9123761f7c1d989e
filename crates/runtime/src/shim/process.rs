//! A process that the shim made, and how it makes one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;

use crate::failure::{Failure, FailureKind};
use crate::maker::{self, GO, Task};
use crate::streams::Streams;
use crate::syscall::{self, CloneOptions, Forked};

/// Whom to answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) connection: u64,
    pub(super) request: u64,
}

/// A process of the container that the shim made: number 0 is the first, others are execs.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what has been heard and done comes in any order"
)]
pub(super) struct Process {
    pub(super) number: u32,
    /// Known once its maker has told.
    pub(super) pid: Option<i32>,
    pub(super) handle: Option<OwnedFd>,
    /// The line to it, until its program runs.
    pub(super) line: Option<OwnedFd>,
    pub(super) ready: bool,
    /// Whether the word was given.
    pub(super) told: bool,
    pub(super) started: bool,
    pub(super) asker: Option<Asker>,
    pub(super) failure: Option<Failure>,
    pub(super) streams: Streams,
    pub(super) status: Option<i32>,
    /// Whether all that its end brings has been done.
    pub(super) over: bool,
}

impl Process {
    pub(super) fn give_word(&mut self) {
        if let Some(line) = &self.line {
            self.told = true;
            let _ = rustix::net::send(line, GO, SendFlags::NOSIGNAL);
        }
    }
}

pub(super) fn not_running() -> Failure {
    Failure::new(FailureKind::State, "the container is not running")
}

/// Which standard streams a process has.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a stream of its own")]
pub(super) struct Shape {
    pub(super) terminal: bool,
    pub(super) input: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

/// Forks a maker for a process and sets up the shim's side of it.
pub(super) fn make(
    number: u32,
    task: &Task<'_>,
    oom_score: Option<i32>,
    payload: BorrowedFd<'_>,
    mut streams: Streams,
    shape: &Shape,
    asker: Asker,
) -> Result<Process, Failure> {
    let step = |what: &'static str| move |error: rustix::io::Errno| Failure::system(what, error);
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(step("make a line"))?;
    let process_side: maker::Streams = if shape.terminal {
        None
    } else {
        Some(pipes(&mut streams, shape).map_err(step("make pipes"))?)
    };
    match syscall::clone_process(CloneOptions::default())
        .map_err(|error| Failure::system("fork", error))?
    {
        Forked::Child => syscall::exit_now(maker::run(
            task,
            oom_score,
            payload,
            &process_side,
            theirs.as_fd(),
        )),
        Forked::Parent(_) => Ok(Process {
            number,
            pid: None,
            handle: None,
            line: Some(ours),
            ready: false,
            told: false,
            started: false,
            asker: Some(asker),
            failure: None,
            streams,
            status: None,
            over: false,
        }),
    }
}

/// The process's ends of its pipes; `/dev/null` for what it doesn't have.
pub(super) fn pipes(streams: &mut Streams, shape: &Shape) -> rustix::io::Result<[OwnedFd; 3]> {
    let null = || rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
    let mut ours: [Option<OwnedFd>; 3] = [None, None, None];
    let stdin = if shape.input {
        let (read, write) = pipe()?;
        ours[0] = Some(write);
        read
    } else {
        null()?
    };
    let mut output = |wanted: bool, place: usize| -> rustix::io::Result<OwnedFd> {
        if !wanted {
            return null();
        }
        let (read, write) = pipe()?;
        ours[place] = Some(read);
        Ok(write)
    };
    let (stdout, stderr) = (output(shape.stdout, 1)?, output(shape.stderr, 2)?);
    for fd in ours.iter().flatten() {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    let [input, out, err] = ours;
    streams.use_pipes(input, out, err);
    Ok([stdin, stdout, stderr])
}
