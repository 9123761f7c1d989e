//! Docker's frames: standard output and error over one stream, each piece after a header of eight bytes.

use bytes::{BufMut, Bytes, BytesMut};

/// Which of the two a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// `content` after its header.
pub(crate) fn frame(source: Source, content: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(8 + content.len());
    bytes.put_u8(match source {
        Source::Output => 1,
        Source::Error => 2,
    });
    bytes.put_bytes(0, 3);
    bytes.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    bytes.put_slice(content);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_frame_tells_source_and_length() {
        let frame = super::frame(super::Source::Error, b"hi");
        assert_eq!(&frame[..], b"\x02\0\0\0\0\0\0\x02hi");
    }
}
