//! A connection that becomes the standard streams of a process.
//!
//! A client asks with `Upgrade: tcp` and gets 101; the connection is a plain stream from then on. One that does
//! not ask gets what the process writes as the answer's body, and what it sends as a body is the input.

use std::io;

use engine::container::Attached;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::body::{self, Body};
use crate::call::Call;

/// As much as is copied at once.
const PIECE: usize = 32 * 1024;

/// The standard error, in the header of a frame.
const STDERR: u8 = 2;

/// The answer; from then on the session runs by itself until one side ends it.
pub(crate) fn answer(call: &mut Call, attached: Attached) -> Response<Body> {
    // Until 1.42 frames had no name of their own.
    let content_type = if call.since(42) && !attached.is_raw() {
        "application/vnd.docker.multiplexed-stream"
    } else {
        "application/vnd.docker.raw-stream"
    };
    let mut response = match call.upgrade.take() {
        Some(upgrade) => upgraded(upgrade, attached),
        None => plain(std::mem::replace(&mut call.body, body::empty()), attached),
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer that is a stream with nothing but these words, said as a program says what is wrong.
pub(crate) fn words(upgrade: OnUpgrade, is_raw: bool, words: String) -> Response<Body> {
    let text = format!("{words}\r\n");
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    if !is_raw {
        bytes.extend([STDERR, 0, 0, 0]);
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend(text.into_bytes());
    run(async move {
        let mut connection = TokioIo::new(upgrade.await.map_err(io::Error::other)?);
        connection.write_all(&bytes).await?;
        connection.shutdown().await
    });
    switched()
}

fn upgraded(upgrade: OnUpgrade, attached: Attached) -> Response<Body> {
    run(async move {
        let connection = upgrade.await.map_err(io::Error::other)?;
        attached.serve(TokioIo::new(connection)).await
    });
    switched()
}

fn switched() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    response
}

fn plain(body: Body, attached: Attached) -> Response<Body> {
    let (shown, ours) = tokio::io::simplex(PIECE);
    run(attached.serve(tokio::io::join(body::reader(body), ours)));
    let pieces = stream::try_unfold(shown, async |mut shown| {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        let read = shown.read_buf(&mut piece).await?;
        io::Result::Ok((read > 0).then(|| (piece.freeze(), shown)))
    });
    Response::new(body::stream(pieces))
}

/// The session ends with its connection, and tells its failure itself.
fn run(session: impl Future<Output = io::Result<()>> + Send + 'static) {
    drop(tokio::spawn(async move {
        if let Err(error) = session.await {
            tracing::debug!(%error, "an attached client went away");
        }
    }));
}
