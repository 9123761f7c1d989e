//! The course of a process: being made, ready, running, over; and what its end brings.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::net::RecvFlags;

use super::{SOCKET, Shim};
use crate::cgroup::Cgroup;
use crate::failure::{Failure, FailureKind};
use crate::maker::Report;
use crate::protocol::{self, Answer, Say};
use crate::spec::Exit;
use crate::streams::now_ns;
use crate::syscall;

impl Shim {
    /// Hears one report of a process. `false` says that there is none now, or never again.
    pub(super) fn hear_line(&mut self, place: usize) -> bool {
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

    /// After its last words, the line of a process that has ended says nothing more, even while the maker, which may be
    /// slower to end, still has it.
    pub(super) fn hang_up_line(&mut self, place: usize) {
        if self.processes[place].line.take().is_some() {
            self.line_ended(place);
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
    pub(super) fn end_process(&mut self, place: usize, buffer: &mut [u8]) {
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

/// Puts the exit file in place whole, or not at all.
pub(crate) fn write_exit(path: &Path, exit: &Exit) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(exit)?)?;
    std::fs::rename(&draft, path)
}
