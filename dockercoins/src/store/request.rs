//! Requests out of a stream of bytes, and back: what connections and the journal have in common. Pure; it
//! must never know which commands there are.

use bytes::{Buf, BytesMut};
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

use super::command::Bytes;
use super::framing::{Frame, FramingError, frame};
use super::reply::{Reply, Version};

/// Takes the next whole request from the buffer's beginning; none if more bytes are needed. A request may
/// be empty, which asks for nothing.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, FramingError> {
    match frame(buffer)? {
        Frame::Incomplete => Ok(None),
        Frame::Line(length) => {
            let line = buffer.split_to(length);
            let words = line[..]
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty());
            Ok(Some(words.map(<[u8]>::to_vec).collect()))
        }
        Frame::Request(length) => {
            let decoded = decode(&buffer[..length]);
            buffer.advance(length);
            let Ok(Some((OwnedFrame::Array(strings), _))) = decoded else {
                return Err(FramingError::NotAString);
            };
            let string = |frame| match frame {
                OwnedFrame::BulkString(string) => Ok(string),
                _ => Err(FramingError::NotAString),
            };
            strings
                .into_iter()
                .map(string)
                .collect::<Result<_, _>>()
                .map(Some)
        }
    }
}

/// Appends a request as a client sends it.
pub(super) fn put(
    request: Vec<Bytes>,
    output: &mut BytesMut,
) -> Result<(), redis_protocol::error::RedisProtocolError> {
    Reply::Array(request.into_iter().map(Reply::Bulk).collect()).encode(Version::Resp2, output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[&str]) -> Vec<Bytes> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn lines_and_arrays_one_after_the_other() {
        let mut buffer = BytesMut::from("  get  a\r\n*1\r\n$4\r\nPING\r\n\r\n*1\r\n");
        assert_eq!(take(&mut buffer).unwrap().unwrap(), words(&["get", "a"]));
        assert_eq!(take(&mut buffer).unwrap().unwrap(), words(&["PING"]));
        assert_eq!(take(&mut buffer).unwrap().unwrap(), words(&[]));
        assert_eq!(take(&mut buffer).unwrap(), None);
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(request in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8)) {
            let mut buffer = BytesMut::new();
            put(request.clone(), &mut buffer).unwrap();
            prop_assert_eq!(take(&mut buffer).unwrap().unwrap(), request);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(prop_oneof![
            Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9', any::<u8>()
        ], 0..80)) {
            let mut buffer = BytesMut::from(bytes.as_slice());
            while let Ok(Some(_)) = take(&mut buffer) {}
        }
    }
}
