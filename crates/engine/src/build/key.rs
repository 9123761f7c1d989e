//! The keys of the build cache: a digest of all that a step's result depends on. Pure.

use blake3::Hasher;

/// Changed when a step of the same key would give something else.
const VERSION: &str = "essaim build step 1";

/// Collects what a step depends on.
#[derive(Clone)]
pub(super) struct Key(Hasher);

impl Key {
    /// Of a step on top of `parent`, the id of an image or empty.
    pub(super) fn new(parent: &str) -> Self {
        let mut key = Self(Hasher::new());
        key.add(VERSION);
        key.add(parent);
        key
    }

    /// Adds a part. Its length goes in too, so that no two lists of parts are the same key.
    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// The key, as text.
    pub(super) fn finish(self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    fn key(parent: &str, parts: &[&str]) -> String {
        let mut key = Key::new(parent);
        for part in parts {
            key.add(part);
        }
        key.finish()
    }

    #[test]
    fn keys_differ_by_every_part() {
        assert_eq!(key("a", &["b"]), key("a", &["b"]));
        assert_ne!(key("a", &["b"]), key("b", &["b"]));
        assert_ne!(key("a", &["bc"]), key("a", &["b", "c"]));
        assert_ne!(key("a", &["b", ""]), key("a", &["b"]));
    }
}
