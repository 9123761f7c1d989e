//! Ids of one engine's own objects: 64 hexadecimal digits, as Docker writes them.
//!
//! In memory an id is the 32 bytes behind the digits. Ids are never made here; whoever owns the randomness
//! hands the bytes in.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many bytes are behind an id.
const BYTES: usize = 32;

/// How many digits of an id people are shown.
const SHORT: usize = 12;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A text that is not such an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 64 hexadecimal digits: {text:?}")]
pub struct InvalidHexId {
    /// The text, as it was given.
    pub text: String,
}

macro_rules! hex_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; BYTES]);

        impl $name {
            /// The id for these bytes, of which every value is a valid one.
            pub const fn from_bytes(bytes: [u8; BYTES]) -> Self {
                Self(bytes)
            }

            /// The first twelve digits, which is what people are shown.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(SHORT);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(text_of(&self.0, &mut [0; BYTES * 2]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidHexId;

            fn from_str(text: &str) -> Result<Self, InvalidHexId> {
                bytes_of(text)
                    .map(Self)
                    .ok_or_else(|| InvalidHexId { text: text.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(text_of(&self.0, &mut [0; BYTES * 2]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

hex_ids! {
    /// Names a container.
    ContainerId;
    /// Names one run of a further program in a container.
    ExecId;
}

fn text_of<'a>(bytes: &[u8; BYTES], buffer: &'a mut [u8; BYTES * 2]) -> &'a str {
    for (byte, pair) in bytes.iter().zip(buffer.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(buffer).expect("hexadecimal digits are ASCII")
}

fn bytes_of(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != BYTES * 2 {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (place, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *place = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::ContainerId;

    #[track_caller]
    fn check(text: &str, expect: bool) {
        assert_eq!(text.parse::<ContainerId>().is_ok(), expect, "{text}");
    }

    #[test]
    fn an_id_is_64_lower_case_hexadecimal_digits() {
        check(&"0".repeat(64), true);
        check(&"f".repeat(64), true);
        check(&"F".repeat(64), false);
        check(&"0".repeat(63), false);
        check(&"é".repeat(32), false);
        check("", false);
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_the_same_id(bytes in any::<[u8; 32]>()) {
            let id = ContainerId::from_bytes(bytes);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id.to_string().starts_with(&id.short()));
        }
    }
}
