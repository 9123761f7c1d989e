//! Starting the program and talking to it. Everything started here dies with the test that started it:
//! by `Drop`, and by the kernel (a parent-death signal) when the test is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_dockercoins");

/// How long anything that is waited for may take: far longer than it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running process and what it has printed so far.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts the program with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// Starts the program with these arguments and environment variables.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts any command; one that is not this program dies with the test by `setpriv`.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .env("DOCKERCOINS_PARENT_PID", std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().unwrap(), &lines);
        collect(child.stderr.take().unwrap(), &lines);
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// How many lines so far contain the text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits for a line that contains the text, and returns it.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> String {
        let found = || self.lines().into_iter().find(|line| line.contains(text));
        wait_for(found)
            .unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", self.lines().join("\n")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; the exit code, none if a signal ended it.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let status = wait_for(|| self.child.try_wait().unwrap());
        let status = status.unwrap_or_else(|| panic!("still runs:\n{}", self.lines().join("\n")));
        // Its last lines are on their way through the pipe.
        thread::sleep(Duration::from_millis(20));
        status.code()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn collect(from: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
}

/// A role that listens, and where.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `rng`, `hasher`, `webui` or `store` on a free port of loopback.
    #[track_caller]
    pub(crate) fn start(role: &str, more: &[&str]) -> Self {
        let mut arguments = vec![role, "--listen", "127.0.0.1", "--port", "0"];
        arguments.extend(more);
        let process = Process::start(&arguments);
        let line = process.line("listening on ");
        let address = address_in(&line);
        Self { process, address }
    }

    /// Starts it again at the address where it was.
    #[track_caller]
    pub(crate) fn start_at(role: &str, address: SocketAddr, more: &[&str]) -> Self {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut arguments = vec![role, "--listen", &ip, "--port", &port];
        arguments.extend(more);
        let process = Process::start(&arguments);
        process.line("listening on ");
        Self { process, address }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        get(self.address, path)
    }
}

/// The address in a line such as `rng 0.1.0 listening on http://127.0.0.1:1234`.
#[track_caller]
pub(crate) fn address_in(line: &str) -> SocketAddr {
    let after = line.split("://").nth(1).unwrap_or_default();
    let text: String = after
        .chars()
        .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
        .collect();
    text.parse()
        .unwrap_or_else(|_| panic!("no address in {line:?}"))
}

/// A Redis: Debian's, or the store.
pub(crate) struct Redis {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    kind: RedisKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedisKind {
    Debian,
    Store,
}

impl Redis {
    #[track_caller]
    pub(crate) fn start(kind: RedisKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, address) = match kind {
            RedisKind::Store => {
                let server = Server::start("store", &["--dir", folder.path().to_str().unwrap()]);
                (server.process, server.address)
            }
            RedisKind::Debian => {
                let address = free_address();
                (debian_redis(address, folder.path()), address)
            }
        };
        Self {
            process,
            address,
            folder,
            kind,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Where it keeps its data.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.end();
    }

    /// Starts it again, once it is dead, at the same address with the same data.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.process.end();
        self.process = match self.kind {
            RedisKind::Store => {
                let folder = self.folder.path().to_str().unwrap();
                Server::start_at("store", self.address, &["--dir", folder]).process
            }
            RedisKind::Debian => debian_redis(self.address, self.folder.path()),
        };
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).unwrap();
        wait_for(|| client.get_connection().ok()).expect("Redis takes no connection")
    }

    /// `hashes`, or 0.
    pub(crate) fn hashes(&self) -> u64 {
        let value: Option<u64> = redis::cmd("GET")
            .arg("hashes")
            .query(&mut self.connect())
            .unwrap();
        value.unwrap_or(0)
    }

    /// `wallet`.
    pub(crate) fn wallet(&self) -> Vec<(String, Vec<u8>)> {
        redis::cmd("HGETALL")
            .arg("wallet")
            .query(&mut self.connect())
            .unwrap()
    }
}

fn debian_redis(address: SocketAddr, folder: &std::path::Path) -> Process {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args([
            "--port",
            &address.port().to_string(),
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
        .arg("--dir")
        .arg(folder);
    let process = Process::spawn(command);
    process.line("Ready to accept connections");
    process
}

/// An address on loopback that was free a moment ago, for programs that cannot choose one themselves.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A whole HTTP answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A header's value, by its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> Response {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"),
    )
}

/// Sends a raw request and reads until the server closes.
#[track_caller]
pub(crate) fn request(address: SocketAddr, raw: &str) -> Response {
    let mut stream = connect(address);
    stream.write_all(raw.as_bytes()).unwrap();
    read_response(&mut stream)
}

#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[track_caller]
pub(crate) fn read_response(stream: &mut TcpStream) -> Response {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no HTTP answer: {:?}", String::from_utf8_lossy(&all)));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response {
        status,
        head,
        body: all[end + 4..].to_vec(),
    }
}

/// A service that answers as the test says, one connection at a time.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `answer` makes the raw answer to the request with this number.
    pub(crate) fn start(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).unwrap_or(0);
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let number = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(text);
                    kept.len() - 1
                };
                stream.write_all(&answer(number)).ok();
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// An HTTP answer that closes its connection.
pub(crate) fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Tries until there is a value, or patience ends.
pub(crate) fn wait_for<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(
        wait_for(|| condition().then_some(())).is_some(),
        "waited in vain until {what}"
    );
}
