//! The little of HTTP that asking needs: one GET on an open connection.
//!
//! It speaks HTTP/1.0, so that an answer ends where the connection does and is never chunked.

use std::{
    io::{self, Read, Write},
    str,
};

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Status line and headers, as they came.
    pub head: String,
    /// What follows the headers.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks for `path` on `connection`, which the answer uses up.
pub fn get(mut connection: impl Read + Write, path: &str) -> io::Result<Response> {
    write!(connection, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} bytes, no HTTP", answer.len()),
        )
    })
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = str::from_utf8(&answer[..end]).ok()?.to_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Response {
        status,
        head,
        body: answer[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_taken_apart() {
        let response =
            parse(b"HTTP/1.1 302 Found\r\nLocation: /index.html\r\n\r\nmoved\r\n\r\n").unwrap();
        assert_eq!(response.status, 302);
        assert!(response.head.ends_with("Location: /index.html"));
        assert_eq!(response.text(), "moved\r\n\r\n");
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert!(parse(b"").is_none());
        assert!(parse(b"-ERR unknown command\r\n\r\n").is_none());
    }
}
