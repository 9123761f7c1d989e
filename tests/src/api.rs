//! The little of Docker's API that measuring needs: requests one after the other over one kept connection.
//!
//! A client of Docker's would add its own start to every figure. It must never retry: what fails ends the test.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

/// A connection to an engine's socket.
#[derive(Debug)]
pub struct Api {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// An answer: its status and its body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when there is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Api {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        Ok(Self {
            path: path.to_owned(),
            stream: BufReader::with_capacity(1 << 16, stream),
        })
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a request and reads the whole answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        content_type: &str,
    ) -> io::Result<Answer> {
        self.send(method, path, body, content_type)?;
        self.receive()
    }

    /// Sends a request; [`Self::receive`] reads its answer.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        content_type: &str,
    ) -> io::Result<()> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !body.is_empty() {
            head.push_str("Content-Type: ");
            head.push_str(content_type);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    }

    /// Reads status and headers only: of an answer whose body comes later.
    pub fn receive_head(&mut self) -> io::Result<Head> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, line.clone()))?;
        let mut head = Head {
            status,
            length: Length::UntilTheEnd,
        };
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Length::Known(value.trim().parse().unwrap_or(0));
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.length = Length::Chunked;
            }
        }
        if matches!(status, 204 | 304) {
            head.length = Length::Known(0);
        }
        Ok(head)
    }

    /// Reads the body that follows a head.
    pub fn receive_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match head.length {
            Length::Known(length) => {
                (&mut self.stream).take(length).read_to_end(&mut body)?;
            }
            Length::UntilTheEnd => {
                self.stream.read_to_end(&mut body)?;
            }
            Length::Chunked => loop {
                let mut line = String::new();
                self.stream.read_line(&mut line)?;
                let size = u64::from_str_radix(line.trim(), 16)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                (&mut self.stream).take(size).read_to_end(&mut body)?;
                self.stream.read_line(&mut line)?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(body)
    }

    /// Reads a whole answer.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let head = self.receive_head()?;
        let body = self.receive_body(&head)?;
        Ok(Answer {
            status: head.status,
            body,
        })
    }

    /// Sends JSON and returns the JSON that comes back.
    ///
    /// # Panics
    /// When the answer is no success; the message is the engine's.
    #[track_caller]
    pub fn json(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let answer = self
            .ask(method, path, &bytes, "application/json")
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(
            answer.status < 400,
            "{method} {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }
}

/// Status and length of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// The status code.
    pub status: u16,
    length: Length,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Known(u64),
    Chunked,
    UntilTheEnd,
}
