//! A whole application started by `up`, on ports of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use super::folder::Folder;
use super::http::try_get;
use super::process::Process;
use super::{PATIENCE, wait_for};

/// What `up` says once everything answers.
const RUNS: &str = "Dockercoins runs: ";

pub(crate) struct Application {
    pub(crate) process: Process,
    offset: u16,
    /// Where its store keeps its data, if that goes with the test.
    folder: Option<Folder>,
}

impl Application {
    /// Starts it with a folder of its own, and waits until it runs.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    #[track_caller]
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        if arguments.contains(&"--redis") {
            return Self::start_bare(arguments, environment);
        }
        let folder = Folder::new();
        let mut app = Self::start_bare(&with_folder(arguments, &folder), environment);
        app.folder = Some(folder);
        app
    }

    /// Starts it with this folder.
    #[track_caller]
    pub(crate) fn start_in(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start_bare(&with_folder(arguments, folder), &[])
    }

    /// Starts it as it is typed, but for the ports.
    #[track_caller]
    pub(crate) fn start_bare(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        for _ in 0..20 {
            let offset = free_offset();
            let text = offset.to_string();
            let all = [&["up", "--port-offset", &text], arguments].concat();
            let process = Process::start_with(&all, environment);
            process.find_line(|line| line.contains(RUNS) || line.contains("error: "));
            if process.count(RUNS) > 0 {
                return Self {
                    process,
                    offset,
                    folder: None,
                };
            }
            // Another test may have taken a port in the meantime; anything else is this test's failure.
            assert_ne!(
                process.count(" is in use, and "),
                0,
                "{}",
                process.lines().join("\n")
            );
        }
        panic!("no free ports after 20 attempts of {PATIENCE:?}");
    }

    pub(crate) fn port(&self, base: u16) -> u16 {
        base + self.offset
    }

    pub(crate) fn address(&self, base: u16) -> SocketAddr {
        ([127, 0, 0, 1], self.port(base)).into()
    }

    /// What the page shows; none while Redis or webui is away.
    pub(crate) fn try_counts(&self) -> Option<(u64, f64)> {
        let response = try_get(self.address(8000), "/json").ok()?;
        let json: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
        let hashes = json["hashes"]
            .as_str()
            .map_or(Some(0), |text| text.parse().ok())?;
        (response.status == 200).then(|| (hashes, json["now"].as_f64().unwrap()))
    }

    pub(crate) fn try_hashes(&self) -> Option<u64> {
        Some(self.try_counts()?.0)
    }

    pub(crate) fn hashes(&self) -> u64 {
        wait_for(|| self.try_hashes()).expect("webui answers")
    }

    /// Hashes per second over so long, by the application's own account.
    pub(crate) fn rate(&self, duration: Duration) -> f64 {
        let (first, begin) = self.try_counts().unwrap();
        thread::sleep(duration);
        let (last, end) = self.try_counts().unwrap();
        f64::from(u32::try_from(last - first).unwrap()) / (end - begin)
    }

    /// The children's pids and roles.
    pub(crate) fn children(&self) -> Vec<(u32, String)> {
        let path = format!("/proc/{0}/task/{0}/children", self.process.pid());
        let pids = std::fs::read_to_string(path).unwrap_or_default();
        let role = |pid: u32| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let role = command.split(|byte| *byte == 0).nth(1)?.to_vec();
            Some((pid, String::from_utf8(role).ok()?))
        };
        pids.split_whitespace()
            .filter_map(|pid| role(pid.parse().ok()?))
            .collect()
    }

    /// The same, once there are so many: `up` may say that it runs before its last processes do.
    #[track_caller]
    pub(crate) fn all_children(&self, count: usize) -> Vec<(u32, String)> {
        wait_for(|| Some(self.children()).filter(|children| children.len() == count))
            .unwrap_or_else(|| panic!("not {count} children but {:?}", self.children()))
    }

    pub(crate) fn find_child(&self, role: &str) -> Option<u32> {
        self.children()
            .into_iter()
            .find(|(_, found)| found == role)
            .map(|(pid, _)| pid)
    }

    #[track_caller]
    pub(crate) fn child(&self, role: &str) -> u32 {
        wait_for(|| self.find_child(role))
            .unwrap_or_else(|| panic!("no {role} among {:?}", self.children()))
    }
}

fn with_folder<'a>(arguments: &[&'a str], folder: &'a Folder) -> Vec<&'a str> {
    [arguments, &["--dir", folder.as_str()]].concat()
}

/// An offset at which all ports were free a moment ago. Processes of a test run begin in different places.
pub(crate) fn free_offset() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let seed = u16::try_from(std::process::id() % 4000).unwrap() * 8;
    for _ in 0..4000 {
        let offset = 2000 + (seed + NEXT.fetch_add(8, Ordering::Relaxed)) % 22_000;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
        if (8000..=8003).all(free) {
            return offset;
        }
    }
    panic!("no four free ports in a row");
}
