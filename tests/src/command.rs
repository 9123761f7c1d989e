//! Running a program to its end, with a limit on its time and all that it said kept for the message.

use std::{
    io::Write,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
    /// The command line, for messages.
    pub line: String,
}

impl Answer {
    /// Asserts that the program succeeded, and returns its standard output without white space at the ends.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(
            self.status.success(),
            "{} ended with {}\nstdout: {}\nstderr: {}",
            self.line,
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout.trim().to_owned()
    }
}

/// Runs `command` to its end, at most for `limit`, with nothing to read.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Answer {
    run_with_input(command, &[], limit)
}

/// Runs `command` to its end, at most for `limit`, with `input` as its standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &[u8], limit: Duration) -> Answer {
    let line = format!("{command:?}");
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("starting {line} failed: {error}"));
    let pidfd = pidfd_open(pid_of(&child), PidfdFlags::empty())
        .expect("a child that is not yet waited for");
    let mut stdin = child.stdin.take().expect("standard input was asked for");

    let (done, output) = mpsc::channel();
    let waiter = thread::spawn(move || done.send(child.wait_with_output()));
    thread::scope(|scope| {
        // Beside the waiting: a program that answers before it has read everything would block us both. One
        // that doesn't read it all has its reasons, and its status tells.
        scope.spawn(move || stdin.write_all(input).err());
        let output = output.recv_timeout(limit).unwrap_or_else(|_| {
            // Failure means that it has just ended by itself.
            let _ended = pidfd_send_signal(&pidfd, Signal::KILL);
            panic!("{line} was not done after {limit:?}")
        });
        let output = output.unwrap_or_else(|error| panic!("waiting for {line} failed: {error}"));
        waiter
            .join()
            .expect("the waiter does not panic")
            .expect("the channel is open");
        Answer {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
            line,
        }
    })
}

/// The process id of `child` in rustix' type.
pub fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The path of `program`, in the folders where Debian keeps programs, some of which are not in the path of
/// every user.
///
/// # Panics
/// When it is not installed: the message names the Debian package that has it.
#[track_caller]
pub fn installed(program: &str, package: &str) -> std::path::PathBuf {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .map(|folder| std::path::Path::new(folder).join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("this test needs `{program}`, from the Debian package `{package}`: apt-get install {package}")
        })
}
