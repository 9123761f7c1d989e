//! Attaching to a container's standard streams, before it starts or while it runs.

use std::os::unix::net::UnixStream as StdStream;
use std::sync::PoisonError;

use model::api::container::AttachOptions;
use runtime::client::Shim;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::detach::Keys;
use super::{Container, Phase};
use crate::Engine;
use crate::error::{Error, Result};

/// How many clients may wait for one container to start.
const MOST_WAITING: usize = 64;

/// How much is copied at a time.
const PIECE: usize = 64 * 1024;

/// The standard output, in the header of a frame.
const STDOUT: u8 = 1;

/// A client that attached before the container started, and waits for it.
#[derive(Debug)]
pub(super) struct WaitingClient {
    pub(super) stream: StdStream,
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

impl WaitingClient {
    /// Gives the client to the shim of the container, which is about to run.
    pub(super) async fn hand_over(self, shim: &Shim) {
        let Self {
            stream,
            stdin,
            stdout,
            stderr,
        } = self;
        if let Err(error) = shim.attach_over(stream, stdin, stdout, stderr).await {
            tracing::warn!(%error, "a client that waited for a container cannot be attached");
        }
    }
}

impl Engine {
    /// Attaches to a container's standard streams; one that does not run yet is waited for.
    pub async fn attach_container(&self, name: &str, options: &AttachOptions) -> Result<Attached> {
        let container = self.container(name).await?;
        let keys = options.detach_keys.as_deref().unwrap_or_default();
        let keys = Keys::parse(keys)?;
        let turn = container.turn().await;
        let record = container.record();
        let tty = record.config.tty;
        let input = options.stdin && record.config.open_stdin;
        let failed = |cause| Error::io("make a pair of sockets", cause);
        let stream = match container.condition().phase {
            Phase::Paused => {
                return Err(Error::conflict(format!(
                    "container {} is paused, unpause the container before attach",
                    container.id
                )));
            }
            Phase::Removing | Phase::Removed => return Err(Error::no_such_container(name)),
            Phase::Running => {
                let shim = container
                    .shim()
                    .ok_or_else(|| Error::not_running(container.id))?;
                let attached = shim.attach(input, options.stdout, options.stderr).await;
                attached.map_err(|error| {
                    Error::internal(format!(
                        "attach to container {}: {}",
                        container.id,
                        crate::error::with_causes(&error)
                    ))
                })?
            }
            Phase::Created | Phase::Restarting | Phase::Exited => {
                let (ours, waiting) = StdStream::pair().map_err(failed)?;
                container.wait_with(WaitingClient {
                    stream: waiting,
                    stdin: input,
                    stdout: options.stdout,
                    stderr: options.stderr,
                })?;
                ours.set_nonblocking(true).map_err(failed)?;
                UnixStream::from_std(ours).map_err(failed)?
            }
        };
        drop(turn);
        self.container_event(&container, "attach", []);
        Ok(Attached::new(stream, tty, input, tty.then_some(keys)))
    }
}

impl Container {
    fn wait_with(&self, client: WaitingClient) -> Result<()> {
        let mut waiting = self
            .waiting_clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.retain(WaitingClient::is_there);
        if waiting.len() >= MOST_WAITING {
            return Err(Error::unavailable(format!(
                "too many clients wait for container {} to start",
                self.id
            )));
        }
        waiting.push(client);
        Ok(())
    }
}

impl WaitingClient {
    /// Whether the other end of its socket is still open. It may have sent something already.
    fn is_there(&self) -> bool {
        let mut waiting = [rustix::event::PollFd::new(
            &self.stream,
            rustix::event::PollFlags::empty(),
        )];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        match rustix::event::poll(&mut waiting, Some(&now)) {
            Ok(_) => !waiting[0].revents().contains(rustix::event::PollFlags::HUP),
            Err(_) => true,
        }
    }
}

/// The standard streams of a container, or of a further program in one, in a client's hands.
#[derive(Debug)]
pub struct Attached {
    stream: UnixStream,
    raw: bool,
    /// Whether what comes from a terminal is to go out in frames.
    framed: bool,
    keys: Option<Keys>,
    input: bool,
}

impl Attached {
    pub(super) fn new(stream: UnixStream, raw: bool, input: bool, keys: Option<Keys>) -> Self {
        Self {
            stream,
            raw,
            framed: false,
            keys,
            input,
        }
    }

