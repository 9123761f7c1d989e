//! What blocks, as a stream: a thread writes, the client reads, and neither runs away from the other.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::sync::mpsc;

/// How much is gathered before it goes to the client.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks wait for a slow client at most.
const CHUNKS_WAITING: usize = 4;

/// What `write` writes, on a thread of its own, as far as it is read. An error it ends with is the last item; when
/// the stream is dropped, the next write fails.
pub(crate) fn written(
    write: impl FnOnce(&mut Target) -> io::Result<()> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    drop(tokio::task::spawn_blocking(move || {
        let mut target = Target {
            sender: sender.clone(),
            buffer: BytesMut::new(),
        };
        let done = write(&mut target).and_then(|()| target.flush());
        if let Err(error) = done {
            // Nobody is there to hear it if it is because the client has gone.
            sender.blocking_send(Err(error)).ok();
        }
    }));
    of_receiver(receiver)
}

/// What comes out of a channel.
pub(crate) fn of_receiver<T: Send>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send {
    futures_util::stream::unfold(receiver, async |mut receiver| {
        let item = receiver.recv().await?;
        Some((item, receiver))
    })
}

/// Where a thread writes to.
pub(crate) struct Target {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        let sent = self.sender.blocking_send(Ok(chunk));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};

    use futures_util::StreamExt as _;

    use super::written;

    #[tokio::test]
    async fn what_is_written_is_read_with_the_error_last() {
        let stream = written(|target| {
            for _ in 0..100 {
                target.write_all(&[7; 5_000])?;
            }
            target.flush()?;
            Err(io::Error::other("broken"))
        });
        let items: Vec<_> = stream.collect().await;
        let (last, chunks) = items.split_last().unwrap();
        assert_eq!(last.as_ref().unwrap_err().to_string(), "broken");
        let length: usize = chunks
            .iter()
            .map(|chunk| chunk.as_ref().unwrap().len())
            .sum();
        assert_eq!(length, 500_000);
    }

    #[tokio::test]
    async fn a_reader_that_goes_ends_the_writing() {
        let (told, ended) = tokio::sync::oneshot::channel();
        let stream = written(|target| {
            let ended = loop {
                if let Err(error) = target.write_all(&[0; 10_000]) {
                    break error.kind();
                }
            };
            told.send(ended).unwrap();
            Ok(())
        });
        drop(stream);
        assert_eq!(ended.await.unwrap(), io::ErrorKind::BrokenPipe);
    }
}
