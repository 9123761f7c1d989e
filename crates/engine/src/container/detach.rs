//! The keys that leave a container without ending it: `ctrl-p,ctrl-q`. Pure.

use crate::error::{Error, Result};

/// What is pressed when a client says nothing else.
const DEFAULT: [u8; 2] = [0x10, 0x11];

/// Looks for the keys in what a client types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    sequence: Vec<u8>,
    pressed: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            sequence: DEFAULT.to_vec(),
            pressed: 0,
        }
    }
}

impl Keys {
    /// Reads `ctrl-p,ctrl-q`, `a,b`; an empty text is the default.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let invalid = |key: &str| {
            Error::bad_parameter(format!(
                "Invalid detach keys ({text}) provided: unknown key {key:?}"
            ))
        };
        let sequence: Result<Vec<u8>> = text
            .split(',')
            .map(|key| code(key).ok_or_else(|| invalid(key)))
            .collect();
        Ok(Self {
            sequence: sequence?,
            pressed: 0,
        })
    }

    /// What of `typed` goes to the container, and whether the keys were pressed.
    pub(super) fn scan(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut pass = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte == self.sequence[self.pressed] {
                self.pressed += 1;
                if self.pressed == self.sequence.len() {
                    return (pass, true);
                }
                continue;
            }
            // What was held back was not the keys after all.
            pass.extend_from_slice(&self.sequence[..self.pressed]);
            self.pressed = usize::from(byte == self.sequence[0]);
            if self.pressed == 0 {
                pass.push(byte);
            }
        }
        (pass, false)
    }
}

fn code(key: &str) -> Option<u8> {
    if let [only] = key.as_bytes() {
        return only.is_ascii().then_some(*only);
    }
    match key.strip_prefix("ctrl-")?.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        [b'@'] => Some(0),
        [b'['] => Some(27),
        [b'\\'] => Some(28),
        [b']'] => Some(29),
        [b'^'] => Some(30),
        [b'_'] => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[track_caller]
    fn check(keys: &str, typed: &[&[u8]], expect: (&[u8], bool)) {
        let mut keys = Keys::parse(keys).unwrap();
        let (mut all, mut left) = (Vec::new(), false);
        for piece in typed {
            let (pass, detached) = keys.scan(piece);
            all.extend(pass);
            left |= detached;
        }
        assert_eq!((all.as_slice(), left), expect);
    }

    #[test]
    fn keys_are_found_across_pieces() {
        check("", &[b"ab\x10\x11c"], (b"ab", true));
        check("", &[b"ab\x10", b"\x11"], (b"ab", true));
        check("", &[b"ab\x10", b"c\x11"], (b"ab\x10c\x11", false));
        check("", &[b"\x10\x10\x11"], (b"\x10", true));
        check("a,b", &[b"aab"], (b"a", true));
        check("ctrl-]", &[b"x\x1d"], (b"x", true));
    }

    #[test]
    fn unknown_keys_are_refused() {
        for text in ["ctrl-", "ctrl-1", "ab", ",", "ctrl-p,", "é"] {
            assert!(Keys::parse(text).is_err(), "{text}");
        }
    }
}
