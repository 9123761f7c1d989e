//! A real Docker Engine, Debian's `dockerd`, `containerd` and `runc`, in a sandbox.
//!
//! Everything that it keeps is in the sandbox' folder and cgroups, so several run side by side, and beside the
//! computer's own. It must never be given a way out of the sandbox' network: it can pull nothing, and images
//! come from [`crate::debian_image`] and `tools/images`.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    command::{installed, run, run_with_input},
    http,
    sandbox::Sandbox,
    waiting::wait_for,
};

/// A client's own time limit: builds and scaling take seconds.
pub const CLIENT_LIMIT: Duration = Duration::from_mins(1);

/// See the module. It ends with its sandbox.
#[derive(Debug)]
pub struct DockerEngine {
    sandbox: Sandbox,
    daemon: Child,
    client: PathBuf,
}

impl DockerEngine {
    /// Starts one in a sandbox of its own.
    pub fn alone() -> Self {
        Self::start(Sandbox::new("docker"))
    }

    /// Starts one in `sandbox` and waits until it answers.
    pub fn start(sandbox: Sandbox) -> Self {
        installed("iptables", "iptables");
        let dockerd = installed("dockerd", "docker.io");
        let client = installed("docker", "docker.io");
        let folder = sandbox.folder();
        let log = fs::File::create(folder.join("dockerd.log")).expect("the sandbox has a folder");
        // Named, so that the computer's own settings are not read.
        fs::write(folder.join("daemon.json"), "{}\n").expect("the sandbox has a folder");
        fs::create_dir(folder.join("home")).expect("the sandbox has a folder");
        let daemon = clean(&mut sandbox.enter(dockerd), folder)
            .arg(format!("--config-file={}", folder.join("daemon.json").display()))
            .arg(format!("--host=unix://{}", folder.join("docker.sock").display()))
            .arg(format!("--data-root={}", folder.join("data").display()))
            .arg(format!("--exec-root={}", folder.join("exec").display()))
            .arg(format!("--pidfile={}", folder.join("docker.pid").display()))
            // cgroups by name on every computer, with or without systemd.
            .arg("--exec-opt=native.cgroupdriver=cgroupfs")
            .arg(format!("--cgroup-parent={}", sandbox.name()))
            // A negative value is refused where the right to set it is missing.
            .arg("--oom-score-adjust=0")
            // No resolver is within reach, and Docker would otherwise name a public one.
            .arg("--dns=127.0.0.1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("nsenter is installed");
        let mut engine = Self {
            sandbox,
            daemon,
            client,
        };
        wait_for("dockerd to answer", Duration::from_mins(1), || {
            engine.ping()
        });
        engine
    }

    fn ping(&mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.daemon.try_wait() {
            panic!("dockerd ended with {status}: {}", self.log());
        }
        let stream = UnixStream::connect(self.socket()).map_err(|error| error.to_string())?;
        let response = http::get(stream, "/_ping").map_err(|error| error.to_string())?;
        if response.status == 200 {
            Ok(())
        } else {
            Err(response.text())
        }
    }

    /// The namespaces and the folder that it lives in.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The path of its API's socket.
    pub fn socket(&self) -> PathBuf {
        self.sandbox.folder().join("docker.sock")
    }

    /// What `DOCKER_HOST` is to say.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.sandbox.folder().join("dockerd.log")).unwrap_or_default()
    }

    /// A command that talks to this engine: no setting of the user's is in its environment.
    pub fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        clean(&mut command, self.sandbox.folder()).env("DOCKER_HOST", self.host());
        command
    }

    /// Runs Debian's `docker` with these arguments, asserts success and returns what it printed.
    #[track_caller]
    pub fn docker(&self, arguments: &[&str]) -> String {
        run(self.client(&self.client).args(arguments), CLIENT_LIMIT).success()
    }

    /// As [`Self::docker`], with something to read.
    #[track_caller]
    pub fn docker_with_input(&self, arguments: &[&str], input: &[u8]) -> String {
        run_with_input(
            self.client(&self.client).args(arguments),
            input,
            CLIENT_LIMIT,
        )
        .success()
    }

    /// What is known of a container, an image, a service …: `docker KIND inspect`. A name alone would do for
    /// `docker inspect` only while nothing of another kind has it.
    #[track_caller]
    pub fn inspect(&self, kind: &str, name: &str) -> serde_json::Value {
        let found: serde_json::Value = serde_json::from_str(&self.docker(&[kind, "inspect", name]))
            .expect("inspect prints JSON");
        found[0].clone()
    }
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(15).collect::<Vec<_>>();
            #[expect(
                clippy::print_stderr,
                reason = "a failed test tells what the daemon said last"
            )]
            for line in tail.iter().rev() {
                eprintln!("dockerd: {line}");
            }
        }
        // Killed, not asked: nothing of it is to be kept. The rest of it ends with the sandbox.
        let _ended = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}

/// Docker's clients on this computer: Debian's, and a newer one where one is installed before it.
pub fn docker_clients() -> Vec<PathBuf> {
    let mut clients = vec![installed("docker", "docker.io")];
    clients.extend(
        ["/usr/local/bin/docker"]
            .iter()
            .map(PathBuf::from)
            .filter(|path| path.is_file()),
    );
    clients
}

/// Takes the user's settings from a command: proxies, contexts, logins, languages.
fn clean<'command>(command: &'command mut Command, folder: &Path) -> &'command mut Command {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", folder.join("home"))
        // The builder of Docker 20.10, which needs no plug-in: what Debian has.
        .env("DOCKER_BUILDKIT", "0")
        .env("COMPOSE_DOCKER_CLI_BUILD", "0")
}
