//! A body that a thread of ours makes while it is sent: a build's context, an archive of files.

use std::io::{self, Write};

use bytes::Bytes;
use client::{Body, pieces_body};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Pieces on their way: what is not sent is not read.
const PIECES: usize = 8;
/// How large a piece is.
const PIECE: usize = 64 * 1024;

/// Why a body ends early.
#[derive(Debug)]
pub(super) enum Broken {
    /// Nobody takes it any more: the engine says why.
    NotTaken,
    /// It cannot be made.
    Failed(Failure),
}

/// A body, and why it ended early, if it did.
pub(super) struct Upload {
    pub(super) body: Body,
    pub(super) failure: std::sync::mpsc::Receiver<Failure>,
}

/// Starts a thread that makes a body. Where it fails, the body breaks off, so that no engine takes half of it for
/// a whole.
pub(super) fn start(
    work: impl FnOnce(&mut Pieces) -> Result<(), Broken> + Send + 'static,
) -> Result<Upload, Failure> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let (told_to, failure) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("upload".to_owned())
        .spawn(move || {
            let mut out = Pieces {
                sender,
                buffer: Vec::with_capacity(PIECE),
            };
            let outcome = work(&mut out).and_then(|()| out.flush().map_err(|_| Broken::NotTaken));
            if let Err(Broken::Failed(failure)) = outcome {
                let _told = told_to.send(failure);
                let broken = io::Error::other("what is sent could not be read to its end");
                let _broken = out.sender.blocking_send(Err(broken));
            }
        })
        .map_err(|error| Failure::caused("starting a thread", &error))?;
    Ok(Upload {
        body: pieces_body(receiver),
        failure,
    })
}

/// Where the body is written.
pub(super) struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(
            &mut self.buffer,
            Vec::with_capacity(PIECE),
        ));
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
