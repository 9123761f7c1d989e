//! Requests to registries: a connection for each, with limits on every wait.
//!
//! It knows nothing of registries and sends no header that it was not given, so credentials go just where a
//! caller sends them. Redirects are not followed here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::error::RegistryError;
use super::tls::{self, Verify};

/// Until a connection is there. Docker waits about as long.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// Until an answer begins: a registry may hash gigabytes before it answers the end of an upload.
const ANSWER_TIME: Duration = Duration::from_mins(5);

/// Until more of an answer comes.
const SILENCE: Duration = Duration::from_mins(1);

/// Read from a file and sent at once.
const PIECE: usize = 64 * 1024;

/// Headers: more than any registry sends.
const MAX_HEADER_BYTES: usize = 256 * 1024;

/// Makes requests.
pub(super) struct Http {
    resolver: TokioResolver,
    user_agent: HeaderValue,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Sent {
    Nothing,
    Bytes(Bytes),
    /// A file of this length; the count says how much has been taken.
    File {
        path: PathBuf,
        size: u64,
        taken: Arc<AtomicU64>,
    },
}

/// An answer that begins; its connection ends with it.
pub(super) struct Answer {
    pub(super) method: Method,
    pub(super) url: Url,
    response: Response<Incoming>,
    _connection: Connection,
}

struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(user_agent: &str) -> Result<Self, RegistryError> {
        let set_up = |message: String| RegistryError::Tls { message };
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            TokioResolver::builder_with_config(
                ResolverConfig::default(),
                TokioRuntimeProvider::default(),
            )
        });
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        Ok(Self {
            resolver: builder.build().map_err(|error| set_up(error.to_string()))?,
            user_agent: HeaderValue::from_str(user_agent)
                .map_err(|error| set_up(error.to_string()))?,
        })
    }

    /// Sends a request and waits for the beginning of the answer.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: &[(header::HeaderName, HeaderValue)],
        sent: Sent,
        verify: Verify,
    ) -> Result<Answer, RegistryError> {
        let failed = |source: io::Error| RegistryError::connection(&method, &url, source);
        let stream = timeout(CONNECT_TIME, self.connect(&url, verify))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(MAX_HEADER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(io::Error::other(error)))?;
        // How the connection fails, the answer or its contents say.
        let connection = Connection(tokio::spawn(async move {
            connection.await.ok();
        }));
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target.push('?');
            target.push_str(query);
        }
        let mut request = Request::builder()
            .method(method.clone())
            .uri(target)
            .header(header::HOST, authority(&url))
            .header(header::USER_AGENT, self.user_agent.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(length) = sent.length(&method) {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let body = sent.into_body().await.map_err(failed)?;
        let request = request
            .body(body)
            .map_err(|error| failed(io::Error::other(error)))?;
        let response = timeout(ANSWER_TIME, sender.send_request(request))
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(|error| failed(io::Error::other(error)))?;
        Ok(Answer {
            method,
            url,
            response,
            _connection: connection,
        })
    }

    async fn connect(&self, url: &Url, verify: Verify) -> io::Result<Box<dyn Stream>> {
        let port = url.port_or_known_default().unwrap_or(443);
        let host = url
            .host()
            .ok_or_else(|| io::Error::other("the URL has no host"))?;
        let stream = self.connect_any(&host, port).await?;
        stream.set_nodelay(true)?;
        if url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let name = match &host {
            Host::Domain(name) => {
                ServerName::try_from((*name).to_owned()).map_err(io::Error::other)?
            }
            Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(*address).into()),
            Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(*address).into()),
        };
        let settings = tls::configuration(&authority(url), verify).map_err(io::Error::other)?;
        let stream = TlsConnector::from(settings).connect(name, stream).await?;
        Ok(Box::new(stream))
    }

    async fn connect_any(&self, host: &Host<&str>, port: u16) -> io::Result<TcpStream> {
        let addresses: Vec<IpAddr> = match host {
            Host::Ipv4(address) => vec![(*address).into()],
            Host::Ipv6(address) => vec![(*address).into()],
            Host::Domain(name) => {
                let found =
                    self.resolver.lookup_ip(*name).await.map_err(|error| {
                        io::Error::other(format!("cannot look up {name}: {error}"))
                    })?;
                found.iter().collect()
            }
        };
        let mut last = io::Error::other(format!("no address is known for {host}"));
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    let text = format!("dial {address}:{port}: {error}");
                    last = io::Error::new(error.kind(), text);
                }
            }
        }
        Err(last)
    }
}

impl Sent {
    fn length(&self, method: &Method) -> Option<u64> {
        match self {
            // Some servers want a length with these even if there is nothing.
            Self::Nothing => [Method::POST, Method::PUT, Method::PATCH]
                .contains(method)
                .then_some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { size, .. } => Some(*size),
        }
    }

    async fn into_body(self) -> io::Result<BoxBody<Bytes, io::Error>> {
        match self {
            Self::Nothing => Ok(Empty::new().map_err(|never| match never {}).boxed()),
            Self::Bytes(bytes) => Ok(Full::new(bytes).map_err(|never| match never {}).boxed()),
            Self::File { path, taken, .. } => {
                let file = tokio::fs::File::open(&path).await?;
                let pieces = futures_util::stream::try_unfold(file, |mut file| async move {
                    let mut piece = BytesMut::with_capacity(PIECE);
                    let count = file.read_buf(&mut piece).await?;
                    Ok::<_, io::Error>((count > 0).then(|| (piece.freeze(), file)))
                });
                let frames = pieces.map(move |piece| {
                    piece.map(|piece| {
                        taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
                        Frame::data(piece)
                    })
                });
                Ok(BodyExt::boxed(StreamBody::new(SyncStream(
                    std::sync::Mutex::new(Box::pin(frames)),
                ))))
            }
        }
    }
}

/// A stream that may be shared between threads because only one at a time can use it.
struct SyncStream<S>(std::sync::Mutex<std::pin::Pin<Box<S>>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        let stream = self
            .get_mut()
            .0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        stream.as_mut().poll_next(context)
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// A header, if it is there and text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// All values of a header.
    pub(super) fn headers(&self, name: &str) -> Vec<String> {
        self.response
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok().map(ToOwned::to_owned))
            .collect()
    }

    /// The next piece of the contents; none at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let frame = timeout(SILENCE, self.response.body_mut().frame())
                .await
                .map_err(|_| self.failed(io::ErrorKind::TimedOut))?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(self.failed(io::Error::other(error))),
            }
        }
    }

    /// The contents, which may not be longer than `limit`.
    pub(super) async fn document(mut self, limit: u64) -> Result<Bytes, RegistryError> {
        let mut document = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if (document.len() + piece.len()) as u64 > limit {
                return Err(RegistryError::TooLong { limit });
            }
            document.extend_from_slice(&piece);
        }
        Ok(document.freeze())
    }

    fn failed(&self, source: impl Into<io::Error>) -> RegistryError {
        RegistryError::connection(&self.method, &self.url, source)
    }
}

/// Host and port of a URL, the port only if it is not the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
