//! The byte streams under a conversation: a socket, TLS over one, or the pipes of an `ssh`.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_rustls::TlsConnector;

use crate::endpoint::{Endpoint, TlsFiles};
use crate::error::Error;
use crate::tls;

/// A connection taken over from HTTP: what is written goes to the engine, what it writes is read.
pub type Hijacked = TokioIo<Upgraded>;
/// The reading half of a [`Hijacked`].
pub type ReadHalf = tokio::io::ReadHalf<Hijacked>;
/// The writing half of a [`Hijacked`]. Shutting it down tells the engine that no more comes, and leaves the
/// other half open.
pub type WriteHalf = tokio::io::WriteHalf<Hijacked>;

/// How much of what `ssh` says on its standard error is kept for a message.
const SSH_MESSAGE_LIMIT: u64 = 4096;

/// Both ways in one.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects.
pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Box<dyn Stream>, Error> {
    let unreachable = |source: io::Error| {
        let endpoint = endpoint.to_string();
        if source.kind() == io::ErrorKind::PermissionDenied {
            Error::PermissionDenied { endpoint, source }
        } else {
            Error::Unreachable { endpoint, source }
        }
    };
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(unreachable)?;
            Ok(Box::new(stream))
        }
        Endpoint::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port))
                .await
                .map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            match tls {
                None => Ok(Box::new(stream)),
                Some(files) => secure(endpoint, host, stream, files).await,
            }
        }
        Endpoint::Ssh {
            user,
            host,
            port,
            socket,
        } => ssh(endpoint, user.as_deref(), host, *port, socket.as_deref()),
    }
}

async fn secure(
    endpoint: &Endpoint,
    host: &str,
    stream: TcpStream,
    files: &TlsFiles,
) -> Result<Box<dyn Stream>, Error> {
    let failed = |source| Error::Tls {
        endpoint: endpoint.to_string(),
        source,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let connector = TlsConnector::from(tls::configuration(files)?);
    let stream = connector.connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

/// The pipes of `ssh host docker system dial-stdio`.
struct SshStream {
    input: Option<ChildStdin>,
    output: ChildStdout,
    heard: Arc<AtomicBool>,
    endpoint: Endpoint,
    child: Child,
    complaint: Option<Pin<Box<dyn Future<Output = io::Error> + Send>>>,
}

fn ssh(
    endpoint: &Endpoint,
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    socket: Option<&str>,
) -> Result<Box<dyn Stream>, Error> {
    let mut command = Command::new("ssh");
    // Never a terminal: the pipes carry bytes.
    command.args(["-o", "ConnectTimeout=30", "-T"]);
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.arg("--").arg(host).arg("docker");
    if let Some(socket) = socket {
        command.args(["--host", &format!("unix://{socket}")]);
    }
    command.args(["system", "dial-stdio"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is ours to handle, and ssh would end with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Error::Ssh {
            endpoint: endpoint.to_string(),
            message: format!("starting ssh: {error}"),
        })?;
    let input = child.stdin.take();
    let output = child.stdout.take().expect("standard output is a pipe");
    Ok(Box::new(SshStream {
        input,
        output,
        heard: Arc::default(),
        endpoint: endpoint.clone(),
        child,
        complaint: None,
    }))
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.complaint.is_none() {
            let before = buffer.filled().len();
            std::task::ready!(Pin::new(&mut self.output).poll_read(context, buffer))?;
            if buffer.filled().len() > before {
                self.heard.store(true, Ordering::Relaxed);
                return Poll::Ready(Ok(()));
            }
            if self.heard.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            // Nothing ever came: what ssh said is why.
            let stderr = self.child.stderr.take();
            let endpoint = self.endpoint.to_string();
            self.complaint = Some(Box::pin(async move {
                let mut said = Vec::new();
                if let Some(stderr) = stderr {
                    let _read = stderr.take(SSH_MESSAGE_LIMIT).read_to_end(&mut said).await;
                }
                let said = String::from_utf8_lossy(&said);
                io::Error::new(
                    io::ErrorKind::ConnectionRefused,
                    format!(
                        "ssh ended without an answer from {endpoint}: {}",
                        said.trim()
                    ),
                )
            }));
        }
        match self.complaint.as_mut() {
            Some(complaint) => complaint.as_mut().poll(context).map(Err),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.input.as_mut() {
            Some(input) => Pin::new(input).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.input.as_mut() {
            Some(input) => Pin::new(input).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(context))?;
        // A pipe is shut by closing it.
        drop(self.input.take());
        Poll::Ready(Ok(()))
    }
}
