//! Answers, and how they are written in both versions of the protocol. Pure; the bytes are the protocol
//! crate's business, never this module's.

use std::collections::HashMap;

use bytes::BytesMut;
use redis_protocol::error::RedisProtocolError;
use redis_protocol::resp2::types::BytesFrame as Frame2;
use redis_protocol::resp3::types::BytesFrame as Frame3;

/// An answer, whatever the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Simple(&'static str),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
}

/// The version that a connection speaks; RESP2 until it asks for the other with `HELLO 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Resp2,
    Resp3,
}

impl Reply {
    pub(super) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Appends the answer to what is to be sent.
    pub(super) fn encode(
        self,
        version: Version,
        output: &mut BytesMut,
    ) -> Result<(), RedisProtocolError> {
        match version {
            Version::Resp2 => {
                redis_protocol::resp2::encode::extend_encode(output, &self.resp2(), false)?
            }
            Version::Resp3 => redis_protocol::resp3::encode::complete::extend_encode(
                output,
                &self.resp3(),
                false,
            )?,
        };
        Ok(())
    }

    fn resp2(self) -> Frame2 {
        match self {
            Self::Simple(text) => Frame2::SimpleString(text.into()),
            Self::Error(text) => Frame2::Error(text.into()),
            Self::Integer(number) => Frame2::Integer(number),
            Self::Bulk(bytes) => Frame2::BulkString(bytes.into()),
            Self::Null => Frame2::Null,
            Self::Array(items) => Frame2::Array(items.into_iter().map(Self::resp2).collect()),
            Self::Map(pairs) => {
                let flat = pairs
                    .into_iter()
                    .flat_map(|(key, value)| [key.resp2(), value.resp2()]);
                Frame2::Array(flat.collect())
            }
        }
    }

    fn resp3(self) -> Frame3 {
        let attributes = None;
        match self {
            Self::Simple(text) => Frame3::SimpleString {
                data: text.into(),
                attributes,
            },
            Self::Error(text) => Frame3::SimpleError {
                data: text.into(),
                attributes,
            },
            Self::Integer(data) => Frame3::Number { data, attributes },
            Self::Bulk(bytes) => Frame3::BlobString {
                data: bytes.into(),
                attributes,
            },
            Self::Null => Frame3::Null,
            Self::Array(items) => Frame3::Array {
                data: items.into_iter().map(Self::resp3).collect(),
                attributes,
            },
            Self::Map(pairs) => Frame3::Map {
                data: pairs
                    .into_iter()
                    .map(|(key, value)| (key.resp3(), value.resp3()))
                    .collect::<HashMap<_, _>>(),
                attributes,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: Reply, resp2: &str, resp3: &str) {
        for (version, expect) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut output = BytesMut::new();
            reply.clone().encode(version, &mut output).unwrap();
            assert_eq!(output, expect.as_bytes(), "{reply:?} as {version:?}");
        }
    }

    #[test]
    fn both_versions() {
        check(Reply::Simple("OK"), "+OK\r\n", "+OK\r\n");
        check(Reply::Null, "$-1\r\n", "_\r\n");
        check(
            Reply::Bulk(b"a\r\nb".to_vec()),
            "$4\r\na\r\nb\r\n",
            "$4\r\na\r\nb\r\n",
        );
        check(Reply::Error("ERR no".into()), "-ERR no\r\n", "-ERR no\r\n");
        let pair = (Reply::Bulk(b"k".to_vec()), Reply::Integer(-1));
        check(
            Reply::Map(vec![pair]),
            "*2\r\n$1\r\nk\r\n:-1\r\n",
            "%1\r\n$1\r\nk\r\n:-1\r\n",
        );
        check(Reply::Array(vec![]), "*0\r\n", "*0\r\n");
    }
}
