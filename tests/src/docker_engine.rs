//! A real Docker Engine, Debian's `dockerd`, `containerd` and `runc`, in a sandbox.
//!
//! Everything that it keeps is in the sandbox' folder and cgroups, so several run side by side, and beside the
//! computer's own. It must never be given a way out of the sandbox' network: it can pull nothing, and images
//! come from [`crate::debian_image`] and `tools/images`.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use crate::{
    command::installed,
    engine::{Engine, tell, without_settings},
    http,
    sandbox::Sandbox,
    waiting::wait_for,
};

/// See the module. It ends with its sandbox.
#[derive(Debug)]
pub struct DockerEngine {
    sandbox: Sandbox,
    daemon: Child,
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
        let folder = sandbox.folder();
        let log = fs::File::create(folder.join("dockerd.log")).expect("the sandbox has a folder");
        // Named, so that the computer's own settings are not read.
        fs::write(folder.join("daemon.json"), "{}\n").expect("the sandbox has a folder");
        fs::create_dir(folder.join("home")).expect("the sandbox has a folder");
        let daemon = without_settings(&mut sandbox.enter(dockerd), folder)
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
        let mut engine = Self { sandbox, daemon };
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
}

impl Engine for DockerEngine {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn socket(&self) -> PathBuf {
        self.sandbox.folder().join("docker.sock")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.sandbox.folder().join("dockerd.log")).unwrap_or_default()
    }
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        if thread::panicking() {
            tell("dockerd", &self.log());
        }
        // Killed, not asked: nothing of it is to be kept. The rest of it ends with the sandbox.
        let _ended = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}
