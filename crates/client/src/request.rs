//! One request: method, path, query, headers, body.

use std::io;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Method};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use crate::query::encode_component;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How much of a reader is sent at once.
const CHUNK_SIZE: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Option<Body>,
    pub(crate) versioned: bool,
}

impl Request {
    /// A request of any method. `path` begins with a slash, has no version, and its variable parts went
    /// through [`encode_component`].
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: None,
            versioned: true,
        }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A `POST`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A `PUT`.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// A `DELETE`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// A `HEAD`.
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path)
    }

    /// Without a version before the path, as `_ping` is asked.
    #[must_use]
    pub fn unversioned(mut self) -> Self {
        self.versioned = false;
        self
    }

    /// Adds to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(name);
        self.query.push('=');
        self.query.push_str(&encode_component(value.as_ref()));
        self
    }

    /// Adds to the query if there is something to add.
    #[must_use]
    pub fn query_if(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds `name=1` to the query if `flag` is set.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Self {
        if flag { self.query(name, "1") } else { self }
    }

    /// Sets a header. A value that cannot be one is left out: none of ours can be.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Sends `value` as JSON.
    ///
    /// # Panics
    /// Where `value` cannot be JSON: a map whose keys are no strings.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value)
            .expect("what is sent has no map with keys that are no strings");
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
        self.header(http::header::CONTENT_TYPE, "application/json")
            .body(body.boxed_unsync())
    }

    /// Sends a body of any kind.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends an archive.
    #[must_use]
    pub fn archive(self, body: Body) -> Self {
        self.header(http::header::CONTENT_TYPE, "application/x-tar")
            .body(body)
    }
}

/// What a reader gives, piece by piece: nothing is read before the engine takes it.
pub fn reader_body(reader: impl AsyncRead + Send + Unpin + 'static) -> Body {
    let pieces = stream::try_unfold(reader, |mut reader| async move {
        let mut piece = Vec::with_capacity(CHUNK_SIZE);
        let count = reader.read_buf(&mut piece).await?;
        Ok::<_, io::Error>((count > 0).then(|| (Bytes::from(piece), reader)))
    });
    StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
}

/// What another thread hands over, piece by piece; it is held back while the engine takes none.
pub fn pieces_body(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Body {
    let pieces = stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece.map(Frame::data), pieces))
    });
    StreamBody::new(pieces).boxed_unsync()
}
