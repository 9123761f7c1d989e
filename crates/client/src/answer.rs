//! One answer: status, headers, and a body that is read as a whole, as JSON, as messages or as bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, ReadBuf};

use crate::error::Error;
use crate::messages::Messages;

/// How much of an answer is held in memory at most. A listing of a hundred thousand containers fits.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// See the module. Its status is one of success.
#[derive(Debug)]
pub struct Answer {
    pub(crate) parts: Parts,
    pub(crate) body: Incoming,
    pub(crate) path: String,
    pub(crate) endpoint: String,
}

impl Answer {
    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.parts.status
    }

    /// The headers.
    pub const fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The text of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|source| Error::Conversation {
                endpoint: self.endpoint.clone(),
                source,
            })?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > ANSWER_LIMIT {
                    return Err(Error::TooLong {
                        path: self.path,
                        limit: ANSWER_LIMIT,
                    });
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }

    /// The body, taken as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let path = self.path.clone();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Json { path, source })
    }

    /// The body as a stream of JSON values, as they come.
    pub fn messages(self) -> Messages {
        let path = self.path.clone();
        Messages::new(self.reader(), path)
    }

    /// The body as bytes, as they come.
    pub fn reader(self) -> BodyReader {
        BodyReader {
            body: self.body,
            piece: Bytes::new(),
        }
    }
}

/// Reads a body piece by piece; what is not read stays with the engine.
#[derive(Debug)]
pub struct BodyReader {
    body: Incoming,
    piece: Bytes,
}

impl AsyncRead for BodyReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
            }
        }
        let count = self.piece.len().min(buffer.remaining());
        buffer.put_slice(&self.piece.split_to(count));
        Poll::Ready(Ok(()))
    }
}
