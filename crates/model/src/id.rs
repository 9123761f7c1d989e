//! Typed ids of the cluster's objects.
//!
//! Swarm writes an id as 25 characters of base 36. In memory it is the 128-bit number behind them: a quarter
//! of the size, and ordered as the text is. Ids are never made here; whoever owns the randomness hands the
//! number in.

use std::fmt;
use std::num::NonZeroU128;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many characters an id has: 36^25 is the first power of 36 that holds 128 bits.
const TEXT_LENGTH: usize = 25;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 25 lower-case letters and digits: {text:?}")]
pub struct InvalidId {
    /// The text, as it was given.
    pub text: String,
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU128);

        impl $name {
            /// The id for `number`, of which every value is a valid one; zero counts as one.
            pub const fn from_number(number: u128) -> Self {
                match NonZeroU128::new(number) {
                    Some(number) => Self(number),
                    None => Self(NonZeroU128::MIN),
                }
            }

            /// The number behind the text.
            pub const fn number(self) -> u128 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(text_of(self.number(), &mut [0; TEXT_LENGTH]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                number_of(text)
                    .and_then(NonZeroU128::new)
                    .map(Self)
                    .ok_or_else(|| InvalidId { text: text.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(text_of(self.number(), &mut [0; TEXT_LENGTH]))
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

typed_ids! {
    /// Names a cluster.
    ClusterId;
    /// Names a config: a file that services read.
    ConfigId;
    /// Names a network of the cluster.
    NetworkId;
    /// Names a node: an engine that is a member of the cluster.
    NodeId;
    /// Names a secret: a file that services read and nobody else.
    SecretId;
    /// Names a service.
    ServiceId;
    /// Names a task: one attempt to run one unit of a service on one node.
    TaskId;
    /// Names a volume of the cluster.
    VolumeId;
}

fn text_of(mut number: u128, buffer: &mut [u8; TEXT_LENGTH]) -> &str {
    for place in buffer.iter_mut().rev() {
        let digit = usize::try_from(number % 36).expect("a base 36 digit is below 36");
        *place = DIGITS[digit];
        number /= 36;
    }
    std::str::from_utf8(buffer).expect("base 36 digits are ASCII")
}

fn number_of(text: &str) -> Option<u128> {
    if text.len() != TEXT_LENGTH {
        return None;
    }
    text.bytes().try_fold(0_u128, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            _ => return None,
        };
        number.checked_mul(36)?.checked_add(u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::NodeId;

    #[track_caller]
    fn check(text: &str, expect: Option<u128>) {
        assert_eq!(
            text.parse::<NodeId>().ok().map(NodeId::number),
            expect,
            "{text}"
        );
    }

    #[test]
    fn an_id_is_25_base_36_digits() {
        check("0000000000000000000000001", Some(1));
        check("000000000000000000000000z", Some(35));
        check("f5lxx1zz5pnorynqglhzmsp33", Some(u128::MAX));
        check("f5lxx1zz5pnorynqglhzmsp34", None);
        check("zzzzzzzzzzzzzzzzzzzzzzzzz", None);
        check("0000000000000000000000000", None);
        check("000000000000000000000000A", None);
        check("1", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn text_and_number_are_the_same_id(number in any::<u128>()) {
            let id = NodeId::from_number(number);
            assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
        }

        #[test]
        fn ids_sort_as_their_text(one in any::<u128>(), other in any::<u128>()) {
            let (one, other) = (NodeId::from_number(one), NodeId::from_number(other));
            assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        }
    }
}
