//! A sandbox: network, mount, process, host name and IPC namespaces, a folder and a name for cgroups, all of
//! which end with the test, however it ends.
//!
//! ```text
//!   test ──lifeline (a pipe)──► keeper ──► unshare ──► first process = process 1 in there
//!     └──nsenter──► programs in the sandbox: a daemon, `ip`, …
//! ```
//!
//! - The test ends or is killed: the lifeline closes, the first process ends, the kernel ends all that runs in
//!   its process namespace, and mounts and network go with them. The keeper removes cgroups and the folder.
//! - The keeper is killed too: its death is a signal to `unshare`, whose death is one to the first process.
//!   Only empty cgroup directories and the folder stay, and the next sandbox sweeps them (see [`leftovers`]).
//!
//! Its network has loopback and nothing else: no way out, so no packet can leave the computer. [`crate::switch`]
//! joins several. It must never be entered with `ip netns exec`, which hides the cgroups.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    process::{Pid, geteuid},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::{
    command::{installed, run},
    http, leftovers,
    waiting::wait_until,
};

/// See the module.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    folder: PathBuf,
    keeper: Child,
    /// Held, never written to. `None` only while the sandbox ends.
    lifeline: Option<ChildStdin>,
    first_process: Pid,
}

impl Sandbox {
    /// Makes one, whose host name is `hostname`.
    ///
    /// # Panics
    /// Without the rights of root or the programs that it needs; the message says what to do.
    pub fn new(hostname: &str) -> Self {
        assert!(
            geteuid().is_root(),
            "this test starts a container engine in namespaces of its own, which needs root: run it with sudo"
        );
        installed("unshare", "util-linux");
        installed("nsenter", "util-linux");
        installed("ip", "iproute2");
        leftovers::sweep();

        let name = leftovers::fresh_name();
        let folder = std::env::temp_dir().join(&name);
        fs::create_dir(&folder)
            .unwrap_or_else(|error| panic!("making {}: {error}", folder.display()));
        fs::write(
            folder.join("first_process.sh"),
            include_str!("first_process.sh"),
        )
        .expect("the folder was just made");
        let log = fs::File::create(folder.join("keeper.log")).expect("the folder was just made");

        let mut keeper = Command::new("bash")
            .args(["-c", include_str!("keeper.sh"), "keeper", &name])
            .arg(&folder)
            .arg(hostname)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C in a terminal reaches the test alone: the keeper has work to do afterwards.
            .process_group(0)
            .spawn()
            .expect("bash is installed");
        let lifeline = keeper.stdin.take();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("standard output was asked for"))
            .read_line(&mut line)
            .expect("a pipe can be read");
        let first_process = line
            .trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .unwrap_or_else(|| {
                let said = fs::read_to_string(folder.join("keeper.log")).unwrap_or_default();
                panic!("the namespaces of {name} could not be made: {said}")
            });
        Self {
            name,
            folder,
            keeper,
            lifeline,
            first_process,
        }
    }

    /// Its name: unique, and the name of its cgroups.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder of its own, with a path short enough for sockets in it. Not visible to it alone: its root is
    /// that of the computer.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Process 1 of the sandbox, as the computer numbers it.
    pub fn first_process(&self) -> Pid {
        self.first_process
    }

    /// The process that cleans up afterwards.
    pub fn keeper(&self) -> Pid {
        Pid::from_child(&self.keeper)
    }

    /// A command that will run in all of the sandbox' namespaces.
    pub fn enter(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("--target")
            .arg(self.first_process.as_raw_pid().to_string())
            .args(["--net", "--mount", "--pid", "--uts", "--ipc", "--"])
            .arg(program.as_ref());
        command
    }

    /// Kills a process at once, by the number that it has in the sandbox: what Docker says of a container.
    #[track_caller]
    pub fn kill(&self, pid: i64) {
        let mut kill = self.enter("bash");
        kill.args(["-c", "kill -KILL \"$1\"", "kill", &pid.to_string()]);
        run(&mut kill, Duration::from_secs(5)).success();
    }

    /// A connection to a port on the sandbox' loopback.
    pub fn connect(&self, port: u16) -> std::io::Result<TcpStream> {
        self.connect_to((Ipv4Addr::LOCALHOST, port).into())
    }

    /// A connection from within the sandbox' network.
    pub fn connect_to(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let network = format!("/proc/{}/ns/net", self.first_process.as_raw_pid());
        // A thread of its own, which never comes back to the computer's network; a socket stays in the one
        // that it was made in.
        let connecting = thread::spawn(move || {
            let network = fs::File::open(network)?;
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&network),
                Some(LinkNameSpaceType::Network),
            )?;
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            Ok(stream)
        });
        connecting.join().expect("connecting does not panic")
    }

    /// Asks for a path over HTTP, at a port on the sandbox' loopback.
    pub fn get(&self, port: u16, path: &str) -> std::io::Result<http::Response> {
        http::get(self.connect(port)?, path)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if thread::panicking() {
            // The keeper goes on by itself, and a second panic would hide the first.
            return;
        }
        wait_until("the keeper to clean up", Duration::from_secs(30), || {
            self.keeper.try_wait().is_ok_and(|ended| ended.is_some())
        });
    }
}
