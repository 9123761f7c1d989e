//! The keys that leave a container's terminal without ending anything.

/// What is pressed when the client asks for nothing else: Ctrl-P, Ctrl-Q.
const DEFAULT: [u8; 2] = [16, 17];

/// A text that names no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unknown character: '{key}'")]
pub(crate) struct InvalidKeys {
    key: String,
}

/// Finds the keys in what is typed, over the bounds of what is read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detector {
    keys: Vec<u8>,
    matched: usize,
}

/// What [`Detector::feed`] made of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    /// What goes on to the container.
    pub(crate) onward: Vec<u8>,
    /// Whether the keys were pressed.
    pub(crate) detached: bool,
}

impl Detector {
    /// One that finds the keys written as `ctrl-p,ctrl-q` or `a,b`; nothing written is the default.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, InvalidKeys> {
        let keys = match text.filter(|text| !text.is_empty()) {
            None => DEFAULT.to_vec(),
            Some(text) => text.split(',').map(key).collect::<Result<_, _>>()?,
        };
        Ok(Self { keys, matched: 0 })
    }

    /// Takes what was typed; keys that may yet be the beginning of the sequence are kept back.
    pub(crate) fn feed(&mut self, typed: &[u8]) -> Fed {
        let mut onward = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return Fed {
                        onward,
                        detached: true,
                    };
                }
                continue;
            }
            onward.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(byte == self.keys[0]);
            if self.matched == 0 {
                onward.push(byte);
            }
        }
        Fed {
            onward,
            detached: false,
        }
    }

    /// What was kept back, when nothing more comes.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.keys[..self.matched]
    }
}

fn key(name: &str) -> Result<u8, InvalidKeys> {
    let invalid = || InvalidKeys {
        key: name.to_owned(),
    };
    match name.as_bytes() {
        [byte] => Ok(*byte),
        [b'c', b't', b'r', b'l', b'-', byte] => match byte {
            b'a'..=b'z' => Ok(*byte - b'a' + 1),
            b'@' => Ok(0),
            b'[' => Ok(27),
            b'\\' => Ok(28),
            b']' => Ok(29),
            b'^' => Ok(30),
            b'_' => Ok(31),
            _ => Err(invalid()),
        },
        b"DEL" => Ok(127),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Detector, Fed};

    #[track_caller]
    fn check(keys: Option<&str>, pieces: &[&str], onward: &str, detached: bool) {
        let mut detector = Detector::parse(keys).unwrap();
        let mut sent = Vec::new();
        let mut found = false;
        for piece in pieces {
            let Fed { onward, detached } = detector.feed(piece.as_bytes());
            sent.extend(onward);
            found |= detached;
        }
        if !found {
            sent.extend(detector.rest());
        }
        assert_eq!(
            (String::from_utf8(sent).unwrap().as_str(), found),
            (onward, detached)
        );
    }

    #[test]
    fn keys_are_found_over_bounds() {
        check(None, &["ls\n", "\u{10}", "\u{11}more"], "ls\n", true);
        check(None, &["\u{10}\u{10}\u{11}"], "\u{10}", true);
        check(None, &["\u{10}a"], "\u{10}a", false);
        check(None, &["\u{10}"], "\u{10}", false);
        check(Some("a,b,c"), &["abd", "abc"], "abd", true);
        check(Some("ctrl-a"), &["x\u{1}y"], "x", true);
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = Detector::parse(Some("ctrl-p,ctrl-7")).unwrap_err();
        assert_eq!(error.to_string(), "Unknown character: 'ctrl-7'");
        assert!(Detector::parse(Some("a,,b")).is_err());
    }
}
