//! The shim: the process that stays beside one container, from before its first process to after its last.
//!
//! One thread, one loop around `poll`. It is asked things over its socket, hears of ended children through a signal
//! descriptor, and moves bytes between the container's processes, its log and its clients. It must never wait for
//! anything else, and never read a container's specification: that is the [`crate::maker`]'s, in a child that ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;

use crate::cgroup::{self, Cgroup};
use crate::failure::{Failure, FailureKind};
use crate::log::Log;
use crate::maker::{self, GO, Report, Task};
use crate::protocol::{self, Answer, Ask, Request, Say, ShimSettings, VERSION};
use crate::spec::{Exit, LogFile};
use crate::streams::{Place, Streams, now_ns};
use crate::syscall::{self, CloneOptions, Forked};

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

/// Whom to answer.
#[derive(Debug, Clone, Copy)]
struct Asker {
    connection: u64,
    request: u64,
}

/// A process of the container that the shim made: number 0 is the first, others are execs.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what has been heard and done comes in any order"
)]
struct Process {
    number: u32,
    /// Known once its maker has told.
    pid: Option<i32>,
    handle: Option<OwnedFd>,
    /// The line to it, until its program runs.
    line: Option<OwnedFd>,
    ready: bool,
    /// Whether the word was given.
    told: bool,
    started: bool,
    asker: Option<Asker>,
    failure: Option<Failure>,
    streams: Streams,
    status: Option<i32>,
    /// Whether all that its end brings has been done.
    over: bool,
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
        let asker =
            match protocol::receive::<Request>(connection.socket.as_fd(), RecvFlags::DONTWAIT) {
                Ok(Some((request, descriptors))) => {
                    let asker = Asker {
                        connection: connection.number,
                        request: request.number,
                    };
                    Some((asker, request.ask, descriptors))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Ok(None) | Err(_) => {
                    connection.gone = true;
                    None
                }
            };
        if let Some((asker, ask, descriptors)) = asker
            && let Some(answer) = self.act(asker, ask, descriptors)
        {
            self.answer(asker, answer, &[]);
        }
    }

