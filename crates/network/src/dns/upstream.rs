//! Asking others, from the host's namespace, about what we do not know.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hickory_proto::op::ResponseCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::answer::{Query, Transport};
use crate::{ResolvConf, Upstream};

/// How long one server may take. With three of them an answer comes before the usual client, which waits 5 s and
/// asks again, gives up for good.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How many servers are asked, as the C library does.
const SERVERS: usize = 3;
/// How many questions of all containers together are under way.
const UNDER_WAY: usize = 1024;
/// Larger than any datagram that clients are told to take.
const DATAGRAM: usize = 4096;
const DNS_PORT: u16 = 53;

/// The way to others: the host's servers, and the bound on questions under way. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Resolvers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    read: Mutex<Read>,
    under_way: Semaphore,
}

/// What was read, and of when it was.
#[derive(Debug, Default)]
struct Read {
    changed: Option<SystemTime>,
    servers: Vec<IpAddr>,
}

impl Resolvers {
    /// The host's servers are those that the file at `path` names.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                read: Mutex::default(),
                under_way: Semaphore::new(UNDER_WAY),
            }),
        }
    }

    /// Room for one more question; none if too many are under way.
    pub(crate) fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.under_way.try_acquire().ok()
    }

    /// Passes a query on, and returns the answer; of several failures the last.
    pub(crate) async fn ask(
        &self,
        query: &Query,
        bytes: &[u8],
        transport: Transport,
        upstream: &Upstream,
    ) -> Vec<u8> {
        let servers = match upstream {
            Upstream::Host => self.host_servers(),
            Upstream::Servers(servers) => servers.clone(),
        };
        let mut failure = None;
        for server in servers.into_iter().take(SERVERS) {
            let server = SocketAddr::new(server, DNS_PORT);
            let asked = timeout(PATIENCE, ask_one(query, bytes, transport, server)).await;
            match asked {
                Ok(Ok((answer, ResponseCode::NoError | ResponseCode::NXDomain))) => return answer,
                Ok(Ok((answer, _))) => failure = Some(answer),
                Ok(Err(error)) => tracing::debug!(%server, %error, "asking a DNS server"),
                Err(_) => tracing::debug!(%server, "a DNS server does not answer"),
            }
        }
        failure.unwrap_or_else(|| query.failure(ResponseCode::ServFail))
    }

    fn host_servers(&self) -> Vec<IpAddr> {
        let path = &self.shared.path;
        let changed = fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok();
        let mut read = self
            .shared
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if read.changed != changed || changed.is_none() {
            let text = fs::read_to_string(path).unwrap_or_default();
            *read = Read {
                changed,
                servers: ResolvConf::parse(&text).nameservers,
            };
        }
        read.servers.clone()
    }
}

async fn ask_one(
    query: &Query,
    bytes: &[u8],
    transport: Transport,
    server: SocketAddr,
) -> io::Result<(Vec<u8>, ResponseCode)> {
    // An id of our own, and a port of its own, so that nobody can guess both and answer instead.
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
    let mut question = bytes.to_vec();
    let (Some(asked_id), Some(own_id)) = (bytes.get(..2), question.get_mut(..2)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    own_id.copy_from_slice(&id);
    let id = u16::from_be_bytes(id);
    let (mut answer, code) = match transport {
        Transport::Udp => by_datagram(query, &question, id, server).await?,
        Transport::Tcp => by_connection(query, &question, id, server).await?,
    };
    answer[..2].copy_from_slice(asked_id);
    Ok((answer, code))
}

/// An answer that is cut short goes back as it is: the client asks again over a connection.
async fn by_datagram(
    query: &Query,
    question: &[u8],
    id: u16,
    server: SocketAddr,
) -> io::Result<(Vec<u8>, ResponseCode)> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut answer).await?;
        if let Some(code) = query.is_answered_by(&answer[..length], id) {
            answer.truncate(length);
            return Ok((answer, code));
        }
    }
}

async fn by_connection(
    query: &Query,
    question: &[u8],
    id: u16,
    server: SocketAddr,
) -> io::Result<(Vec<u8>, ResponseCode)> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(question);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    match query.is_answered_by(&answer, id) {
        Some(code) => Ok((answer, code)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
