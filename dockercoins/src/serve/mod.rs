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
use tokio::net::{TcpListener, TcpSocket, TcpStream};
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
/// Connections that the kernel holds for a moment while others are accepted; where it is set to hold fewer,
/// it does.
const BACKLOG: u32 = 4096;
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
pub(crate) fn listen(role: &'static str, address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address).map_err(|source| Failure::Listen {
        role,
        address,
        source,
    })
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A service that is restarted must not wait for its old connections to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
    let host = Host {
        router,
        settings,
        stop: stop.clone(),
    };
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.wished() => break,
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
        // A task that has ended keeps its memory until it is joined.
        while tasks.try_join_next().is_some() {}
        let slot = tokio::select! {
            () = stop.wished() => break,
            slot = slots.take() => slot,
        };
        let client = Client { stream, peer, slot };
        tasks.spawn(connection(client, host.clone()));
    }
    drop(listener);
    let drained = async { while tasks.join_next().await.is_some() {} };
    timeout(DRAIN, drained).await.ok();
}

/// A connection that was taken.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    slot: Slot,
}

/// What all connections of a server have in common.
#[derive(Clone)]
struct Host {
    router: Router,
    settings: ServeSettings,
    stop: Stop,
}

/// One connection from its first byte to its end. Errors here are the client's (it broke off, or sent what
/// is no HTTP) and concern nobody else.
async fn connection(client: Client, host: Host) {
    let Client { stream, slot, .. } = &client;
    stream.set_nodelay(true).ok();
    let mut first_byte = [0];
    let first_byte = timeout(host.settings.read_timeout, stream.peek(&mut first_byte));
    tokio::select! {
        () = host.stop.wished() => return,
        () = slot.given_up() => return,
        ready = first_byte => if !matches!(ready, Ok(Ok(1))) { return },
    }
    // Boxed: a connection that is only idle must not take the room of one that is served.
    Box::pin(converse(client, host)).await;
}

/// HTTP over a connection that has begun to talk.
async fn converse(client: Client, host: Host) {
    let Client { stream, peer, slot } = client;
    let Host {
        router,
        settings,
        stop,
    } = host;
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
