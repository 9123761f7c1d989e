//! Serving one container's DNS: a task for datagrams, a task for connections. Both end with the container.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_proto::op::ResponseCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    answer::{Query, Refusal, Transport},
    names::Names,
    upstream::Resolvers,
};
use crate::{
    DnsSockets, Upstream,
    error::{Error, Result},
};

/// How many questions of one container are passed on at once: one must not take all the room there is.
const UNDER_WAY: usize = 128;
/// How many connections a container may have to its DNS.
const CONNECTIONS: usize = 32;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// The largest query that is read from a datagram. Real ones have some hundred bytes at most.
const LARGEST_QUERY: usize = 4096;
/// How long to wait after an error that may not go away by itself.
const AFTER_ERROR: Duration = Duration::from_millis(100);

struct Server {
    names: Names,
    upstream: Upstream,
    resolvers: Resolvers,
    under_way: Semaphore,
    /// How many answers had several addresses.
    turn: AtomicUsize,
}

/// Starts serving.
pub(crate) fn start(
    sockets: DnsSockets,
    names: Names,
    upstream: Upstream,
    resolvers: Resolvers,
) -> Result<Vec<AbortHandle>> {
    let failed = |source| Error::DnsSockets { source };
    let udp = std::net::UdpSocket::from(sockets.udp);
    udp.set_nonblocking(true).map_err(failed)?;
    let udp = UdpSocket::from_std(udp).map_err(failed)?;
    let tcp = std::net::TcpListener::from(sockets.tcp);
    tcp.set_nonblocking(true).map_err(failed)?;
    let tcp = TcpListener::from_std(tcp).map_err(failed)?;
    let server = Arc::new(Server {
        names,
        upstream,
        resolvers,
        under_way: Semaphore::new(UNDER_WAY),
        turn: AtomicUsize::new(0),
    });
    let datagrams = tokio::spawn(serve_datagrams(udp, Arc::clone(&server)));
    let connections = tokio::spawn(serve_connections(tcp, server));
    Ok(vec![datagrams.abort_handle(), connections.abort_handle()])
}

async fn serve_datagrams(socket: UdpSocket, server: Arc<Server>) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; LARGEST_QUERY];
    let mut passed_on = JoinSet::new();
    loop {
        while passed_on.try_join_next().is_some() {}
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // Of a client that went away; or something that should not keep the computer busy.
                tracing::debug!(%error, "receiving a DNS query");
                sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let bytes = &buffer[..length];
        match server.answer_at_once(bytes, Transport::Udp) {
            Immediate::Ignore => {}
            Immediate::Reply(reply) => reply_to(&socket, client, &reply).await,
            Immediate::PassOn(query) => {
                let (socket, server) = (Arc::clone(&socket), Arc::clone(&server));
                let bytes = bytes.to_vec();
                if server.under_way.available_permits() == 0 {
                    reply_to(&socket, client, &query.failure(ResponseCode::ServFail)).await;
                    continue;
                }
                passed_on.spawn(async move {
                    let reply = server.pass_on(&query, &bytes, Transport::Udp).await;
                    reply_to(&socket, client, &reply).await;
                });
            }
        }
    }
}

async fn reply_to(socket: &UdpSocket, client: SocketAddr, reply: &[u8]) {
    if let Err(error) = socket.send_to(reply, client).await {
        tracing::debug!(%error, %client, "answering a DNS query");
    }
}

async fn serve_connections(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    if let Err(error) = serve_connection(stream, &server).await {
                        tracing::debug!(%error, "serving a DNS connection");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a DNS connection");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

async fn serve_connection(mut stream: TcpStream, server: &Server) -> io::Result<()> {
    loop {
        let read = timeout(IDLE, read_query(&mut stream)).await;
        let Ok(Some(bytes)) = read.unwrap_or(Ok(None)) else {
            return Ok(());
        };
        let reply = match server.answer_at_once(&bytes, Transport::Tcp) {
            Immediate::Ignore => return Ok(()),
            Immediate::Reply(reply) => reply,
            Immediate::PassOn(query) => server.pass_on(&query, &bytes, Transport::Tcp).await,
        };
        let length = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&reply);
        match timeout(IDLE, stream.write_all(&framed)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
}

/// The next query of a connection; none at its end.
async fn read_query(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

enum Immediate {
    Ignore,
    Reply(Vec<u8>),
    PassOn(Query),
}

impl Server {
    fn answer_at_once(&self, bytes: &[u8], transport: Transport) -> Immediate {
        let query = match Query::read(bytes, transport) {
            Ok(query) => query,
            Err(Refusal::Ignore) => return Immediate::Ignore,
            Err(Refusal::Reply(reply)) => return Immediate::Reply(reply),
        };
        let known = query
            .subject()
            .and_then(|subject| self.names.find(&subject));
        match known {
            Some(known) => {
                let next_turn = || self.turn.fetch_add(1, Ordering::Relaxed);
                Immediate::Reply(query.answer(known, next_turn))
            }
            None if self.names.may_ask_others() => Immediate::PassOn(query),
            None => Immediate::Reply(query.failure(ResponseCode::ServFail)),
        }
    }

    async fn pass_on(&self, query: &Query, bytes: &[u8], transport: Transport) -> Vec<u8> {
        let (Ok(_own_room), Some(_room)) = (self.under_way.try_acquire(), self.resolvers.room())
        else {
            return query.failure(ResponseCode::ServFail);
        };
        self.resolvers
            .ask(query, bytes, transport, &self.upstream)
            .await
    }
}
