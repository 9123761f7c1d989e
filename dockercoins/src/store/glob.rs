//! Patterns of `KEYS`: `*`, `?`, `[abc]`, `[^a-c]`, and `\` before any of these. Pure. It must never take
//! longer than the product of both lengths, whatever the pattern.

/// Whether the whole key fits the pattern.
pub(super) fn matches(pattern: &[u8], key: &[u8]) -> bool {
    let (mut at_pattern, mut at_key) = (0, 0);
    // Where to go on if what follows the latest star doesn't fit: one byte more for the star.
    let mut again: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(at_pattern) {
            Some(b'*') => {
                again = Some((at_pattern + 1, at_key));
                at_pattern += 1;
                continue;
            }
            Some(_) => key
                .get(at_key)
                .and_then(|byte| one(&pattern[at_pattern..], *byte)),
            None if at_key == key.len() => return true,
            None => None,
        };
        match (step, again) {
            (Some(length), _) => {
                at_pattern += length;
                at_key += 1;
            }
            (None, Some((after_star, star_end))) if star_end < key.len() => {
                again = Some((after_star, star_end + 1));
                (at_pattern, at_key) = (after_star, star_end + 1);
            }
            (None, _) => return false,
        }
    }
}

/// If the pattern's first element fits the byte, how long that element is.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', rest @ ..] => {
            let (negated, rest) = match rest {
                [b'^', rest @ ..] => (true, rest),
                _ => (false, rest),
            };
            let (found, length) = set(rest, byte);
            (found != negated).then_some(1 + usize::from(negated) + length)
        }
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Whether the set holds the byte, and the set's length with its closing bracket; an open set reaches to
/// the pattern's end.
fn set(elements: &[u8], byte: u8) -> (bool, usize) {
    let mut found = false;
    let mut at = 0;
    loop {
        let length = match &elements[at..] {
            [] => return (found, at),
            [b']', ..] => return (found, at + 1),
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                2
            }
            [low, b'-', high, ..] if *high != b']' => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                3
            }
            [literal, ..] => {
                found |= *literal == byte;
                1
            }
        };
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, key: &str, expect: bool) {
        assert_eq!(
            matches(pattern.as_bytes(), key.as_bytes()),
            expect,
            "{pattern} {key}"
        );
    }

    #[test]
    fn patterns_as_redis_reads_them() {
        for (pattern, key) in [
            ("*", ""),
            ("*", "wallet"),
            ("w*t", "wallet"),
            ("h?shes", "hashes"),
            ("h[ab]shes", "hashes"),
            ("h[^b]shes", "hashes"),
            ("[a-z]*", "wallet"),
            ("\\*", "*"),
            ("a**b", "ab"),
            ("*a*b", "aab"),
            ("[\\]]", "]"),
        ] {
            check(pattern, key, true);
        }
        for (pattern, key) in [
            ("", "a"),
            ("w", "wallet"),
            ("?", ""),
            ("[^a]", "a"),
            ("\\?", "a"),
            ("[", "a"),
            ("a*b", "abc"),
        ] {
            check(pattern, key, false);
        }
        // Would take for ever where stars are tried one inside the other.
        check(&"a*".repeat(30), &"a".repeat(5000), true);
        check(&("a*".repeat(30) + "b"), &"a".repeat(5000), false);
    }

    proptest! {
        #[test]
        fn any_pattern_is_survived(pattern in "[a\\[\\]^*?\\\\-]{0,12}", key in "[ab]{0,8}") {
            matches(pattern.as_bytes(), key.as_bytes());
        }
    }
}
