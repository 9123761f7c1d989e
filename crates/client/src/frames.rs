//! Docker's multiplexed stream: standard output and error of a container without a terminal, in frames of an
//! eight-byte header and a payload.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::Error;

/// How much is read at once. A frame may be longer; it is then handed on in pieces, so a frame's length costs
/// no memory.
const READ_SIZE: usize = 64 * 1024;

/// Which of a container's streams bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output, and all of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
    /// What the engine itself has to say of the stream: an error.
    System,
}

/// Some bytes of one of the streams: a frame, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where they belong.
    pub source: Source,
    /// The bytes, never none.
    pub bytes: Bytes,
}

/// Takes a stream apart into frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    buffer: BytesMut,
    /// The source and the number of bytes still to come of the frame that is being read.
    current: Option<(Source, usize)>,
    raw: bool,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// For a multiplexed stream.
    pub fn multiplexed(reader: R) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            current: None,
            raw: false,
        }
    }

    /// For the stream of a terminal, which has no frames: all of it is standard output.
    pub fn raw(reader: R) -> Self {
        Self {
            raw: true,
            ..Self::multiplexed(reader)
        }
    }

    /// The next bytes, or nothing at the stream's end. A stream that ends within a frame just ends: the
    /// container did.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(frame) = self.ready()? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(READ_SIZE);
            let count = self
                .reader
                .read_buf(&mut self.buffer)
                .await
                .map_err(Error::Body)?;
            if count == 0 {
                return Ok(None);
            }
        }
    }

    /// The next bytes that have come already; nothing where it would have to be waited for them.
    pub fn ready(&mut self) -> Result<Option<Frame>, Error> {
        if self.raw {
            let bytes = self.buffer.split().freeze();
            let source = Source::Stdout;
            return Ok((!bytes.is_empty()).then_some(Frame { source, bytes }));
        }
        loop {
            let (source, left) = match self.current {
                Some(current) => current,
                None => match self.buffer.first_chunk::<8>() {
                    None => return Ok(None),
                    Some(header) => {
                        let current = header_of(*header)?;
                        self.buffer.advance(8);
                        current
                    }
                },
            };
            if left == 0 {
                self.current = None;
                continue;
            }
            self.current = Some((source, left));
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let bytes = self.buffer.split_to(left.min(self.buffer.len())).freeze();
            let left = left - bytes.len();
            self.current = (left > 0).then_some((source, left));
            return Ok(Some(Frame { source, bytes }));
        }
    }
}

fn header_of(header: [u8; 8]) -> Result<(Source, usize), Error> {
    let source = match header[0] {
        // Zero is standard input, which an engine sends where it means its output.
        0 | 1 => Source::Stdout,
        2 => Source::Stderr,
        3 => Source::System,
        _ => return Err(Error::Frame { header }),
    };
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let length = usize::try_from(length).map_err(|_| Error::Frame { header })?;
    Ok((source, length))
}

#[cfg(test)]
mod tests {
    use super::{FrameReader, Source};

    fn read(reader: FrameReader<&[u8]>) -> Result<Vec<(Source, String)>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut reader = reader;
            let mut frames = Vec::new();
            while let Some(frame) = reader.next().await.map_err(|error| error.to_string())? {
                frames.push((
                    frame.source,
                    String::from_utf8(frame.bytes.to_vec()).unwrap(),
                ));
            }
            Ok(frames)
        })
    }

    #[test]
    fn frames_are_told_apart() {
        let bytes = b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x03no\n";
        let frames = read(FrameReader::multiplexed(&bytes[..])).unwrap();
        assert_eq!(
            frames,
            [
                (Source::Stdout, "hi".to_owned()),
                (Source::Stderr, "no\n".to_owned())
            ]
        );
    }

    #[test]
    fn a_stream_may_end_within_a_frame() {
        let frames = read(FrameReader::multiplexed(
            &b"\x01\0\0\0\xff\xff\xff\xffhi"[..],
        ))
        .unwrap();
        assert_eq!(frames, [(Source::Stdout, "hi".to_owned())]);
        assert!(
            read(FrameReader::multiplexed(&b"\x01\0\0"[..]))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn no_frame_is_an_error_and_a_terminal_has_none() {
        assert!(read(FrameReader::multiplexed(&b"Hello, world"[..])).is_err());
        let frames = read(FrameReader::raw(&b"Hello"[..])).unwrap();
        assert_eq!(frames, [(Source::Stdout, "Hello".to_owned())]);
    }
}
