//! The names people give to objects of the cluster.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A DNS label is no longer, and a service's name is one.
const MAX_LENGTH: usize = 63;

/// A name: letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, 63 at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// A text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "name {text:?} is not valid: 1 to 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"
)]
pub struct InvalidName {
    /// The text, as it was given.
    pub text: String,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let within = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let at_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let valid = bytes.len() <= MAX_LENGTH
            && bytes.iter().copied().all(within)
            && at_end(bytes.first())
            && at_end(bytes.last());
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName {
                text: text.to_owned(),
            })
        }
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Verdict {
        Valid,
        Invalid,
    }

    #[track_caller]
    fn check(text: &str, expect: Verdict) {
        let verdict = match text.parse::<Name>() {
            Ok(_) => Verdict::Valid,
            Err(_) => Verdict::Invalid,
        };
        assert_eq!(verdict, expect, "{text:?}");
    }

    #[test]
    fn names_are_dns_labels_and_a_little_more() {
        check("web", Verdict::Valid);
        check("a", Verdict::Valid);
        check("stack_web-1.b", Verdict::Valid);
        check(&"a".repeat(63), Verdict::Valid);
        check(&"a".repeat(64), Verdict::Invalid);
        check("", Verdict::Invalid);
        check("-web", Verdict::Invalid);
        check("web_", Verdict::Invalid);
        check("we b", Verdict::Invalid);
        check("été", Verdict::Invalid);
    }
}
