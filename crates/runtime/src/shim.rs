//! The shim: the process that stays beside one container, from before its first process to after its last.
//!
//! One thread, one loop around `poll`. It is asked things over its socket, hears of ended children through a signal
//! descriptor, and moves bytes between the container's processes, its log and its clients. It must never wait for
//! anything else, and never read a container's specification: that is the `maker`'s, in a child that ends.

mod asked;
pub(crate) mod course;
mod process;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::cgroup::{self, Cgroup};
use crate::failure::{Failure, FailureKind};
use crate::protocol::{self, Answer, Request, Say, ShimSettings, VERSION};
use crate::spec::Exit;
use crate::streams::Place;
use crate::syscall::{self, CloneOptions, Forked};
use process::{Asker, Process};

/// The name of the socket in the shim's folder.
pub const SOCKET: &str = "shim.sock";

/// The buffer that all copying goes through: half a pipe's.
const BUFFER: usize = 32 * 1024;

/// How long nothing must happen before memory is given back.
const REST: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// How many daemons may be connected at once; more are turned away.
const MOST_CONNECTIONS: usize = 32;

/// Runs the shim on the socket that it was started with as its standard input. Returns its exit status.
pub fn run() -> i32 {
    let line = syscall::inherited(0);
    // Descriptor 0 must not become anything that matters.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let moved = syscall::duplicate_above(line.as_fd(), 3);
    drop(line);
    syscall::heed_all_signals();
    let (Ok(null), Ok(line)) = (null, moved) else {
        return 1;
    };
    drop(syscall::duplicate_onto(null.as_fd(), 0));
    std::mem::forget(null);
    let _ = rustix::thread::set_name(c"essaim-shim");
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    // The processes that it makes must not be looked into by the container that they are on the way to.
    drop(syscall::process_control(libc::PR_SET_DUMPABLE, 0, 0));
    let usual_oom_score = process_oom_score();
    let Ok(signals) =
        syscall::signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP])
    else {
        return 1;
    };
    let mut shim = Shim {
        connections: vec![Connection {
            number: 0,
            socket: line,
            gone: false,
        }],
        next_connection: 1,
        listener: None,
        signals,
        settings: None,
        oom_kills_before: 0,
        processes: Vec::new(),
        next_process: 0,
        kept: BTreeMap::new(),
        unclaimed: Vec::new(),
        exit: None,
        usual_oom_score,
    };
    shim.serve();
    0
}

#[derive(Debug)]
struct Connection {
    number: u64,
    socket: OwnedFd,
    gone: bool,
}

#[derive(Debug)]
struct Shim {
    connections: Vec<Connection>,
    next_connection: u64,
    listener: Option<OwnedFd>,
    signals: OwnedFd,
    settings: Option<ShimSettings>,
    oom_kills_before: u64,
    processes: Vec<Process>,
    next_process: u32,
    kept: BTreeMap<String, Vec<OwnedFd>>,
    /// Children that ended before anybody said whose they are.
    unclaimed: Vec<(i32, i32)>,
    exit: Option<Exit>,
    /// What the container's processes get unless told otherwise; `None` if it is the shim's own.
    usual_oom_score: Option<i32>,
}

/// What a poll is about.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Listener,
    Connection(usize),
    Line(usize),
    Stream(usize, Place),
}

impl Shim {
    fn serve(&mut self) {
        let mut buffer = vec![0; BUFFER];
        let mut rested = false;
        while !self.is_done() {
            let (mut polls, mut sources) = (Vec::new(), Vec::new());
            self.interests(&mut polls, &mut sources);
            let rest = (!rested).then_some(&REST);
            let count = match rustix::event::poll(&mut polls, rest) {
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            };
            if count == 0 {
                rested = true;
                (polls, sources, buffer) = (Vec::new(), Vec::new(), Vec::new());
                drop((polls, sources));
                syscall::trim_heap();
                continue;
            }
            rested = false;
            let ready: Vec<(Source, PollFlags)> = sources
                .into_iter()
                .zip(polls.iter().map(PollFd::revents))
                .filter(|(_, flags)| !flags.is_empty())
                .collect();
            drop(polls);
            buffer.resize(BUFFER, 0);
            for (source, flags) in ready {
                self.ready(source, flags, &mut buffer);
            }
            self.settle(&mut buffer);
        }
    }

    /// Whether there is nothing left to do: the container is over, and so is everything that anybody waits for. Also
    /// when whoever started us is gone before there was a container.
    fn is_done(&self) -> bool {
        let idle = self
            .processes
            .iter()
            .all(|process| process.over && process.streams.is_done());
        match self.processes.first() {
            None => self.connections.is_empty(),
            Some(_) => idle && self.exit.is_some(),
        }
    }

