//! Digests computed.

use std::io::{self, Read, Write};

use model::digest::Digest;
use sha2::{Digest as _, Sha256};

/// The digest of these bytes.
pub(crate) fn of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Computes the digest and length of what is written or read through it.
#[derive(Debug, Clone)]
pub(crate) struct Hashing<S> {
    stream: S,
    hasher: Sha256,
    length: u64,
}

impl<S> Hashing<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            hasher: Sha256::new(),
            length: 0,
        }
    }

    /// The stream, and digest and length of what went through.
    pub(crate) fn finish(self) -> (S, Digest, u64) {
        let digest = Digest::from_bytes(self.hasher.finalize().into());
        (self.stream, digest, self.length)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
    }
}

impl<S: Write> Write for Hashing<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(bytes)?;
        self.count(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Read> Read for Hashing<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.count(&buffer[..count]);
        Ok(count)
    }
}
