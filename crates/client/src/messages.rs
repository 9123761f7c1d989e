//! A body that is one JSON value after another: progress, events, statistics.

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;

use crate::answer::BodyReader;
use crate::error::Error;

/// No message is nearly as long; one that is would only fill our memory.
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Messages {
    reader: BodyReader,
    buffer: BytesMut,
    path: String,
    ended: bool,
}

impl Messages {
    pub(crate) fn new(reader: BodyReader, path: String) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            path,
            ended: false,
        }
    }

    /// The next value, or nothing at the end.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        loop {
            match first_value(&self.buffer, self.ended) {
                Ok(Some((value, length))) => {
                    self.buffer.advance(length);
                    return Ok(Some(value));
                }
                Ok(None) if self.ended => return Ok(None),
                Ok(None) => {}
                Err(source) => {
                    let path = self.path.clone();
                    return Err(Error::Json { path, source });
                }
            }
            if self.buffer.len() > MESSAGE_LIMIT {
                return Err(Error::TooLong {
                    path: self.path.clone(),
                    limit: MESSAGE_LIMIT,
                });
            }
            let count = self
                .reader
                .read_buf(&mut self.buffer)
                .await
                .map_err(Error::Body)?;
            self.ended = count == 0;
        }
    }
}

/// The first value in `bytes` and how long it is, or nothing if more is needed to know.
fn first_value<T: DeserializeOwned>(
    bytes: &[u8],
    ended: bool,
) -> Result<Option<(T, usize)>, serde_json::Error> {
    // A value ends with its line nearly always: do not parse a long one again for each piece of it.
    let complete = ended || bytes.iter().any(|byte| matches!(byte, b'\n' | b'}'));
    if !complete {
        return Ok(None);
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    match values.next() {
        None => Ok(None),
        Some(Ok(value)) => {
            let length = values.byte_offset();
            Ok(Some((value, length)))
        }
        Some(Err(error)) if error.is_eof() && !ended => Ok(None),
        Some(Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::first_value;

    #[track_caller]
    fn check(bytes: &str, ended: bool, expect: Option<(Value, usize)>) {
        assert_eq!(first_value(bytes.as_bytes(), ended).unwrap(), expect);
    }

    #[test]
    fn values_are_taken_when_they_are_whole() {
        check("", false, None);
        check("\r\n", true, None);
        check("{\"a\":", false, None);
        check("{\"a\":{\"b\":1}", false, None);
        check("{\"a\":1}\r\n{", false, Some((json!({"a": 1}), 7)));
        check("\r\n{\"a\":1}{\"b\":2}", false, Some((json!({"a": 1}), 9)));
    }

    #[test]
    fn half_a_value_at_the_end_is_an_error() {
        assert!(first_value::<Value>(b"{\"a\":", true).is_err());
        assert!(first_value::<Value>(b"<html>\n", false).is_err());
    }
}
