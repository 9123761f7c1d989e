//! A body of random bytes, made as the client takes them: a large `n` costs no more memory than a small
//! one. It must never repeat a byte sequence between answers; every chunk comes from the kernel.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The most bytes made at once.
const CHUNK: usize = 16 * 1024;

/// So many random bytes, and not one more.
pub(super) struct RandomBytes {
    left: u64,
}

impl RandomBytes {
    pub(super) fn new(count: u64) -> Self {
        Self { left: count }
    }
}

impl Body for RandomBytes {
    type Data = Bytes;
    type Error = getrandom::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, getrandom::Error>>> {
        let size = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        if size == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = vec![0; size];
        if let Err(error) = getrandom::fill(&mut chunk) {
            return Poll::Ready(Some(Err(error)));
        }
        self.left -= size as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
