//! Our own engine, `essaim daemon`, in a sandbox: the program that was built beside the test.
//!
//! It must never be asked anything but through its socket and its command line.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    command::{Answer, run},
    engine::{CLIENT_LIMIT, Engine, tell, without_settings},
    http,
    sandbox::Sandbox,
    waiting::wait_for,
};

/// See the module. It ends with its sandbox.
#[derive(Debug)]
pub struct EssaimEngine {
    sandbox: Sandbox,
    daemon: Child,
    flags: Vec<String>,
}

impl EssaimEngine {
    /// Starts one in a sandbox of its own.
    pub fn alone() -> Self {
        Self::start(Sandbox::new("essaim"), &[])
    }

    /// Starts one in `sandbox`, with `flags` beside those for its places, and waits until it answers.
    pub fn start(sandbox: Sandbox, flags: &[&str]) -> Self {
        let home = sandbox.folder().join("home");
        fs::create_dir_all(home).expect("the sandbox has a folder");
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let daemon = spawn(&sandbox, &flags);
        let mut engine = Self {
            sandbox,
            daemon,
            flags,
        };
        engine.wait_until_ready();
        engine
    }

    /// The program under test: what `ESSAIM_BIN` names, or the build beside the test itself.
    pub fn program() -> PathBuf {
        if let Some(named) = std::env::var_os("ESSAIM_BIN") {
            return PathBuf::from(named);
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/…/debug/deps/test and target/…/debug/tool
        let beside = test
            .ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join("essaim"))
            .find(|path| path.is_file());
        beside.unwrap_or_else(|| {
            panic!(
                "no essaim was built beside {}: `cargo build -p essaim` makes it, as `make test` does first",
                test.display()
            )
        })
    }

    /// Kills the daemon with `-9`: containers go on.
    pub fn kill(&mut self) {
        kill_process(self.pid(), Signal::KILL).expect("the daemon runs");
        self.daemon.wait().expect("a child can be waited for");
    }

    /// Asks the daemon to end, and waits until it has.
    pub fn stop(&mut self) {
        kill_process(self.pid(), Signal::TERM).expect("the daemon runs");
        self.daemon.wait().expect("a child can be waited for");
    }

    /// Starts the daemon again, after it was killed or stopped, and waits until it answers.
    pub fn start_again(&mut self) {
        self.daemon = spawn(&self.sandbox, &self.flags);
        self.wait_until_ready();
    }

    /// Whether the daemon has ended by itself, and how.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.daemon.try_wait().expect("a child can be asked for")
    }

    /// The daemon's process, as the computer numbers it.
    pub fn pid(&self) -> Pid {
        let nsenter = self.daemon.id();
        // To be in the sandbox' process namespace it has to be a child of who enters it.
        let children = format!("/proc/{nsenter}/task/{nsenter}/children");
        wait_for("the daemon's process", Duration::from_secs(5), || {
            let said = fs::read_to_string(&children).map_err(|error| error.to_string())?;
            let pid = said
                .split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok());
            pid.and_then(Pid::from_raw).ok_or(said)
        })
    }

    /// Our own command line, talking to this engine.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client(Self::program());
        command.args(arguments);
        command
    }

    /// Runs our own command line; the caller looks at the answer.
    #[track_caller]
    pub fn answer(&self, arguments: &[&str]) -> Answer {
        run(&mut self.command(arguments), CLIENT_LIMIT)
    }

    /// Runs our own command line, asserts success and returns what it printed.
    #[track_caller]
    pub fn essaim(&self, arguments: &[&str]) -> String {
        self.answer(arguments).success()
    }

    /// Loads images that `tools/test-images` makes.
    #[track_caller]
    pub fn load(&self, images: &[&str]) {
        for image in images {
            let archive = crate::debian_image::archive(image);
            let archive = archive.to_str().expect("the repository has a plain name");
            self.essaim(&["load", "--quiet", "--input", archive]);
        }
    }

    fn wait_until_ready(&mut self) {
        wait_for("essaim to answer", Duration::from_mins(1), || self.ping());
    }

    fn ping(&mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.daemon.try_wait() {
            panic!("essaim daemon ended with {status}: {}", self.log());
        }
        let stream = UnixStream::connect(self.socket()).map_err(|error| error.to_string())?;
        let response = http::get(stream, "/_ping").map_err(|error| error.to_string())?;
        if response.status == 200 {
            Ok(())
        } else {
            Err(response.text())
        }
    }
}

/// The daemon's command: every place it uses is in the sandbox.
fn spawn(sandbox: &Sandbox, flags: &[String]) -> Child {
    let folder = sandbox.folder();
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("essaim.log"))
        .expect("the sandbox has a folder");
    without_settings(&mut sandbox.enter(EssaimEngine::program()), folder)
        .arg("daemon")
        .arg(format!(
            "--host=unix://{}",
            folder.join("essaim.sock").display()
        ))
        .arg(format!("--data-root={}", folder.join("data").display()))
        .arg(format!("--exec-root={}", folder.join("exec").display()))
        .arg(format!("--pidfile={}", folder.join("essaim.pid").display()))
        .arg(format!("--cgroup-parent={}", sandbox.name()))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be opened twice"))
        .stderr(log)
        .spawn()
        .expect("nsenter is installed")
}

impl Engine for EssaimEngine {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn socket(&self) -> PathBuf {
        self.sandbox.folder().join("essaim.sock")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.sandbox.folder().join("essaim.log")).unwrap_or_default()
    }
}

impl Drop for EssaimEngine {
    fn drop(&mut self) {
        if thread::panicking() {
            tell("essaim", &self.log());
        }
        let _ended = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}
