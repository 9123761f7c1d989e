//! HTTP by hand: requests as raw as a test wants them, and a service that answers as it says.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A whole HTTP answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    fn parse(all: &[u8]) -> Option<Self> {
        let end = all.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(all[..end].to_vec()).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = all[end + 4..].to_vec();
        Some(Self { status, head, body })
    }

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

/// The answer to a GET, once the server has closed the connection.
#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> Response {
    try_get(address, path).unwrap_or_else(|error| panic!("GET http://{address}{path}: {error}"))
}

/// The same of a server that may be away.
pub(crate) fn try_get(address: SocketAddr, path: &str) -> io::Result<Response> {
    let mut stream = try_connect(address)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    try_read_response(&mut stream)
}

/// How long the answer to a GET takes: the median of so many.
#[track_caller]
pub(crate) fn median_time(address: SocketAddr, path: &str, requests: usize) -> Duration {
    let mut times: Vec<_> = (0..requests)
        .map(|_| {
            let begin = Instant::now();
            get(address, path);
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[requests / 2]
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
    try_connect(address).unwrap()
}

fn try_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads until the server closes.
#[track_caller]
pub(crate) fn read_response(stream: &mut TcpStream) -> Response {
    try_read_response(stream).unwrap()
}

fn try_read_response(stream: &mut TcpStream) -> io::Result<Response> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    Response::parse(&all).ok_or_else(|| {
        let text = String::from_utf8_lossy(&all);
        io::Error::other(format!("no HTTP answer: {text:?}"))
    })
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
