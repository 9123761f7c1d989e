//! A connection that becomes the standard streams of a process.
//!
//! A client asks with `Upgrade: tcp` and gets 101; the connection is a plain stream from then on. One that does
//! not ask gets what the process writes as the answer's body, and what it sends as a body is the input.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use engine::container::Attached;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::body::{self, Body};
use crate::call::Call;

/// As much as is copied at once.
const PIECE: usize = 32 * 1024;

/// A client that reads the head of its answer through a buffer of its own loses what comes with it: some do, and engines
/// that take longer never showed them.
const HEAD_TIME: Duration = Duration::from_millis(2);

/// The time that a client of this request needs: those in Python read heads so, and a program may answer sooner than
/// they have read theirs; Docker's own read what comes with it.
pub(crate) fn head_time(headers: &HeaderMap) -> Duration {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    if agent
        .is_some_and(|agent| agent.starts_with("docker-sdk-python") || agent.contains("docker-py"))
    {
        10 * HEAD_TIME
    } else {
        Duration::ZERO
    }
}

/// The standard error, in the header of a frame.
const STDERR: u8 = 2;

/// What is read from and written to a client.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A client whose connection is a stream now.
pub(crate) type Client = Box<dyn Duplex>;

/// The answer. The session begins once it has been sent, and runs by itself until one side ends it.
pub(crate) fn answer<S, F>(call: &mut Call, is_raw: bool, session: S) -> Response<Body>
where
    S: FnOnce(Client) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send,
{
    let upgrade = call.upgrade.take();
    let mut response = match upgrade {
        Some(upgrade) => {
            run(async move {
                let connection = upgrade.await.map_err(io::Error::other)?;
                session(Box::new(TokioIo::new(connection))).await
            });
            switched()
        }
        None => plain(std::mem::replace(&mut call.body, body::empty()), session),
    };
    let content_type = HeaderValue::from_static(content_type(call, is_raw));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// What the streams of a process are called: until 1.42 frames had no name of their own.
pub(crate) fn content_type(call: &Call, is_raw: bool) -> &'static str {
    if call.since(42) && !is_raw {
        "application/vnd.docker.multiplexed-stream"
    } else {
        "application/vnd.docker.raw-stream"
    }
}

/// A session that shows what was written before, if that is asked for, and then what comes, if that is.
pub(crate) async fn show(
    mut client: Client,
    before: Option<impl Stream<Item = io::Result<Bytes>> + Send>,
    attached: Option<Attached>,
) -> io::Result<()> {
    if let Some(before) = before {
        tokio::time::sleep(HEAD_TIME).await;
        let mut before = std::pin::pin!(before);
        while let Some(piece) = before.next().await {
            client.write_all(&piece?).await?;
        }
    }
    match attached {
        Some(attached) => attached.serve(client).await,
        None => client.shutdown().await,
    }
}

/// A session that has nothing but these words, said as a program says what is wrong.
pub(crate) async fn say(mut client: Client, is_raw: bool, words: &str) -> io::Result<()> {
    let text = format!("{words}\r\n");
    if !is_raw {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        client.write_all(&[STDERR, 0, 0, 0]).await?;
        client.write_all(&length.to_be_bytes()).await?;
    }
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await
}

fn switched() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    response
}

fn plain<S, F>(body: Body, session: S) -> Response<Body>
where
    S: FnOnce(Client) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send,
{
    let (shown, ours) = tokio::io::simplex(PIECE);
    run(async move { session(Box::new(tokio::io::join(body::reader(body), ours))).await });
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::AsyncReadExt;

    async fn read(mut client: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn words_are_framed_where_there_is_no_terminal() {
        for (is_raw, expected) in [
            (true, &b"no\r\n"[..]),
            (false, b"\x02\0\0\0\0\0\0\x04no\r\n"),
        ] {
            let (client, ours) = tokio::io::duplex(64);
            super::say(Box::new(ours), is_raw, "no").await.unwrap();
            assert_eq!(read(client).await, expected);
        }
    }

    #[tokio::test]
    async fn what_was_before_ends_by_itself() {
        let (client, ours) = tokio::io::duplex(64);
        let before = stream::iter([Ok(Bytes::from("a")), Ok(Bytes::from("b"))]);
        super::show(Box::new(ours), Some(before), None)
            .await
            .unwrap();
        assert_eq!(read(client).await, b"ab");
    }
}
