//! An HTTP server for one role: it accepts, bounds, times out and closes connections, and hands requests
//! to a router. It must never know what a role answers.
//!
//! ```text
//! accept ──▶ Slot (bounded; the longest idle gives way) ──▶ first byte ──▶ hyper ──▶ the role's router
//! ```
//!
//! A connection that has sent nothing costs its socket and a small task: HTTP's buffers are made with the
//! first byte. Start reading at [`serve`].

mod slots;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

pub(crate) use slots::{Slot, Slots};

use crate::failure::Failure;
use crate::log::Log;
use crate::stop::Stop;

/// How long a client that doesn't take its answer is waited for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way may take to end once stopping is wished.
const DRAIN: Duration = Duration::from_secs(8);
/// After `accept` fails, most often for want of file descriptors: time for some to come free.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Descriptors kept back for what is not a client: the log, the listener, Redis, epoll.
const DESCRIPTORS_KEPT_BACK: usize = 64;

/// Bounds and habits of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServeSettings {
    /// Whether a connection serves more than one request.
    pub(crate) connections: Connections,
    /// Connections held at a time.
    pub(crate) max_connections: usize,
    /// How long a request's head may take to come, and a connection may be idle.
    pub(crate) read_timeout: Duration,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// It waits for the next request.
    Kept,
    /// It is closed, and the answer says so.
    Closed,
}

/// The client's address, among a request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Opens the listener, and says where it is.
pub(crate) async fn listen(
    role: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Failure::Listen {
            role,
            address,
            source,
        })
}

/// Serves until stopping is wished, then lets requests under way end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ServeSettings,
    log: Log,
    stop: Stop,
) {
    let slots = Slots::new(settings.max_connections);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.wished() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                log.line(format!("cannot take a connection: {error}; trying again"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let slot = tokio::select! {
            () = stop.wished() => break,
            slot = slots.take() => slot,
        };
        tasks.spawn(connection(
            stream,
            peer,
            slot,
            router.clone(),
            settings,
            stop.clone(),
        ));
    }
    drop(listener);
    let drained = async { while tasks.join_next().await.is_some() {} };
    timeout(DRAIN, drained).await.ok();
}

/// One connection from its first byte to its end. Errors here are the client's (it broke off, or sent what
/// is no HTTP) and concern nobody else.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    slot: Slot,
    router: Router,
    settings: ServeSettings,
    stop: Stop,
) {
    stream.set_nodelay(true).ok();
    let first_byte = timeout(settings.read_timeout, stream.readable());
    tokio::select! {
        () = stop.wished() => return,
        () = slot.given_up() => return,
        ready = first_byte => if !matches!(ready, Ok(Ok(()))) { return },
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let answer = |request: Request<Incoming>| {
        let router = router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(slot.clone());
        async move {
            Ok::<Response<Body>, Infallible>(router.oneshot(request).await.unwrap_or_default())
        }
    };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.read_timeout)
        .max_buf_size(16 * 1024)
        .half_close(true)
        .keep_alive(settings.connections == Connections::Kept)
        .title_case_headers(true)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            hyper::service::service_fn(answer),
        );
    tokio::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = slot.given_up() => return,
        () = stop.wished() => serving.as_mut().graceful_shutdown(),
    }
    serving.await.ok();
}

/// How many of the connections wanted this process has file descriptors for.
pub(crate) fn affordable_connections(wanted: u32) -> usize {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let limit = raise_descriptor_limit();
    wanted
        .min(limit.saturating_sub(DESCRIPTORS_KEPT_BACK))
        .max(1)
}

/// Raises the soft limit on open files to the hard one: the usual soft limit, 1024, is there for programs
/// that use `select`.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    let reached = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.current,
        Err(_) => soft,
    };
    reached.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}