    /// Does what is asked. `None` says that the answer comes later or is given already.
    fn act(
        &mut self,
        asker: Asker,
        ask: Ask,
        mut descriptors: Vec<OwnedFd>,
    ) -> Option<Result<Answer, Failure>> {
        let done = |result: Result<(), Failure>| Some(result.map(|()| Answer::Done));
        match ask {
            Ask::Hello { version: _ } => Some(Ok(self.state())),
            Ask::Create(settings) => {
                let failure = self.create(asker, *settings, descriptors).err()?;
                Some(Err(failure))
            }
            Ask::Start => {
                let failure = self.start(asker).err()?;
                Some(Err(failure))
            }
            Ask::Signal { process, signal } => done(self.signal(process, signal)),
            Ask::Attach {
                stdin,
                stdout,
                stderr,
            } => done(match (self.processes.first_mut(), descriptors.pop()) {
                (Some(first), Some(stream)) if !first.over => first
                    .streams
                    .attach(stream, stdin, stdout, stderr)
                    .map_err(|error| Failure::system("attach", error)),
                _ => Err(not_running()),
            }),
            Ask::CloseStdin => done(match self.processes.first_mut() {
                Some(first) => {
                    first.streams.close_input();
                    Ok(())
                }
                None => Err(not_running()),
            }),
            Ask::Resize {
                process,
                rows,
                columns,
            } => done(self.resize(process, rows, columns)),
            Ask::Exec {
                tty,
                stdin,
                stdout,
                stderr,
            } => {
                let failure = self
                    .exec(asker, tty, [stdin, stdout, stderr], descriptors)
                    .err()?;
                Some(Err(failure))
            }
            Ask::Keep { name } => {
                self.kept.insert(name, descriptors);
                done(Ok(()))
            }
            Ask::Kept { name } => {
                let kept = self.kept.get(&name).map_or(&[][..], Vec::as_slice);
                let copies: Vec<OwnedFd> =
                    kept.iter().filter_map(|fd| fd.try_clone().ok()).collect();
                let borrowed: Vec<BorrowedFd<'_>> = copies.iter().map(AsFd::as_fd).collect();
                self.answer(asker, Ok(Answer::Done), &borrowed);
                None
            }
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

    fn create(
        &mut self,
        asker: Asker,
        settings: ShimSettings,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        if !self.processes.is_empty() {
            return Err(Failure::new(
                FailureKind::State,
                "the shim has a container already",
            ));
        }
        let step = |what: &'static str| move |error: io::Error| Failure::system(what, error);
        let mut descriptors = descriptors.into_iter();
        let payload = descriptors
            .next()
            .ok_or_else(|| Failure::new(FailureKind::System, "the specification is missing"))?;
        for (name, descriptor) in settings.kept.iter().zip(descriptors) {
            self.kept.entry(name.clone()).or_default().push(descriptor);
        }
        let own = Cgroup::new(settings.layout.clone(), &settings.shim_cgroup);
        enter_own_cgroup(&own)
            .map_err(|error| Failure::system("enter the shims' cgroup", error))?;
        self.tell_all(&Say::Here {
            pid: std::process::id(),
        });
        self.listener = Some(listen(&settings.directory).map_err(step("listen for daemons"))?);
        let log = settings
            .log
            .clone()
            .map(|log: LogFile| Log::open(log))
            .transpose()
            .map_err(step("open the log"))?;
        let streams = Streams::new(log, settings.stdin_once);
        let shape = Shape {
            terminal: settings.tty,
            input: settings.open_stdin,
            stdout: true,
            stderr: true,
        };
        let container = Cgroup::new(settings.layout.clone(), &settings.cgroup);
        self.oom_kills_before = container.oom_kills();
        let task = Task::Container(&settings);
        let process = make(0, &task, payload.as_fd(), streams, &shape, asker)?;
        self.processes.push(process);
        self.next_process = 1;
        self.settings = Some(settings);
        Ok(())
    }

    fn start(&mut self, asker: Asker) -> Result<(), Failure> {
        let first = self
            .processes
            .first_mut()
            .filter(|first| first.status.is_none())
            .ok_or_else(not_running)?;
        if !first.ready || first.told {
            return Err(Failure::new(
                FailureKind::State,
                "the container is not waiting to be started",
            ));
        }
        first.asker = Some(asker);
        first.give_word();
        Ok(())
    }

    fn exec(
        &mut self,
        asker: Asker,
        tty: bool,
        [stdin, stdout, stderr]: [bool; 3],
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let (Some(settings), Some(first)) = (&self.settings, self.processes.first()) else {
            return Err(not_running());
        };
        let handle = match &first.handle {
            Some(handle) if first.started && first.status.is_none() => handle,
            _ => return Err(not_running()),
        };
        let mut descriptors = descriptors.into_iter();
        let payload = descriptors
            .next()
            .ok_or_else(|| Failure::new(FailureKind::System, "the specification is missing"))?;
        let mut streams = Streams::new(None, true);
        if let Some(stream) = descriptors.next() {
            streams
                .attach(stream, stdin, stdout, stderr)
                .map_err(|error| Failure::system("attach", error))?;
        }
        let shape = Shape {
            terminal: tty,
            input: stdin,
            stdout,
            stderr,
        };
        let number = self.next_process;
        let task = Task::Exec {
            settings,
            first: handle.as_fd(),
        };
        let process = make(number, &task, payload.as_fd(), streams, &shape, asker)?;
        self.processes.push(process);
        self.next_process += 1;
        Ok(())
    }

    fn signal(&self, number: u32, signal: i32) -> Result<(), Failure> {
        let process = self
            .processes
            .iter()
            .find(|process| process.number == number && process.status.is_none());
        let pid = process
            .and_then(|process| process.pid)
            .ok_or_else(not_running)?;
        // It has not been reaped, so the number is still its.
        syscall::kill(pid, signal).map_err(|error| Failure::system("send a signal", error))
    }

    fn resize(&self, number: u32, rows: u16, columns: u16) -> Result<(), Failure> {
        let process = self
            .processes
            .iter()
            .find(|process| process.number == number)
            .ok_or_else(not_running)?;
        let terminal = process
            .streams
            .terminal()
            .ok_or_else(|| Failure::new(FailureKind::State, "the process has no terminal"))?;
        let size = rustix::termios::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(terminal, size)
            .map_err(|error| Failure::system("resize the terminal", error))
    }

    /// Hears one report of a process. `false` says that there is none now, or never again.
    fn hear_line(&mut self, place: usize) -> bool {
        let process = &mut self.processes[place];
        let Some(line) = &process.line else {
            return false;
        };
        match protocol::receive::<Report>(line.as_fd(), RecvFlags::DONTWAIT) {
            Ok(Some((Report::Pid(pid), _))) => {
                process.pid = Some(pid);
                process.handle = rustix::process::Pid::from_raw(pid).and_then(|pid| {
                    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
                });
                if let Some(found) = self.unclaimed.iter().position(|(ended, _)| *ended == pid) {
                    process.status = Some(self.unclaimed.swap_remove(found).1);
                }
                self.became_ready(place);
                true
            }
            Ok(Some((Report::Ready, descriptors))) => {
                let mut descriptors = descriptors.into_iter();
                if let (Some(ours), Some(theirs)) = (descriptors.next(), descriptors.next())
                    && let Err(error) = process.streams.use_terminal(ours, theirs)
                {
                    process.failure = Some(Failure::system("use the terminal", error));
                }
                process.ready = true;
                self.became_ready(place);
                true
            }
            Ok(Some((Report::Failed(failure), _))) => {
                process.failure = Some(failure);
                // A maker that failed has no process that could end.
                if process.pid.is_none() {
                    process.status = Some(1);
                    process.line = None;
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // The end: its program runs, or it is gone.
            Ok(None) | Err(_) => {
                process.line = None;
                self.line_ended(place);
                false
            }
        }
    }

    /// A process that is there and ready has a container answered, and an exec told to go on.
    fn became_ready(&mut self, place: usize) {
        let process = &mut self.processes[place];
        let (true, Some(pid)) = (process.ready, process.pid) else {
            return;
        };
        if process.number != 0 {
            process.give_word();
        } else if let Some(asker) = process.asker.take() {
            let made = Answer::Made {
                process: 0,
                pid: pid.unsigned_abs(),
            };
            self.answer(asker, Ok(made), &[]);
        }
    }

    fn line_ended(&mut self, place: usize) {
        let process = &mut self.processes[place];
        if !process.told || process.failure.is_some() {
            if process.pid.is_none() {
                process.failure.get_or_insert_with(|| {
                    Failure::new(FailureKind::System, "the maker of a process died")
                });
                process.status = Some(1);
            }
            return;
        }
        process.started = true;
        let (number, pid) = (process.number, process.pid.map_or(0, i32::unsigned_abs));
        if let Some(asker) = process.asker.take() {
            let answer = if number == 0 {
                Answer::Done
            } else {
                Answer::Made {
                    process: number,
                    pid,
                }
            };
            self.answer(asker, Ok(answer), &[]);
        }
    }

    /// Does all that the end of a process brings.
    fn end_process(&mut self, place: usize, buffer: &mut [u8]) {
        let process = &mut self.processes[place];
        let (number, code) = (process.number, process.status.unwrap_or(1));
        process.over = true;
        process.line = None;
        process.handle = None;
        if number == 0 {
            self.end_container(code, buffer);
            return;
        }
        process.streams.finish(buffer);
        if let Some(asker) = process.asker.take() {
            let failure = process.failure.take().unwrap_or_else(|| {
                Failure::new(
                    FailureKind::System,
                    "the process ended before its program ran",
                )
            });
            self.answer(asker, Err(failure), &[]);
        } else {
            self.tell_all(&Say::ExecExited {
                process: number,
                code,
            });
        }
    }

    fn end_container(&mut self, code: i32, buffer: &mut [u8]) {
        let Some(settings) = self.settings.clone() else {
            return;
        };
        let cgroup = Cgroup::new(settings.layout.clone(), &settings.cgroup);
        // With process ids of its own everything in it is dead by now; else it may have left something behind.
        cgroup.kill();
        while let Some((pid, status)) = syscall::reap_any() {
            if let Some(process) = self
                .processes
                .iter_mut()
                .find(|process| process.pid == Some(pid))
            {
                process.status = Some(status);
            }
        }
        let oom_killed = cgroup.oom_kills() > self.oom_kills_before;
        // One that cannot be removed now is taken when the container starts again, or by whoever removes that.
        drop(cgroup.remove());
        let first = &mut self.processes[0];
        first.streams.finish(buffer);
        let exit = Exit {
            code,
            oom_killed,
            at: now_ns(),
        };
        let (failure, asker) = (first.failure.take(), first.asker.take());
        if first.told {
            drop(write_exit(&settings.exit_file, &exit));
        }
        drop(std::fs::remove_file(settings.directory.join(SOCKET)));
        self.exit = Some(exit);
        if let Some(asker) = asker {
            let failure = failure.unwrap_or_else(|| {
                Failure::new(
                    FailureKind::System,
                    "the container's first process died before its program ran",
                )
            });
            self.answer(asker, Err(failure), &[]);
        }
        // Execs that are still being ended here come first, so that nobody hears of them after their container.
        for place in 1..self.processes.len() {
            if self.processes[place].status.is_some() && !self.processes[place].over {
                self.end_process(place, buffer);
            }
        }
        self.tell_all(&Say::Exited(exit));
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

impl Process {
    fn give_word(&mut self) {
        if let Some(line) = &self.line {
            self.told = true;
            let _ = rustix::net::send(line, GO, SendFlags::NOSIGNAL);
        }
    }
}

fn not_running() -> Failure {
    Failure::new(FailureKind::State, "the container is not running")
}

/// Which standard streams a process has.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a stream of its own")]
struct Shape {
    terminal: bool,
    input: bool,
    stdout: bool,
    stderr: bool,
}

/// Forks a maker for a process and sets up the shim's side of it.
fn make(
    number: u32,
    task: &Task<'_>,
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
        Forked::Child => {
            syscall::exit_now(maker::run(task, payload, &process_side, theirs.as_fd()))
        }
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
fn pipes(streams: &mut Streams, shape: &Shape) -> rustix::io::Result<[OwnedFd; 3]> {
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

fn enter_own_cgroup(own: &Cgroup) -> Result<(), cgroup::CgroupError> {
    own.make()?;
    drop(cgroup::enter(&own.entrances()?));
    let Some(handle) = own.handle()? else {
        return Ok(());
    };
    // On v2 a process is born into a group; so another one goes on from here, as a child of the same daemon. A shim that
    // stays in the daemon's group works, too.
    let options = CloneOptions {
        flags: u64::from(libc::CLONE_PARENT.unsigned_abs()),
        cgroup: Some(handle.as_fd()),
    };
    if let Ok(Forked::Parent(_)) = syscall::clone_process(options) {
        syscall::exit_now(0);
    }
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    Ok(())
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

/// Puts the exit file in place whole, or not at all.
pub(crate) fn write_exit(path: &Path, exit: &Exit) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(exit)?)?;
    std::fs::rename(&draft, path)
}
