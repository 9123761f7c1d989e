//! Connections to a registry: taken, maybe with TLS, served, and ended in good order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Registry, ServerError};

/// Connections at once.
const MAX_CONNECTIONS: usize = 1_024;

/// Until a client has proved itself by TLS, and until its request has begun.
const HANDSHAKE_TIME: Duration = Duration::from_secs(15);
const HEADER_TIME: Duration = Duration::from_mins(1);

/// How long connections may finish what they do when the registry ends.
const GRACE: Duration = Duration::from_secs(10);

/// How often uploads that nobody finished are looked for.
const EXPIRY_PAUSE: Duration = Duration::from_hours(1);

/// What a registry proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those between it and an authority, in PEM form.
    pub certificate: PathBuf,
    /// Its key in PEM form.
    pub key: PathBuf,
}

/// Serves the registry on `listener` until `stop` is done.
pub async fn serve(
    registry: &Registry,
    listener: TcpListener,
    tls: Option<&TlsFiles>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let address = listener
        .local_addr()
        .map_err(|source| ServerError::Listen { source })?;
    check_protected(registry, address, tls)?;
    let acceptor = tls.map(acceptor).transpose()?;
    tracing::info!(%address, tls = tls.is_some(), "ready");
    let router = registry.router();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut expiry = tokio::time::interval(EXPIRY_PAUSE);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            _ = expiry.tick() => {
                expire(registry).await;
                continue;
            }
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or the client has gone already: others go on.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (router, acceptor) = (router.clone(), acceptor.clone());
        connections.spawn(async move {
            connection(stream, acceptor, router).await;
            drop(place);
        });
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, rest).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router) {
    match acceptor {
        None => speak(stream, router).await,
        Some(acceptor) => match timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, router).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client failed at TLS"),
            Err(_) => tracing::debug!("a client took too long for TLS"),
        },
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, router: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn expire(registry: &Registry) {
    let registry = registry.clone();
    let expired = tokio::task::spawn_blocking(move || registry.expire_uploads()).await;
    if let Ok(Err(error)) = expired {
        tracing::error!(%error, "cannot remove old uploads");
    }
}

fn check_protected(
    registry: &Registry,
    address: SocketAddr,
    tls: Option<&TlsFiles>,
) -> Result<(), ServerError> {
    if registry.has_users() && tls.is_none() && !address.ip().is_loopback() {
        Err(ServerError::Unprotected)
    } else {
        Ok(())
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServerError> {
    let refused = |path: &Path, message: String| ServerError::Tls {
        path: path.to_owned(),
        message,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&files.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| refused(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| refused(&files.certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(settings)))
}
