//! One HTTP/1.1 connection and the requests sent over it, one after the other. It must never pool, retry
//! or follow a redirect: its caller decides what a failure means.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::Target;

/// Bounds on one connection and each answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long an answer may take, from the request's first byte to the body's last.
    pub answer: Duration,
    /// The longest body that is read.
    pub body_bytes: usize,
}

/// What went wrong between opening a connection and an answer's last byte.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection could be made.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// Connecting took longer than [`Limits::connect`].
    #[error("{address} did not take the connection within {after:?}")]
    ConnectTimeout {
        /// Where to.
        address: SocketAddr,
        /// The limit that passed.
        after: Duration,
    },
    /// The answer took longer than [`Limits::answer`].
    #[error("{address} did not answer within {after:?}")]
    AnswerTimeout {
        /// Who was asked.
        address: SocketAddr,
        /// The limit that passed.
        after: Duration,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("{address} broke off before its answer was whole")]
    Broken {
        /// Who was asked.
        address: SocketAddr,
        /// What HTTP says.
        source: hyper::Error,
    },
    /// The body could not be read, or is longer than [`Limits::body_bytes`].
    #[error("{address} sent a body that cannot be used")]
    Body {
        /// Who was asked.
        address: SocketAddr,
        /// What was wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// Size of the status line and headers, in bytes, as the usual spelling on the wire has it.
    pub head_bytes: usize,
    /// The body.
    pub body: Bytes,
    /// From the request's first byte to the body's last.
    pub took: Duration,
}

/// An open connection. Dropping it closes it.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    address: SocketAddr,
    limits: Limits,
}

impl Connection {
    /// Connects, within [`Limits::connect`].
    pub async fn open(address: SocketAddr, limits: Limits) -> Result<Self, ExchangeError> {
        let stream = timeout(limits.connect, TcpStream::connect(address))
            .await
            .map_err(|_| ExchangeError::ConnectTimeout {
                address,
                after: limits.connect,
            })?
            .map_err(|source| ExchangeError::Connect { address, source })?;
        // A request is one small segment: waiting to fill it only costs time. Failing to say so only costs
        // that time again.
        stream.set_nodelay(true).ok();
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(16 * 1024)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| ExchangeError::Broken { address, source })?;
        // The driver's own error is the sender's too, who reports it.
        let driver = tokio::spawn(async move { driver.await.unwrap_or_default() });
        Ok(Self {
            sender,
            driver,
            address,
            limits,
        })
    }

    /// Whom this connection talks to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the other side has closed it, or said that it will.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a `GET` and waits for the whole answer.
    pub async fn get(&mut self, target: &Target) -> Result<Answer, ExchangeError> {
        let request = request(Method::GET, target, Bytes::new());
        self.send(request).await
    }

    /// Sends a `POST` of raw bytes and waits for the whole answer.
    pub async fn post(&mut self, target: &Target, body: Bytes) -> Result<Answer, ExchangeError> {
        let mut request = request(Method::POST, target, body);
        request.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, ExchangeError> {
        let after = self.limits.answer;
        let address = self.address;
        timeout(after, self.exchange(request))
            .await
            .unwrap_or(Err(ExchangeError::AnswerTimeout { address, after }))
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, ExchangeError> {
        let address = self.address;
        let begin = Instant::now();
        let broken = |source| ExchangeError::Broken { address, source };
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.limits.body_bytes)
            .collect()
            .await
            .map_err(|source| ExchangeError::Body { address, source })?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            head_bytes: head_bytes(head.version, head.status, &head.headers),
            body,
            took: begin.elapsed(),
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn request(method: Method, target: &Target, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    if let Ok(path) = target.path().parse() {
        *request.uri_mut() = path;
    }
    if let Ok(host) = HeaderValue::from_str(&target.authority()) {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

fn head_bytes(version: Version, status: StatusCode, headers: &HeaderMap) -> usize {
    let reason = status.canonical_reason().unwrap_or_default();
    let status_line = format!("{version:?} {} {reason}\r\n", status.as_u16()).len();
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    status_line + headers.iter().map(line).sum::<usize>() + 2
}