    fn interests<'a>(&'a self, polls: &mut Vec<PollFd<'a>>, sources: &mut Vec<Source>) {
        let mut add = |fd: BorrowedFd<'a>, flags: PollFlags, source: Source| {
            polls.push(PollFd::from_borrowed_fd(fd, flags));
            sources.push(source);
        };
        add(self.signals.as_fd(), PollFlags::IN, Source::Signals);
        if let Some(listener) = &self.listener {
            add(listener.as_fd(), PollFlags::IN, Source::Listener);
        }
        for (place, connection) in self.connections.iter().enumerate() {
            add(
                connection.socket.as_fd(),
                PollFlags::IN,
                Source::Connection(place),
            );
        }
        for (place, process) in self.processes.iter().enumerate() {
            if let Some(line) = &process.line {
                add(line.as_fd(), PollFlags::IN, Source::Line(place));
            }
            process
                .streams
                .interests(&mut |fd, flags, what| add(fd, flags, Source::Stream(place, what)));
        }
    }

    fn ready(&mut self, source: Source, flags: PollFlags, buffer: &mut [u8]) {
        match source {
            // What the signal was about is looked at after every round anyway.
            Source::Signals => {
                let _ = rustix::io::read(&self.signals, &mut *buffer);
            }
            Source::Listener => self.accept(),
            Source::Connection(place) => self.hear_connection(place),
            Source::Line(place) => {
                self.hear_line(place);
            }
            Source::Stream(place, what) => {
                if let Some(process) = self.processes.get_mut(place) {
                    process.streams.ready(what, flags, buffer);
                }
            }
        }
    }

    /// After each round: children that ended, what follows from it, and what can be let go of.
    fn settle(&mut self, buffer: &mut [u8]) {
        while let Some((pid, status)) = syscall::reap_any() {
            match self
                .processes
                .iter_mut()
                .find(|process| process.pid == Some(pid))
            {
                Some(process) => process.status = Some(status),
                None => self.unclaimed.push((pid, status)),
            }
        }
        // A process's last words are on its line before its end shows; hear them first.
        for place in 0..self.processes.len() {
            if self.processes[place].status.is_some() && !self.processes[place].over {
                while self.processes[place].line.is_some() && self.hear_line(place) {}
                self.hang_up_line(place);
                self.end_process(place, buffer);
            }
        }
        for process in &mut self.processes {
            process.streams.sweep();
        }
        self.processes
            .retain(|process| process.number == 0 || !process.over || !process.streams.is_done());
        self.connections.retain(|connection| !connection.gone);
        self.abandon();
        // Makers end unclaimed, one for each process; orphans do, too.
        if self
            .processes
            .iter()
            .all(|process| process.pid.is_some() || process.over)
        {
            self.unclaimed.clear();
        }
    }

    /// A container that was never told to start, and that nobody is there any more to tell, is nobody's.
    fn abandon(&mut self) {
        if let (true, Some(first)) = (self.connections.is_empty(), self.processes.first())
            && !first.told
            && first.status.is_none()
            && let Some(pid) = first.pid
        {
            drop(syscall::kill(pid, libc::SIGKILL));
        }
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let Ok(socket) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC) else {
            return;
        };
        if self.connections.len() < MOST_CONNECTIONS {
            self.connections.push(Connection {
                number: self.next_connection,
                socket,
                gone: false,
            });
            self.next_connection += 1;
        }
    }

    fn hear_connection(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        match protocol::receive::<Request>(connection.socket.as_fd(), RecvFlags::DONTWAIT) {
            Ok(Some((request, descriptors))) => {
                let asker = Asker {
                    connection: connection.number,
                    request: request.number,
                };
                let answer = match serde_json::from_value(request.ask) {
                    Ok(ask) => self.act(asker, ask, descriptors),
                    Err(_) => Some(Err(Failure::new(
                        FailureKind::State,
                        "the container's shim is older than what is asked of it",
                    ))),
                };
                if let Some(answer) = answer {
                    self.answer(asker, answer, &[]);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(None) | Err(_) => connection.gone = true,
        }
    }

    fn state(&self) -> Answer {
        let first = self.processes.first();
        Answer::State {
            version: VERSION,
            pid: first
                .and_then(|first| first.pid)
                .map_or(0, i32::unsigned_abs),
            cgroup: self
                .settings
                .as_ref()
                .map(|settings| settings.cgroup.clone())
                .unwrap_or_default(),
            started: first.is_some_and(|first| first.started),
            exit: self.exit,
        }
    }

    fn answer(&mut self, asker: Asker, answer: Result<Answer, Failure>, beside: &[BorrowedFd<'_>]) {
        let say = Say::Answer {
            number: asker.request,
            answer,
        };
        if let Some(connection) = self
            .connections
            .iter_mut()
            .find(|connection| connection.number == asker.connection)
        {
            connection.say(&say, beside);
        }
    }

    fn tell_all(&mut self, say: &Say) {
        for connection in &mut self.connections {
            connection.say(say, &[]);
        }
    }
}

impl Connection {
    fn say(&mut self, say: &Say, beside: &[BorrowedFd<'_>]) {
        // A daemon that doesn't listen any more is let go of; it finds the shim again if it lives.
        if protocol::send(self.socket.as_fd(), say, beside, SendFlags::DONTWAIT).is_err() {
            self.gone = true;
        }
    }
}

/// Has the kernel spare the shim when memory runs out, as far as we may say so, and gives what was before.
fn process_oom_score() -> Option<i32> {
    const SPARED: &str = "-998";
    let file = "/proc/self/oom_score_adj";
    let before = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    std::fs::write(file, SPARED).ok().map(|()| before)
}

/// Puts the shim into its own group. Says whether another process goes on as the shim for it.
fn enter_own_cgroup(own: &Cgroup) -> Result<bool, cgroup::CgroupError> {
    own.make()?;
    drop(cgroup::enter(&own.entrances()?));
    let Some(handle) = own.handle()? else {
        return Ok(false);
    };
    // On v2 a process is born into a group; so another one goes on from here, as a child of the same daemon. A shim that
    // stays in the daemon's group works, too.
    let options = CloneOptions {
        flags: u64::from(libc::CLONE_PARENT.unsigned_abs()),
        cgroup: Some(handle.as_fd()),
    };
    match syscall::clone_process(options) {
        Ok(Forked::Parent(_)) => syscall::exit_now(0),
        Ok(Forked::Child) => {
            let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

fn listen(directory: &Path) -> io::Result<OwnedFd> {
    let path = directory.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path)?)?;
    rustix::net::listen(&socket, 8)?;
    Ok(socket)
}
