//! The keys that leave a container running and come back to the shell. Pure.

/// Docker's own.
pub(crate) const DEFAULT_KEYS: &str = "ctrl-p,ctrl-q";

/// Reads keys: `ctrl-p,ctrl-q`, `a`, `ctrl-@`.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>, String> {
    text.split(',')
        .map(|key| {
            let invalid = || format!("invalid detach keys ({text}): unknown character: '{key}'");
            match (key.strip_prefix("ctrl-"), key.as_bytes()) {
                (Some(letter), _) => match letter.as_bytes() {
                    [letter @ b'a'..=b'z'] => Ok(letter - b'a' + 1),
                    [b'@'] => Ok(0),
                    [symbol @ (b'[' | b'\\' | b']' | b'^' | b'_')] => Ok(symbol - b'@'),
                    _ => Err(invalid()),
                },
                (None, [byte]) if byte.is_ascii() => Ok(*byte),
                (None, _) => Err(invalid()),
            }
        })
        .collect()
}

/// Watches what is typed for the keys.
#[derive(Debug)]
pub(crate) struct Watch {
    keys: Vec<u8>,
    /// How many of the keys were typed in a row.
    matched: usize,
}

/// What becomes of something that was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It goes to the container, with what was held back before.
    Pass(Vec<u8>),
    /// The keys are complete; this is what was typed before them.
    Detach(Vec<u8>),
}

impl Watch {
    /// For these keys; with none nothing ever detaches.
    pub(crate) fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// Takes what was typed. The first keys of a sequence are held back until the next shows what they are.
    pub(crate) fn take(&mut self, typed: &[u8]) -> Typed {
        if self.keys.is_empty() {
            return Typed::Pass(typed.to_vec());
        }
        let mut passed = Vec::with_capacity(typed.len() + self.matched);
        for &byte in typed {
            if self.keys.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return Typed::Detach(passed);
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.matched]);
            self.matched = 0;
            if self.keys.first() == Some(&byte) {
                self.matched = 1;
            } else {
                passed.push(byte);
            }
        }
        Typed::Pass(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_KEYS, Typed, Watch, parse};

    #[test]
    fn keys_are_letters_and_control_letters() {
        assert_eq!(parse(DEFAULT_KEYS), Ok(vec![16, 17]));
        assert_eq!(parse("a,ctrl-@,ctrl-]"), Ok(vec![b'a', 0, 29]));
        assert!(parse("ctrl-").is_err());
        assert!(parse("ctrl-A").is_err());
        assert!(parse("ab").is_err());
    }

    #[track_caller]
    fn check(typed: &[&[u8]], passed: &[u8], detached: bool) {
        let mut watch = Watch::new(vec![16, 17]);
        let mut all = Vec::new();
        let mut end = false;
        for piece in typed {
            match watch.take(piece) {
                Typed::Pass(bytes) => all.extend(bytes),
                Typed::Detach(bytes) => {
                    all.extend(bytes);
                    end = true;
                }
            }
        }
        assert_eq!((all.as_slice(), end), (passed, detached));
    }

    #[test]
    fn the_keys_in_a_row_detach() {
        check(&[b"ls\n"], b"ls\n", false);
        check(&[b"ls\x10\x11"], b"ls", true);
        check(&[b"ls\x10", b"\x11"], b"ls", true);
        check(&[b"\x10", b"x"], b"\x10x", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
    }

    #[test]
    fn without_keys_nothing_detaches() {
        assert_eq!(
            Watch::new(Vec::new()).take(b"a\x10\x11"),
            Typed::Pass(b"a\x10\x11".to_vec())
        );
    }
}
