//! The client: versions, requests, connections taken over.

use std::cmp::Ordering;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::request::{Body, Request};
use crate::stream::{self, Hijacked};

/// The newest version of the API that is spoken here.
pub const NEWEST_VERSION: &str = "1.50";
/// What an engine speaks that does not say.
const UNKNOWN_VERSION: &str = "1.24";

/// How a client behaves.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The version to speak, whatever the engine says: `DOCKER_API_VERSION`.
    pub api_version: Option<String>,
    /// What we call ourselves.
    pub user_agent: String,
    /// Headers for every request: `HttpHeaders` of the configuration file.
    pub headers: Vec<(String, String)>,
}

/// What an engine says of itself before anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ping {
    /// The newest version of the API that it speaks.
    pub api_version: Option<String>,
    /// Its operating system: `linux` or `windows`.
    pub os: String,
    /// Whether it has experimental features on.
    pub experimental: bool,
}

/// A client of one engine. A connection is kept for the next request where the one before has been read to its
/// end.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    settings: Settings,
    /// Never held across an await: it is taken out and put back.
    idle: Mutex<Option<SendRequest<Body>>>,
    ping: OnceCell<Ping>,
}

impl Client {
    /// A client of the engine at `endpoint`. Nothing is connected yet.
    pub fn new(endpoint: Endpoint, settings: Settings) -> Result<Self, Error> {
        if let Some(version) = &settings.api_version {
            numbers(version).ok_or_else(|| Error::Version {
                text: version.clone(),
            })?;
        }
        Ok(Self {
            endpoint,
            settings,
            idle: Mutex::new(None),
            ping: OnceCell::new(),
        })
    }

    /// The engine's address.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What the engine says of itself; it is asked once.
    pub async fn ping(&self) -> Result<&Ping, Error> {
        self.ping
            .get_or_try_init(|| async {
                let answer = self
                    .converse(Request::head("/_ping").unversioned(), "")
                    .await;
                let answer = match answer {
                    // Engines before 1.40 know only GET.
                    Ok(answer) if answer.status().is_success() => answer,
                    Ok(_) => {
                        self.converse(Request::get("/_ping").unversioned(), "")
                            .await?
                    }
                    Err(error) => return Err(error),
                };
                let text = |name| answer.header(name).map(str::to_owned);
                Ok(Ping {
                    api_version: text("api-version"),
                    os: text("ostype").unwrap_or_default(),
                    experimental: answer.header("docker-experimental") == Some("true"),
                })
            })
            .await
    }

    /// The version that is spoken with this engine.
    pub async fn api_version(&self) -> Result<String, Error> {
        if let Some(version) = &self.settings.api_version {
            return Ok(version.trim_start_matches('v').to_owned());
        }
        let ping = self.ping().await?;
        Ok(spoken_with(ping.api_version.as_deref()))
    }

    /// Whether the version that is spoken is at least `version`.
    pub async fn speaks(&self, version: &str) -> Result<bool, Error> {
        Ok(compare(&self.api_version().await?, version) != Ordering::Less)
    }

    /// Sends a request and returns its answer if that is a success; what the engine says otherwise is an
    /// [`Error::Answered`].
    pub async fn send(&self, request: Request) -> Result<Answer, Error> {
        let prefix = self.prefix(request.versioned).await?;
        let answer = self.converse(request, &prefix).await?;
        if answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED {
            Ok(answer)
        } else {
            Err(refusal(answer).await)
        }
    }