    /// For a client that wants frames although there is a terminal.
    pub(super) fn in_frames(self) -> Self {
        let framed = self.raw;
        Self { framed, ..self }
    }

    /// Whether output comes as it is, because there is a terminal. Else it comes in Docker's frames.
    pub fn is_raw(&self) -> bool {
        self.raw && !self.framed
    }

    /// The streams themselves, for whoever copies on its own. The end of what is written ends the input.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Copies between the streams and a client until the output ends, the client is gone, or the client detaches
    /// by its keys. The end of the client's input ends the input only.
    pub async fn serve<C>(self, client: C) -> std::io::Result<()>
    where
        C: AsyncRead + AsyncWrite,
    {
        let Self {
            stream,
            keys,
            input,
            framed,
            ..
        } = self;
        let (from_client, to_client) = tokio::io::split(client);
        let (from_container, to_container) = stream.into_split();
        let output = copy_output(from_container, to_client, framed);
        let input = async {
            if input {
                copy_input(from_client, to_container, keys).await
            } else {
                // The writing half stays open: its end would look like the client going away.
                let _to_container = to_container;
                until_gone(from_client).await
            }
        };
        tokio::pin!(output, input);
        tokio::select! {
            done = &mut output => done,
            ended = &mut input => match ended {
                Ok(Ended::Input) => output.await,
                Ok(Ended::Detached) => Ok(()),
                Err(error) => Err(error),
            },
        }
    }
}

/// Why nothing more comes from a client.
enum Ended {
    /// It said that this was all; output goes on.
    Input,
    /// It pressed the keys to leave.
    Detached,
}

async fn copy_output(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    framed: bool,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        if framed {
            let [high, second, third, low] = u32::try_from(length).unwrap_or(0).to_be_bytes();
            let header = [STDOUT, 0, 0, 0, high, second, third, low];
            to.write_all(&header).await?;
        }
        to.write_all(&piece[..length]).await?;
        to.flush().await?;
    }
}

async fn copy_input(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut keys: Option<Keys>,
) -> std::io::Result<Ended> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            // The container may have closed its side already.
            drop(to.shutdown().await);
            return Ok(Ended::Input);
        }
        match &mut keys {
            None => {
                if to.write_all(&piece[..length]).await.is_err() {
                    return until_gone(from).await;
                }
            }
            Some(keys) => {
                let (pass, detached) = keys.scan(&piece[..length]);
                if to.write_all(&pass).await.is_err() {
                    return until_gone(from).await;
                }
                if detached {
                    return Ok(Ended::Detached);
                }
            }
        }
    }
}

/// Reads what nobody wants until there is no more.
async fn until_gone(mut from: impl AsyncRead + Unpin) -> std::io::Result<Ended> {
    let mut piece = vec![0; 4096];
    while from.read(&mut piece).await? != 0 {}
    Ok(Ended::Input)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::Attached;
    use crate::container::detach::Keys;

    #[tokio::test]
    async fn input_ends_and_output_goes_on() {
        let (ours, mut container) = UnixStream::pair().unwrap();
        let (mut client, server) = tokio::io::duplex(64);
        let serving = tokio::spawn(Attached::new(ours, false, true, None).serve(server));
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut input = Vec::new();
        container.read_to_end(&mut input).await.unwrap();
        assert_eq!(input, b"hello");
        container.write_all(b"answer").await.unwrap();
        drop(container);
        let mut output = Vec::new();
        client.read_to_end(&mut output).await.unwrap();
        assert_eq!(output, b"answer");
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_keys_detach() {
        let (ours, mut container) = UnixStream::pair().unwrap();
        let (mut client, server) = tokio::io::duplex(64);
        let keys = Keys::parse("ctrl-p,ctrl-q").unwrap();
        let serving = tokio::spawn(Attached::new(ours, true, true, Some(keys)).serve(server));
        client.write_all(b"a\x10").await.unwrap();
        client.write_all(b"\x11b").await.unwrap();
        serving.await.unwrap().unwrap();
        let mut input = Vec::new();
        container.read_to_end(&mut input).await.unwrap();
        assert_eq!(input, b"a");
    }
}
