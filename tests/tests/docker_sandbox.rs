//! What the harness promises: an engine in a sandbox leaves nothing behind, whichever of its processes is
//! killed, and two of them don't meet.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use blackbox::{
    command::installed,
    debian_image,
    docker_engine::DockerEngine,
    engine::Engine as _,
    leftovers,
    waiting::{wait_for, wait_until},
};
use rustix::process::{Pid, Signal, kill_process};

/// An engine with a running container, held by a process that can be killed.
struct Held {
    holder: Child,
    name: String,
    folder: PathBuf,
    keeper: Pid,
    first_process: Pid,
    network: u64,
}

impl Held {
    fn start() -> Self {
        let mut holder = Command::new(env!("CARGO_BIN_EXE_docker-engine"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let facts: serde_json::Value = serde_json::from_str(&line).expect("the engine started");
        let pid = |name: &str| {
            Pid::from_raw(i32::try_from(facts[name].as_i64().unwrap()).unwrap()).unwrap()
        };
        let folder = PathBuf::from(facts["folder"].as_str().unwrap());

        let sleep = folder.join("sleep.tar");
        debian_image::pack(&[&installed("sleep", "coreutils")], &sleep);
        let docker = |arguments: &[&str]| {
            let status = Command::new(installed("docker", "docker.io"))
                .args(["--host", facts["host"].as_str().unwrap()])
                .args(arguments)
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success(), "{arguments:?}");
        };
        docker(&["import", sleep.to_str().unwrap(), "sleep"]);
        docker(&[
            "run",
            "--detach",
            "--publish",
            "8000:80",
            "sleep",
            installed("sleep", "coreutils").to_str().unwrap(),
            "600",
        ]);

        let held = Self {
            name: facts["name"].as_str().unwrap().to_owned(),
            keeper: pid("keeper"),
            first_process: pid("first_process"),
            network: fs::metadata(format!(
                "/proc/{}/ns/net",
                pid("first_process").as_raw_pid()
            ))
            .unwrap()
            .ino(),
            folder,
            holder,
        };
        assert!(
            !leftovers::cgroups_of(&held.name).is_empty(),
            "the container has cgroups"
        );
        assert!(
            held.processes().len() > 5,
            "a daemon, containerd, a shim, a proxy, the container: {:?}",
            held.processes()
        );
        held
    }

    fn kill_holder(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }

    /// Processes in the sandbox' network, or that name it.
    fn processes(&self) -> Vec<String> {
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|pid| {
                let network =
                    fs::metadata(format!("/proc/{pid}/ns/net")).map(|namespace| namespace.ino());
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                network.ok() == Some(self.network)
                    || String::from_utf8_lossy(&line).contains(&self.name)
            })
            .map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or(pid))
            .collect()
    }

    fn assert_no_process_or_mount_is_left(&self) {
        wait_for("its processes to end", Duration::from_secs(10), || {
            let processes = self.processes();
            if processes.is_empty() {
                Ok(())
            } else {
                Err(format!("{processes:?}"))
            }
        });
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&self.name), "a mount is left: {mounts}");
    }

    fn is_anything_on_disk(&self) -> bool {
        self.folder.exists() || !leftovers::cgroups_of(&self.name).is_empty()
    }
}

#[test]
fn a_killed_test_leaves_nothing() {
    let mut held = Held::start();
    held.kill_holder();
    held.assert_no_process_or_mount_is_left();
    wait_until(
        "folder and cgroups to be removed",
        Duration::from_secs(20),
        || !held.is_anything_on_disk(),
    );
}

#[test]
fn a_test_killed_with_its_keeper_leaves_what_the_next_one_sweeps() {
    let mut held = Held::start();
    // Stopped first: with only one of them gone the other would clean up.
    kill_process(held.keeper, Signal::STOP).unwrap();
    held.kill_holder();
    kill_process(held.keeper, Signal::KILL).unwrap();
    held.assert_no_process_or_mount_is_left();
    wait_until(
        "the next test to sweep the rest",
        Duration::from_secs(20),
        || {
            leftovers::sweep();
            !held.is_anything_on_disk()
        },
    );
}

#[test]
fn an_engine_whose_first_process_is_killed_leaves_nothing() {
    let mut held = Held::start();
    kill_process(held.first_process, Signal::KILL).unwrap();
    held.assert_no_process_or_mount_is_left();
    wait_until(
        "folder and cgroups to be removed",
        Duration::from_secs(20),
        || !held.is_anything_on_disk(),
    );
    held.kill_holder();
}

#[test]
fn two_engines_are_strangers() {
    let one = DockerEngine::alone();
    let other = DockerEngine::alone();
    one.docker(&["volume", "create", "mine"]);
    assert_eq!(one.docker(&["volume", "ls", "--quiet"]), "mine");
    assert_eq!(other.docker(&["volume", "ls", "--quiet"]), "");

    let name = one.sandbox().name().to_owned();
    drop(one);
    assert!(leftovers::cgroups_of(&name).is_empty());
    other.docker(&["version"]);
}