    /// Sends a request and takes the connection over. The engine's media type for the stream comes with it.
    pub async fn hijack(&self, request: Request) -> Result<(Hijacked, Option<String>), Error> {
        let prefix = self.prefix(request.versioned).await?;
        let request = request
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "tcp");
        let answer = self.converse(request, &prefix).await?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            status if status.is_success() => return Err(Error::NotUpgraded { status }),
            _ => return Err(refusal(answer).await),
        }
        let media_type = answer.header("content-type").map(str::to_owned);
        let endpoint = self.endpoint.to_string();
        let response = http::Response::from_parts(answer.parts, answer.body);
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|source| Error::Conversation { endpoint, source })?;
        Ok((TokioIo::new(upgraded), media_type))
    }

    /// A connection to the engine with nothing said on it, for passing on.
    pub async fn dial(
        &self,
    ) -> Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + use<>, Error>
    {
        stream::connect(&self.endpoint).await
    }

    async fn prefix(&self, versioned: bool) -> Result<String, Error> {
        Ok(if versioned {
            format!("/v{}", self.api_version().await?)
        } else {
            String::new()
        })
    }

    /// One request and the head of its answer, whatever that says.
    async fn converse(&self, request: Request, prefix: &str) -> Result<Answer, Error> {
        let path = request.path.clone();
        let mut message = self.message(request, prefix)?;
        // A kept connection may have been closed by the other side meanwhile: then nothing was sent, and a new
        // one is tried.
        if let Some(mut connection) = self.kept().await {
            match connection.try_send_request(message).await {
                Ok(response) => {
                    self.keep(connection);
                    return Ok(self.answer(response, path));
                }
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => message = unsent,
                    None => return Err(self.broken(failure.into_error())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection
            .send_request(message)
            .await
            .map_err(|error| self.broken(error))?;
        self.keep(connection);
        Ok(self.answer(response, path))
    }

    fn message(&self, request: Request, prefix: &str) -> Result<http::Request<Body>, Error> {
        let Request {
            method,
            path,
            query,
            headers,
            body,
            ..
        } = request;
        let separator = if query.is_empty() { "" } else { "?" };
        let mut builder = http::Request::builder()
            .uri(format!("{prefix}{path}{separator}{query}"))
            .header(header::HOST, self.host())
            .header(header::USER_AGENT, &self.settings.user_agent);
        for (name, value) in &self.settings.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if body.is_none() && method == Method::POST {
            builder = builder.header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        builder
            .method(method)
            .body(body.unwrap_or_else(|| {
                Empty::<Bytes>::new()
                    .map_err(|never| match never {})
                    .boxed_unsync()
            }))
            .map_err(|source| Error::Request { path, source })
    }

    fn host(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port, .. } => format!("{host}:{port}"),
            Endpoint::Unix(_) | Endpoint::Ssh { .. } => "api.moby.localhost".to_owned(),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Error> {
        let stream = stream::connect(&self.endpoint).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error))?;
        // Its failures come out at the sender too.
        drop(tokio::spawn(connection.with_upgrades()));
        Ok(sender)
    }

    async fn kept(&self) -> Option<SendRequest<Body>> {
        let kept = self.idle.lock().ok()?.take()?;
        // An answer that was just read to its end is so for the connection's task only when it has run.
        tokio::task::yield_now().await;
        kept.is_ready().then_some(kept)
    }

    fn keep(&self, connection: SendRequest<Body>) {
        if let Ok(mut idle) = self.idle.lock() {
            *idle = Some(connection);
        }
    }

    fn answer(&self, response: http::Response<Incoming>, path: String) -> Answer {
        let (parts, body) = response.into_parts();
        Answer {
            parts,
            body,
            path,
            endpoint: self.endpoint.to_string(),
        }
    }

    fn broken(&self, source: hyper::Error) -> Error {
        let endpoint = self.endpoint.to_string();
        match said_by_ssh(&source) {
            Some(message) => Error::Ssh { endpoint, message },
            None => Error::Conversation { endpoint, source },
        }
    }
}

/// `ssh` ends without a word of HTTP where it cannot connect; what it said instead is the message.
fn said_by_ssh(error: &hyper::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return Some(error.to_string());
        }
        cause = error.source();
    }
    None
}

async fn refusal(answer: Answer) -> Error {
    #[derive(Deserialize)]
    struct Shape {
        message: String,
    }
    let status = answer.status();
    let bytes = match answer.bytes().await {
        Ok(bytes) => bytes,
        Err(error) => return error,
    };
    let message = match serde_json::from_slice::<Shape>(&bytes) {
        Ok(shape) => shape.message.trim().to_owned(),
        Err(_) if bytes.iter().all(u8::is_ascii_whitespace) => {
            format!("the engine answered {status} and nothing else")
        }
        Err(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
    };
    Error::Answered { status, message }
}

/// The version to speak with an engine whose newest is `theirs`.
fn spoken_with(theirs: Option<&str>) -> String {
    let theirs = theirs
        .filter(|version| numbers(version).is_some())
        .unwrap_or(UNKNOWN_VERSION);
    match compare(theirs, NEWEST_VERSION) {
        Ordering::Less => theirs.to_owned(),
        Ordering::Equal | Ordering::Greater => NEWEST_VERSION.to_owned(),
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.trim_start_matches('v').split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn compare(one: &str, other: &str) -> Ordering {
    numbers(one).cmp(&numbers(other))
}

#[cfg(test)]
mod tests {
    use super::spoken_with;

    #[track_caller]
    fn check(theirs: Option<&str>, expect: &str) {
        assert_eq!(spoken_with(theirs), expect);
    }

    #[test]
    fn the_older_of_both_versions_is_spoken() {
        check(Some("1.41"), "1.41");
        check(Some("1.9"), "1.9");
        check(Some("1.50"), "1.50");
        check(Some("2.0"), "1.50");
        check(None, "1.24");
        check(Some("new"), "1.24");
    }
}
