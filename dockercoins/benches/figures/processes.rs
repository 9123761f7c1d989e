//! The program's processes, started for a measurement and gone after it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dockercoins");

/// A child that ends with its owner.
struct Owned(Child);

impl Owned {
    fn spawn(command: &mut Command) -> Self {
        let parent = std::process::id().to_string();
        Self(
            command
                .env("DOCKERCOINS_PARENT_PID", parent)
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// One service alone.
pub(crate) struct Role {
    process: Owned,
    pub(crate) address: SocketAddr,
    pub(crate) first_answer: Duration,
}

impl Role {
    pub(crate) fn start(role: &str, more: &[&str], path: &str) -> Self {
        let address = free_address();
        let begin = Instant::now();
        let process = Owned::spawn(
            Command::new(PROGRAM)
                .args([
                    role,
                    "--listen",
                    "127.0.0.1",
                    "--port",
                    &address.port().to_string(),
                ])
                .args(more)
                .stdout(Stdio::null()),
        );
        while get(address, path).is_err() {
            thread::sleep(Duration::from_micros(200));
        }
        Self {
            process,
            address,
            first_answer: begin.elapsed(),
        }
    }

    pub(crate) fn rss_kib(&self) -> u64 {
        rss_kib(self.process.0.id())
    }
}

/// Debian's Redis.
pub(crate) struct RedisServer {
    _process: Owned,
    address: SocketAddr,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let address = free_address();
        let process = Owned::spawn(
            Command::new("setpriv")
                .args([
                    "--pdeathsig",
                    "KILL",
                    "redis-server",
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                ])
                .args(["--port", &address.port().to_string()])
                .stdout(Stdio::null()),
        );
        while TcpStream::connect(address).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
        Self {
            _process: process,
            address,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

/// A whole application.
pub(crate) struct App {
    process: Owned,
    offset: u16,
    _folder: tempfile::TempDir,
}

impl App {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        for _ in 0..50 {
            let offset = free_offset();
            let folder = tempfile::tempdir().unwrap();
            let mut command = Command::new(PROGRAM);
            command
                .args(["up", "--port-offset", &offset.to_string()])
                .args(arguments)
                .stdout(Stdio::piped());
            if !arguments.contains(&"--redis") {
                command.arg("--dir").arg(folder.path());
            }
            let mut process = Owned::spawn(&mut command);
            let mut lines = BufReader::new(process.0.stdout.take().unwrap())
                .lines()
                .map_while(Result::ok);
            if lines.any(|line| line.starts_with("Dockercoins runs: ")) {
                // Somebody has to read on, or the application writes into a full pipe.
                thread::spawn(move || lines.for_each(drop));
                return Self {
                    process,
                    offset,
                    _folder: folder,
                };
            }
        }
        panic!("the application does not start");
    }

    pub(crate) fn address(&self, port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port + self.offset).into()
    }

    /// Hashes per second, by the application's own account.
    pub(crate) fn rate(&self, warm_up: Duration, duration: Duration) -> f64 {
        thread::sleep(warm_up);
        let (first, begin) = self.counts();
        thread::sleep(duration);
        let (last, end) = self.counts();
        (last - first) / (end - begin)
    }

    fn counts(&self) -> (f64, f64) {
        let answer = get(self.address(8000), "/json").unwrap();
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        let hashes = json["hashes"]
            .as_str()
            .map_or(0.0, |text| text.parse().unwrap());
        (hashes, json["now"].as_f64().unwrap())
    }

    pub(crate) fn rss_kib(&self, role: &str) -> u64 {
        let path = format!("/proc/{0}/task/{0}/children", self.process.0.id());
        let children = std::fs::read_to_string(path).unwrap();
        let is_role = |pid: &&str| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes())
        };
        let pid = children.split_whitespace().find(is_role).unwrap();
        rss_kib(pid.parse().unwrap())
    }
}

/// A whole answer, head and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn free_offset() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(30_000);
    loop {
        let offset = NEXT.fetch_add(8, Ordering::Relaxed);
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
        if (8000..=8003).all(free) {
            return offset;
        }
    }
}
