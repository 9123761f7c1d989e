//! What a shim is asked, and what it does about it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::process::{Asker, Shape, make, not_running};
use super::{Shim, enter_own_cgroup, listen};
use crate::cgroup::Cgroup;
use crate::failure::{Failure, FailureKind};
use crate::log::Log;
use crate::maker::Task;
use crate::protocol::{Answer, Ask, Say, ShimSettings};
use crate::spec::LogFile;
use crate::streams::Streams;
use crate::syscall;

impl Shim {
    /// Does what is asked. `None` says that the answer comes later or is given already.
    pub(super) fn act(
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
        let moved = enter_own_cgroup(&own)
            .map_err(|error| Failure::system("enter the shims' cgroup", error))?;
        if moved {
            self.tell_all(&Say::Here {
                pid: std::process::id(),
            });
        }
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
        let process = make(
            0,
            &task,
            self.usual_oom_score,
            payload.as_fd(),
            streams,
            &shape,
            asker,
        )?;
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
        let process = make(
            number,
            &task,
            self.usual_oom_score,
            payload.as_fd(),
            streams,
            &shape,
            asker,
        )?;
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
}
