//! Sockets: where the API is reached, and the life of a connection.
//!
//! A socket file that nobody listens on any more is replaced, one that somebody does is left alone. TCP is only
//! spoken with TLS on both sides; nothing here can open it without.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::{Gid, Mode};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::api::Api;

/// How long a client may take to send the head of a request, and to stay connected without one: Docker's own.
const HEAD_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a client may take to prove who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// How many connections there may be at once. Each client that follows logs or events holds one.
const CONNECTIONS: usize = 8192;

/// How long requests may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(2);

/// A place that the API is reached at.
#[derive(Debug)]
pub enum Listener {
    /// A socket file.
    Unix(UnixListener, SocketFile),
    /// A port, behind TLS. The configuration can be replaced while it serves.
    Tls(TcpListener, watch::Receiver<Arc<ServerConfig>>),
}

/// Why a place cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another daemon answers there.
    #[error("another program listens on {path} already")]
    InUse {
        /// The socket file.
        path: PathBuf,
    },
    /// There is something else under the name of the socket.
    #[error("{path} is there and is no socket")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {place}")]
    Refused {
        /// Path or address.
        place: String,
        /// Why.
        source: io::Error,
    },
}

/// A socket file of ours: goes when this goes, unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens on a socket file, for root and for `group` where there is one.
pub fn unix(path: &Path, group: Option<u32>) -> Result<Listener, ListenError> {
    let refused = |source: io::Error| ListenError::Refused {
        place: path.display().to_string(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ListenError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(ListenError::InUse {
                    path: path.to_owned(),
                });
            }
            std::fs::remove_file(path).map_err(refused)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(refused)?;
    }
    // Between `bind` and `chmod` nobody else may connect.
    let umask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(umask);
    let listener = bound.map_err(refused)?;
    if let Some(group) = group {
        rustix::fs::chown(path, None, Some(Gid::from_raw(group)))
            .map_err(|error| refused(error.into()))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(refused)?;
    let identity = identity(path).map_err(refused)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity,
    };
    Ok(Listener::Unix(listener, file))
}

/// Listens on a port, with TLS as `configuration` says.
pub async fn tls(
    address: SocketAddr,
    configuration: watch::Receiver<Arc<ServerConfig>>,
) -> Result<Listener, ListenError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Refused {
            place: address.to_string(),
            source,
        })?;
    Ok(Listener::Tls(listener, configuration))
}

impl Listener {
    /// The port, where there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(..) => None,
            Self::Tls(listener, _) => listener.local_addr().ok(),
        }
    }
}

/// Serves until `stop` turns true, then lets requests that are under way end for a moment.
pub async fn serve(listener: Listener, api: Api, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accept = accept(&listener, &api, &places, &stop);
    let mut stopped = stop.clone();
    tokio::select! {
        () = accept => {}
        () = until_true(&mut stopped) => {}
    }
    drop(listener);
    until_true(&mut stop).await;
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    if tokio::time::timeout(GRACE, places.acquire_many(all))
        .await
        .is_err()
    {
        tracing::info!("some clients are still connected; leaving them");
    }
}

async fn accept(
    listener: &Listener,
    api: &Api,
    places: &Arc<Semaphore>,
    stop: &watch::Receiver<bool>,
) {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            return;
        };
        let accepted = match listener {
            Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| {
                spawn_connection(stream, api.clone(), stop.clone(), place);
            }),
            Listener::Tls(listener, configuration) => listener.accept().await.map(|(stream, _)| {
                let acceptor = TlsAcceptor::from(Arc::clone(&configuration.borrow()));
                let (api, stop) = (api.clone(), stop.clone());
                let _delayed_only = stream.set_nodelay(true);
                drop(tokio::spawn(async move {
                    let handshake = acceptor.accept(stream);
                    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
                        Ok(Ok(stream)) => connection(stream, api, stop, place).await,
                        Ok(Err(error)) => tracing::warn!(%error, "a client was not let in"),
                        Err(_) => tracing::warn!("a client did not say who it is"),
                    }
                }));
            }),
        };
        if let Err(error) = accepted {
            // Out of descriptors, most likely: others have to end first.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn spawn_connection<S>(
    stream: S,
    api: Api,
    stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    drop(tokio::spawn(connection(stream, api, stop, place)));
}

/// One connection, to its end. A session that took it over goes on without it.
async fn connection<S>(
    stream: S,
    api: Api,
    mut stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let api = api.clone();
        async move {
            let request = request.map(|body| body.map_err(io::Error::other).boxed_unsync());
            Ok::<_, std::convert::Infallible>(api.answer(request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = until_true(&mut stop) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Ends when a stop is asked for, or when whoever could ask is gone.
async fn until_true(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
