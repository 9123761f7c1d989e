//! Bodies, in and out: bounded JSON, streams without bounds.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Empty, Full, StreamBody};
use serde::de::DeserializeOwned;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use crate::failure::{Failure, Result};

/// A body, of a request or an answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The longest JSON document that is read: Docker's own specs are a few kilobytes, configs of a megabyte fit.
const JSON_LIMIT: usize = 16 * 1024 * 1024;

/// How long the whole of a JSON document may take to come.
const JSON_TIMEOUT: Duration = Duration::from_mins(2);

/// How much of a body that nobody wanted is read before the refusal is sent, and for how long: a client that is
/// still sending when the connection closes sees that instead of the refusal.
const DRAINED: usize = 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client may go on sending what nobody wants any more, after it was answered: an image that finds the disk
/// full takes its time, and cutting it off would take the reason from who sends it.
const LINGER: Duration = Duration::from_secs(30);

/// A request's body that two hold: the handler that reads it, and whoever reads the rest of it if that fails. What is
/// left when the last lets go is read and thrown away beside the answer.
#[derive(Clone)]
pub(crate) struct Held(Arc<Mutex<Body>>);

impl Drop for Held {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) > 1 || http_body::Body::is_end_stream(&*self.lock()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let rest = std::mem::replace(&mut *self.lock(), empty());
        drop(runtime.spawn(async move {
            let longer = is_longer_than(rest, usize::MAX);
            // What cannot be read is as good as gone.
            drop(tokio::time::timeout(LINGER, longer).await);
        }));
    }
}

impl Held {
    /// Holds `body`.
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what is left of it, in reason.
    pub(crate) async fn drain(self) {
        let longer = is_longer_than(self.clone().boxed_unsync(), DRAINED);
        // What cannot be read is as good as gone.
        drop(tokio::time::timeout(DRAIN_TIMEOUT, longer).await);
    }

    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

/// A body with nothing in it.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is there already.
pub(crate) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that comes piece by piece; each is sent at once.
pub(crate) fn stream<S>(pieces: S) -> Body
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    BodyExt::boxed_unsync(StreamBody::new(pieces.map_ok(Frame::data)))
}

/// A body's pieces as they come in.
pub(crate) fn pieces(body: Body) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    BodyStream::new(body).try_filter_map(|frame| std::future::ready(Ok(frame.into_data().ok())))
}

/// A body to read from, as a file.
pub(crate) fn reader(body: Body) -> Pin<Box<dyn AsyncRead + Send>> {
    Box::pin(StreamReader::new(pieces(body)))
}

/// Whether there are more than `limit` bytes in a body; no more than these are read.
pub(crate) async fn is_longer_than(mut body: Body, limit: usize) -> Result<bool> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(unreadable)?;
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > limit {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a JSON document; a request without a body gives nothing.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<T>> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    check_content_type(headers, length)?;
    if length.is_some_and(|length| length > JSON_LIMIT as u64) {
        return Err(too_large());
    }
    let bytes = tokio::time::timeout(JSON_TIMEOUT, collect(body))
        .await
        .map_err(|_| {
            Failure::new(StatusCode::REQUEST_TIMEOUT, "the request body did not come")
        })??;
    // Clients that have nothing to say send nothing, or `null`.
    if matches!(bytes.trim_ascii(), b"" | b"null") {
        return Ok(None);
    }
    parse(&bytes).map(Some)
}

fn check_content_type(headers: &HeaderMap, length: Option<u64>) -> Result<()> {
    let Some(given) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let given = given.to_str().unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.is_empty() || essence.eq_ignore_ascii_case("application/json") || length == Some(0) {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "unsupported Content-Type header ({given}): must be 'application/json'"
    )))
}

fn too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request body is larger than {JSON_LIMIT} bytes"),
    )
}

fn unreadable(error: io::Error) -> Failure {
    Failure::bad_request(format!("cannot read the request body: {error}"))
}

async fn collect(mut body: Body) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(unreadable)?;
        if let Ok(piece) = frame.into_data() {
            if bytes.len() + piece.len() > JSON_LIMIT {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes.freeze())
}

/// Reads a document, with the place of what is wrong in it.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let invalid = |reason: String| Failure::bad_request(format!("invalid JSON: {reason}"));
    let mut value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    model::api::json::strip_nulls(&mut value);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        match place.as_str() {
            "." | "?" => invalid(error.into_inner().to_string()),
            place => invalid(format!("{place}: {}", error.inner())),
        }
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
    use model::api::network::Create;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let error = super::parse::<Create>(bytes).unwrap_err();
        assert!(error.message.starts_with(expected), "{}", error.message);
    }

    #[test]
    fn errors_name_the_place() {
        check(
            b"{",
            "invalid JSON: EOF while parsing an object at line 1 column 1",
        );
        check(
            b"{} x",
            "invalid JSON: trailing characters at line 1 column 4",
        );
        check(b"[]", "invalid JSON: invalid type: sequence");
        check(
            br#"{"IPAM":{"Config":[{"Subnet":7}]}}"#,
            "invalid JSON: IPAM.Config[0].Subnet: invalid type",
        );
    }

    #[test]
    fn a_deep_document_is_refused() {
        let deep = "[".repeat(100_000);
        check(deep.as_bytes(), "invalid JSON: recursion limit exceeded");
    }

    #[test]
    fn another_content_type_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        let error = super::check_content_type(&headers, None).unwrap_err();
        assert_eq!(
            error.message,
            "unsupported Content-Type header (text/plain): must be 'application/json'"
        );
        assert_eq!(super::check_content_type(&headers, Some(0)), Ok(()));
        headers.insert(
            CONTENT_TYPE,
            "application/json; charset=utf-8".parse().unwrap(),
        );
        headers.insert(CONTENT_LENGTH, "5".parse().unwrap());
        assert_eq!(super::check_content_type(&headers, Some(5)), Ok(()));
    }
}
