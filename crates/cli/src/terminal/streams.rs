//! A container's streams joined to ours, until the container's end, the connection's, or the detach keys.

use std::io;

use bytes::Bytes;
use client::{Frame, FrameReader, Hijacked, Source, WriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Stderr, Stdout};
use tokio::sync::mpsc;

use super::detach::{Typed, Watch};
use super::input;
use crate::failure::Failure;
use crate::output;

/// Whether a container has a terminal: then its stream has no frames, and keys may detach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Terminal,
    Frames,
}

/// What is joined.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) form: Form,
    /// The keys that detach; none where nothing is typed.
    pub(crate) detach_keys: Vec<u8>,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The container's output has ended.
    Output,
    /// The user left.
    Detached,
}

/// Copies both ways until one of the ends.
pub(crate) async fn join(connection: Hijacked, joined: Joined) -> Result<End, Failure> {
    let (reader, writer) = tokio::io::split(connection);
    let output = copy_output(reader, joined.form, joined.stdout, joined.stderr);
    if !joined.stdin {
        // The other half stays open: closing it may look like a client that has gone.
        let ended = output.await;
        drop(writer);
        return ended.map(|()| End::Output);
    }
    let input = copy_input(writer, Watch::new(joined.detach_keys));
    tokio::pin!(output, input);
    tokio::select! {
        ended = &mut output => ended.map(|()| End::Output),
        ended = &mut input => match ended? {
            InputEnd::Detached => Ok(End::Detached),
            // What is typed has ended or is not wanted any more; what is shown goes on.
            InputEnd::Closed(kept) => {
                let ended = output.await;
                drop(kept);
                ended.map(|()| End::Output)
            }
        },
    }
}

/// Shows a stream, in frames or not.
pub(crate) async fn copy_output(
    reader: impl AsyncRead + Unpin,
    form: Form,
    stdout: bool,
    stderr: bool,
) -> Result<(), Failure> {
    let mut frames = match form {
        Form::Terminal => FrameReader::raw(reader),
        Form::Frames => FrameReader::multiplexed(reader),
    };
    let mut outputs = Outputs::new();
    while let Some(frame) = frames.next().await? {
        let mut frame = Some(frame);
        // What has come already is written together: a log is many short lines.
        while let Some(Frame { source, bytes }) = frame {
            match source {
                Source::Stdout if stdout => outputs.add(To::Stdout, &bytes).await?,
                Source::Stderr if stderr => outputs.add(To::Stderr, &bytes).await?,
                Source::Stdout | Source::Stderr => {}
                Source::System => {
                    outputs.write().await?;
                    let said = String::from_utf8_lossy(&bytes).trim().to_owned();
                    return Err(Failure::message(format!(
                        "error from daemon in stream: {said}"
                    )));
                }
            }
            frame = frames.ready()?;
        }
        outputs.write().await?;
    }
    Ok(())
}

enum InputEnd {
    Detached,
    /// The writing half, shut, kept so that the connection stays.
    Closed(WriteHalf),
}

async fn copy_input(mut writer: WriteHalf, mut watch: Watch) -> Result<InputEnd, Failure> {
    let mut pieces: mpsc::Receiver<io::Result<Bytes>> = input::pieces();
    while let Some(piece) = pieces.recv().await {
        let piece = piece.map_err(|error| Failure::caused("reading standard input", &error))?;
        let (bytes, detached) = match watch.take(&piece) {
            Typed::Pass(bytes) => (bytes, false),
            Typed::Detach(bytes) => (bytes, true),
        };
        let written = writer.write_all(&bytes).await;
        if detached {
            return Ok(InputEnd::Detached);
        }
        // Nobody reads it any more: the container closed its input or ended. Its output tells.
        if written.and(writer.flush().await).is_err() {
            return Ok(InputEnd::Closed(writer));
        }
    }
    let _shut = writer.shutdown().await;
    Ok(InputEnd::Closed(writer))
}

/// How much is gathered before it is written.
const GATHERED: usize = 256 * 1024;

/// One of our two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Stdout,
    Stderr,
}

/// Our two outputs, written in the order in which bytes came, and without holding up what is read.
struct Outputs {
    stdout: Stdout,
    stderr: Stderr,
    gathered: Vec<u8>,
    to: To,
}

impl Outputs {
    fn new() -> Self {
        Self {
            stdout: tokio::io::stdout(),
            stderr: tokio::io::stderr(),
            gathered: Vec::new(),
            to: To::Stdout,
        }
    }

    async fn add(&mut self, to: To, bytes: &[u8]) -> Result<(), Failure> {
        if self.to != to || self.gathered.len() >= GATHERED {
            self.write().await?;
            self.to = to;
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Failure> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let written = match self.to {
            To::Stdout => written(&mut self.stdout, &self.gathered).await,
            To::Stderr => written(&mut self.stderr, &self.gathered).await,
        };
        self.gathered.clear();
        written.map_err(|error| output::output_failed(&error))
    }
}

async fn written(output: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes).await?;
    output.flush().await
}
