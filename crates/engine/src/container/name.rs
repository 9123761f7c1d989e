//! Names of containers: which are valid, and one for a container that has none. Pure.

use crate::error::{Error, Result};

const ADJECTIVES: [&str; 64] = [
    "agile", "amber", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "cheerful",
    "clever", "cosy", "crisp", "curious", "daring", "deft", "eager", "earnest", "fair", "fearless",
    "fleet", "fond", "frank", "free", "fresh", "gentle", "glad", "golden", "happy", "hardy",
    "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow",
    "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "proud",
    "quick", "quiet", "ready", "robust", "serene", "sharp", "steady", "sunny", "swift", "tidy",
    "upbeat", "vivid", "warm", "witty",
];

/// People to whom bees, swarms, networks or computing owe something.
const SURNAMES: [&str; 64] = [
    "allen",
    "babbage",
    "backus",
    "baran",
    "barbara",
    "bartik",
    "boole",
    "cerf",
    "church",
    "clarke",
    "codd",
    "conway",
    "cray",
    "curie",
    "davies",
    "dijkstra",
    "easley",
    "engelbart",
    "feinler",
    "frisch",
    "gauss",
    "germain",
    "goldberg",
    "hamilton",
    "hamming",
    "hejlsberg",
    "hoare",
    "holberton",
    "hopper",
    "huber",
    "jennings",
    "johnson",
    "joy",
    "kahn",
    "karp",
    "kay",
    "kernighan",
    "kleene",
    "knuth",
    "lamarr",
    "lamport",
    "leibniz",
    "liskov",
    "lovelace",
    "mccarthy",
    "meitner",
    "naur",
    "noether",
    "pascal",
    "perlman",
    "pouzin",
    "ramanujan",
    "reaumur",
    "ritchie",
    "seeley",
    "shannon",
    "sinclair",
    "sutherland",
    "swammerdam",
    "thompson",
    "turing",
    "vaughan",
    "wilkes",
    "wirth",
];

/// A name for a container that was given none; `random` chooses it, `attempt` tells how many were taken.
pub(super) fn generate(random: u64, attempt: u32) -> String {
    let adjective = ADJECTIVES[(random % 64) as usize];
    let surname = SURNAMES[(random / 64 % 64) as usize];
    match attempt {
        0..4 => format!("{adjective}_{surname}"),
        _ => format!(
            "{adjective}_{surname}{}",
            random / 4096 % 10_u64.pow(attempt.min(16))
        ),
    }
}

/// The name that is meant, without the leading slash of the API.
pub(super) fn parse(text: &str) -> Result<String> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let bytes = name.as_bytes();
    let first = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    let rest = bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    // More would be no host name, and no file name.
    let short = bytes.len() <= 255;
    if first && rest && short && bytes.len() >= 2 {
        Ok(name.to_owned())
    } else {
        Err(Error::bad_parameter(format!(
            "Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::{generate, parse};

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(parse(text).ok().as_deref(), expect, "{text}");
    }

    #[test]
    fn names_are_letters_digits_and_a_little_more() {
        check("web", Some("web"));
        check("/web.1-a_B", Some("web.1-a_B"));
        check("0a", Some("0a"));
        check("w", None);
        check("-web", None);
        check("we/b", None);
        check("", None);
        check("..", None);
        check(&"a".repeat(256), None);
    }

    #[test]
    fn generated_names_are_valid_and_many() {
        let mut names = std::collections::BTreeSet::new();
        for random in 0..4096 {
            let name = generate(random, 0);
            assert_eq!(parse(&name).ok().as_deref(), Some(name.as_str()));
            names.insert(name);
        }
        assert_eq!(names.len(), 4096);
        assert!(parse(&generate(u64::MAX, 9)).is_ok());
    }
}
