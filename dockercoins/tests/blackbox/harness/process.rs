//! A process and what it prints.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, wait_for};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_dockercoins");

/// The program with these arguments, as a command whose process dies with the thread that starts it.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    owned(command)
}

/// Any other program; `setpriv` sees to it that it dies with the thread that starts it.
pub(crate) fn other_program(name: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(name)
        .args(arguments);
    owned(command)
}

fn owned(mut command: Command) -> Command {
    command
        .env("DOCKERCOINS_PARENT_PID", std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running process and what it has printed so far.
pub(crate) struct Process {
    child: Child,
    output: Arc<Output>,
}

impl Process {
    /// Starts the program with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// Starts the program with these arguments and environment variables.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = program(arguments);
        command.envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts what [`program`] or [`other_program`] made.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = Arc::default();
        collect(child.stdout.take(), &output);
        collect(child.stderr.take(), &output);
        Self { child, output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.output.said.lock().unwrap().lines.clone()
    }

    /// How many lines so far contain the text.
    pub(crate) fn count(&self, text: &str) -> usize {
        let said = self.output.said.lock().unwrap();
        said.lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line that contains the text, and returns it.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> String {
        self.find_line(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", self.lines().join("\n")))
    }

    /// Waits for such a line; none if the process ends without it, or patience does.
    pub(crate) fn find_line(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut read = 0;
        let found = self.output.wait(|said| {
            let new = &said.lines[read..];
            read = said.lines.len();
            let line = new.iter().find(|line| is_wanted(line)).cloned();
            (line.is_some() || said.open_pipes == 0).then_some(line)
        });
        found.flatten()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// `kill -9`, and waits for the end.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.end();
    }

    /// Waits for the end, and for the last lines; the exit code, none if a signal ended it.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let status = wait_for(|| self.child.try_wait().unwrap());
        let status = status.unwrap_or_else(|| panic!("still runs:\n{}", self.lines().join("\n")));
        assert!(
            self.output.ends(),
            "it ended, but not what it started:\n{}",
            self.lines().join("\n")
        );
        status.code()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        rss_kib(self.pid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        // What it started may have its output for longer; when that is gone too, nobody writes any more
        // into folders that the test is about to remove.
        self.output.ends();
    }
}

pub(crate) fn send_signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Resident memory of any process, in KiB.
pub(crate) fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What a process prints, and when that changes.
#[derive(Default)]
struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// Ends of the pipes that somebody can still write into.
    open_pipes: usize,
}

impl Output {
    /// Looks at each change, until there is a value or patience ends.
    fn wait<T>(&self, mut look: impl FnMut(&Said) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.said.lock().unwrap();
        loop {
            let value = look(&said);
            if value.is_some() {
                return value;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            said = self.changed.wait_timeout(said, left).unwrap().0;
        }
    }

    /// Whether it ends before patience does.
    fn ends(&self) -> bool {
        self.wait(|said| (said.open_pipes == 0).then_some(()))
            .is_some()
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().unwrap());
        self.changed.notify_all();
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>, output: &Arc<Output>) {
    let Some(pipe) = pipe else { return };
    output.change(|said| said.open_pipes += 1);
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            output.change(|said| said.lines.push(line));
        }
        output.change(|said| said.open_pipes -= 1);
    });
}
