//! A connection that becomes the standard streams of a process.
//!
//! ```text
//! client ──typed──▶ detach keys? ──▶ process        end of typing: the process reads its end of input
//!        ◀───────── written ──────── process        end of output: the connection ends
//! ```
//!
//! A client asks with `Upgrade: tcp` and gets 101; one that does not gets its answer's body and may send a
//! request's body as input, as clients did before 1.20.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::body::{self, Body};
use crate::detach_keys::Detector;

/// As much as is copied at once.
const PIECE: usize = 32 * 1024;

/// What is joined to the client.
pub(crate) struct Session {
    /// The process's side: raw with a terminal, in Docker's frames without.
    pub(crate) process: UnixStream,
    /// What the answer's header calls it.
    pub(crate) content_type: &'static str,
    /// Whether the client may type.
    pub(crate) input: Input,
    /// Said before anything that the process writes.
    pub(crate) first: Bytes,
}

/// What becomes of what the client sends.
pub(crate) enum Input {
    /// Nothing.
    Ignored,
    /// It goes to the process.
    Passed,
    /// The same, until the detach keys are pressed.
    Watched(Detector),
}

/// What the streams of a process are called.
pub(crate) fn content_type(tty: bool, since_1_42: bool) -> &'static str {
    if since_1_42 && !tty {
        "application/vnd.docker.multiplexed-stream"
    } else {
        "application/vnd.docker.raw-stream"
    }
}

/// The answer; from then on the session runs by itself until one side ends it.
pub(crate) fn answer(upgrade: Option<OnUpgrade>, body: Body, session: Session) -> Response<Body> {
    let content_type = HeaderValue::from_static(session.content_type);
    let mut response = match upgrade {
        Some(upgrade) => upgraded(upgrade, session),
        None => plain(body, session),
    };
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn upgraded(upgrade: OnUpgrade, session: Session) -> Response<Body> {
    let task = tokio::spawn(async move {
        let result = match upgrade.await {
            Ok(connection) => {
                let (typed, shown) = tokio::io::split(TokioIo::new(connection));
                join(session, typed, shown).await
            }
            Err(error) => Err(io::Error::other(error)),
        };
        if let Err(error) = result {
            tracing::debug!(%error, "an attached client went away");
        }
    });
    // It ends with its connection, and tells its failure itself.
    drop(task);
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    response
}

fn plain(body: Body, session: Session) -> Response<Body> {
    let (client, ours) = tokio::io::duplex(PIECE);
    let task = tokio::spawn(async move {
        if let Err(error) = join(session, body::reader(body), ours).await {
            tracing::debug!(%error, "an attached client went away");
        }
    });
    drop(task);
    let pieces = stream::try_unfold(client, async |mut client| {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        let read = client.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), client)))
    });
    Response::new(body::stream(pieces))
}

/// Copies both ways until the process's output ends, the client is gone, or it detaches.
async fn join(
    session: Session,
    typed: impl AsyncRead + Unpin,
    mut shown: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let Session {
        mut process,
        input,
        first,
        ..
    } = session;
    let (mut output, process_input) = process.split();
    let show = async {
        shown.write_all(&first).await?;
        copy(&mut output, &mut shown).await
    };
    let type_in = async {
        match pass(typed, process_input, input).await {
            Ok(Passed::Detached) => Ok(()),
            // The process may still write when no more is typed.
            Ok(Passed::Ended) => std::future::pending().await,
            Err(error) if process_has_closed(&error) => std::future::pending().await,
            Err(error) => Err(error),
        }
    };
    let result = tokio::select! {
        result = show => result,
        result = type_in => result,
    };
    // Nothing to be done about a client that is gone already.
    let _closed = shown.shutdown().await;
    result
}

fn process_has_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

enum Passed {
    Ended,
    Detached,
}

async fn pass(
    mut typed: impl AsyncRead + Unpin,
    mut process: impl AsyncWrite + Unpin,
    input: Input,
) -> io::Result<Passed> {
    let mut detector = match input {
        Input::Ignored => {
            tokio::io::copy(&mut typed, &mut tokio::io::sink()).await?;
            return Ok(Passed::Ended);
        }
        Input::Passed => {
            copy(&mut typed, &mut process).await?;
            process.shutdown().await?;
            return Ok(Passed::Ended);
        }
        Input::Watched(detector) => detector,
    };
    let mut buffer = vec![0; PIECE];
    loop {
        let length = typed.read(&mut buffer).await?;
        if length == 0 {
            process.write_all(detector.rest()).await?;
            process.shutdown().await?;
            return Ok(Passed::Ended);
        }
        let fed = detector.feed(&buffer[..length]);
        process.write_all(&fed.onward).await?;
        if fed.detached {
            return Ok(Passed::Detached);
        }
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}
