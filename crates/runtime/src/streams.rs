//! A process's standard streams: from its outputs into the log and to the clients, from the clients into its input.
//!
//! A client that doesn't read is buffered up to a bound; then the process's output is left where it is, so that the
//! process waits. A client that is gone is dropped. Nothing here waits.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::log::{Lines, Log, Output};

/// How much is kept for a client that doesn't read.
const CLIENT_BOUND: usize = 1024 * 1024;

/// The standard streams of one process.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Where its input goes, while that is open.
    input: Option<OwnedFd>,
    /// What a client sent and the process has not taken yet.
    input_waiting: VecDeque<u8>,
    /// Close the input once what waits is taken.
    input_ends: bool,
    /// Whether input ends with the first client that feeds it.
    input_once: bool,
    outputs: Vec<Source>,
    /// Our side of its terminal; input and output are copies of it.
    terminal: Option<OwnedFd>,
    /// The terminal's other side, held so that ours never reports an end that is none.
    other_side: Option<OwnedFd>,
    log: Option<Log>,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Source {
    output: Output,
    fd: OwnedFd,
    lines: Lines,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a client has any of the streams, and ends in two ways"
)]
struct Client {
    stream: OwnedFd,
    feeds_input: bool,
    gets_stdout: bool,
    gets_stderr: bool,
    waiting: VecDeque<u8>,
    /// Nothing more comes: end its stream once it has all.
    ends: bool,
    gone: bool,
}

impl Client {
    fn gets(&self, output: Output) -> bool {
        match output {
            Output::Stdout => self.gets_stdout,
            Output::Stderr => self.gets_stderr,
        }
    }
}

/// What of a process's streams a poll is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// An output, by its place.
    Output(usize),
    /// The input.
    Input,
    /// A client, by its place.
    Client(usize),
}

impl Streams {
    /// Streams that are not there yet.
    pub(crate) fn new(log: Option<Log>, input_once: bool) -> Self {
        Self {
            input_once,
            log,
            ..Self::default()
        }
    }

    /// Uses these pipes. Their other ends are the process's.
    pub(crate) fn use_pipes(
        &mut self,
        input: Option<OwnedFd>,
        stdout: Option<OwnedFd>,
        stderr: Option<OwnedFd>,
    ) {
        self.input = input;
        for (output, fd) in [(Output::Stdout, stdout), (Output::Stderr, stderr)] {
            if let Some(fd) = fd {
                self.outputs.push(Source {
                    output,
                    fd,
                    lines: Lines::default(),
                });
            }
        }
    }

    /// Uses a terminal.
    pub(crate) fn use_terminal(&mut self, ours: OwnedFd, theirs: OwnedFd) -> std::io::Result<()> {
        rustix::io::ioctl_fionbio(&ours, true)?;
        self.input = Some(ours.try_clone()?);
        self.outputs = vec![Source {
            output: Output::Stdout,
            fd: ours.try_clone()?,
            lines: Lines::default(),
        }];
        (self.terminal, self.other_side) = (Some(ours), Some(theirs));
        Ok(())
    }

    /// The terminal, if there is one.
    pub(crate) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }

    /// Adds a client.
    pub(crate) fn attach(
        &mut self,
        stream: OwnedFd,
        stdin: bool,
        stdout: bool,
        stderr: bool,
    ) -> std::io::Result<()> {
        rustix::io::ioctl_fionbio(&stream, true)?;
        self.clients.push(Client {
            stream,
            feeds_input: stdin,
            gets_stdout: stdout,
            gets_stderr: stderr,
            waiting: VecDeque::new(),
            ends: false,
            gone: false,
        });
        Ok(())
    }

    /// Closes the input once what waits has been taken. A terminal has no such end.
    pub(crate) fn close_input(&mut self) {
        if self.terminal.is_some() {
            return;
        }
        self.input_ends = true;
        self.close_finished_input();
    }

    fn close_finished_input(&mut self) {
        if self.input_ends && self.input_waiting.is_empty() {
            self.input = None;
        }
    }

    /// What to wait for.
    pub(crate) fn interests<'a>(&'a self, add: &mut impl FnMut(BorrowedFd<'a>, PollFlags, Place)) {
        for (place, source) in self.outputs.iter().enumerate() {
            if !self.is_held_back(source.output) {
                add(source.fd.as_fd(), PollFlags::IN, Place::Output(place));
            }
        }
        if let Some(input) = &self.input
            && !self.input_waiting.is_empty()
        {
            add(input.as_fd(), PollFlags::OUT, Place::Input);
        }
        for (place, client) in self.clients.iter().enumerate() {
            // Without any of these the end of the client's side still shows.
            let mut flags = PollFlags::empty();
            if client.feeds_input && self.input_waiting.is_empty() {
                flags |= PollFlags::IN;
            }
            if !client.waiting.is_empty() {
                flags |= PollFlags::OUT;
            }
            add(client.stream.as_fd(), flags, Place::Client(place));
        }
    }

    fn is_held_back(&self, output: Output) -> bool {
        self.clients
            .iter()
            .any(|client| client.gets(output) && client.waiting.len() >= CLIENT_BOUND)
    }

    /// Does what a poll said is possible. Places stay valid until [`Streams::sweep`].
    pub(crate) fn ready(&mut self, place: Place, flags: PollFlags, buffer: &mut [u8]) {
        match place {
            Place::Output(place) => {
                self.read_output(place, buffer);
            }
            Place::Input => self.feed_input(),
            Place::Client(place) => {
                if flags.contains(PollFlags::OUT) {
                    self.write_to_client(place);
                }
                if flags.intersects(PollFlags::IN | PollFlags::HUP)
                    && self.clients[place].feeds_input
                {
                    self.read_from_client(place, buffer);
                } else if flags.contains(PollFlags::HUP) {
                    self.clients[place].gone = true;
                }
                if flags.contains(PollFlags::ERR) {
                    self.clients[place].gone = true;
                }
            }
        }
    }

    /// Reads once from an output. `false` says that there is nothing now, or never again.
    fn read_output(&mut self, place: usize, buffer: &mut [u8]) -> bool {
        let Some(source) = self.outputs.get_mut(place) else {
            return false;
        };
        match rustix::io::read(&source.fd, &mut *buffer) {
            Ok(0) | Err(Errno::IO) => {
                self.end_output(place);
                false
            }
            Ok(count) => {
                let (output, bytes) = (source.output, &buffer[..count]);
                if let Some(log) = &mut self.log {
                    let mut text = Vec::new();
                    source.lines.push(output, bytes, now_ns(), &mut text);
                    log.write(&text);
                }
                self.send_to_clients(output, bytes);
                true
            }
            Err(Errno::INTR) => true,
            Err(_) => false,
        }
    }

    fn end_output(&mut self, place: usize) {
        let mut source = self.outputs.remove(place);
        if let Some(log) = &mut self.log {
            let mut text = Vec::new();
            source.lines.finish(source.output, now_ns(), &mut text);
            log.write(&text);
        }
    }

    fn send_to_clients(&mut self, output: Output, bytes: &[u8]) {
        let framed = self.terminal.is_none();
        for place in 0..self.clients.len() {
            let client = &mut self.clients[place];
            if client.gone || !client.gets(output) {
                continue;
            }
            if framed {
                let stream = match output {
                    Output::Stdout => 1,
                    Output::Stderr => 2,
                };
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
                client.waiting.extend([stream, 0, 0, 0]);
                client.waiting.extend(length);
            }
            client.waiting.extend(bytes);
            self.write_to_client(place);
        }
    }

    fn write_to_client(&mut self, place: usize) {
        let client = &mut self.clients[place];
        while !client.waiting.is_empty() && !client.gone {
            let (front, _) = client.waiting.as_slices();
            match rustix::net::send(&client.stream, front, rustix::net::SendFlags::NOSIGNAL) {
                Ok(count) => drop(client.waiting.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => client.gone = true,
            }
        }
        if client.waiting.is_empty() {
            // A burst's memory is not kept for the next one.
            client.waiting = VecDeque::new();
        }
    }

    fn read_from_client(&mut self, place: usize, buffer: &mut [u8]) {
        let client = &mut self.clients[place];
        match rustix::io::read(&client.stream, &mut *buffer) {
            Ok(0) => {
                client.feeds_input = false;
                if self.input_once {
                    self.close_input();
                }
            }
            Ok(count) => {
                if self.input.is_some() && !self.input_ends {
                    self.input_waiting.extend(&buffer[..count]);
                    self.feed_input();
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => client.gone = true,
        }
    }

    fn feed_input(&mut self) {
        while let Some(input) = &self.input
            && !self.input_waiting.is_empty()
        {
            let (front, _) = self.input_waiting.as_slices();
            match rustix::io::write(input, front) {
                Ok(count) => drop(self.input_waiting.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The process has closed it.
                Err(_) => {
                    self.input = None;
                    self.input_waiting.clear();
                }
            }
        }
        self.input_waiting = VecDeque::new();
        self.close_finished_input();
    }

    /// Reads what the process, which has ended, left behind, and ends everything.
    pub(crate) fn finish(&mut self, buffer: &mut [u8]) {
        // Bounded, in case somebody who outlives the process writes without end.
        for _ in 0..512 {
            let before = self.outputs.len();
            let mut any = false;
            for place in (0..before).rev() {
                any |= self.read_output(place, buffer);
            }
            if !any {
                break;
            }
        }
        while !self.outputs.is_empty() {
            self.end_output(0);
        }
        (self.input, self.terminal, self.other_side) = (None, None, None);
        self.input_waiting = VecDeque::new();
        self.log = None;
        for client in &mut self.clients {
            client.ends = true;
            client.feeds_input = false;
        }
    }

    /// Lets go of clients that are gone or have all that there is.
    pub(crate) fn sweep(&mut self) {
        self.clients
            .retain(|client| !(client.gone || client.ends && client.waiting.is_empty()));
    }

    /// Whether nobody is left who waits for anything.
    pub(crate) fn is_done(&self) -> bool {
        self.clients.is_empty()
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
}
