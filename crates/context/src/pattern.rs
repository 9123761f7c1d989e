//! One pattern of a `.dockerignore`, compiled: whether it matches a whole path.
//!
//! `*` and `?` stay within a name, `**` is any number of folders, `[a-z]` and `[^a-z]` are one character, `\` takes
//! the next one as it is. Matching takes time in the product of both lengths, whatever the pattern: a context may
//! come from anybody.

/// A compiled pattern, without its `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Character(char),
    /// `?`: one character that is no slash.
    One,
    /// `*`: any characters that are no slash.
    Name,
    /// `**` before something: nothing, or anything that ends in a slash.
    Folders,
    /// `**` at the end: anything.
    Anything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// None for a pattern that means nothing: an open `[`, a `\` at the end.
    pub(crate) fn compile(text: &str) -> Option<Self> {
        let mut characters = text.chars().peekable();
        let mut tokens = Vec::new();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' if characters.next_if_eq(&'*').is_some() => {
                    // `**/` is `**`: what it stands for ends in the slash already.
                    let _slash = characters.next_if_eq(&'/');
                    if characters.peek().is_some() {
                        Token::Folders
                    } else {
                        Token::Anything
                    }
                }
                '*' => Token::Name,
                '?' => Token::One,
                '\\' => Token::Character(characters.next()?),
                '[' => class(&mut characters)?,
                other => Token::Character(other),
            });
        }
        Some(Self { tokens })
    }

    /// Whether it matches all of `path`.
    pub(crate) fn matches(&self, path: &str) -> bool {
        // At which tokens the match may be; after the last one it is complete.
        let mut places = Places::start(self.tokens.len());
        places.skip_empty(&self.tokens);
        for character in path.chars() {
            places = places.step(&self.tokens, character);
            if places.nowhere() {
                return false;
            }
        }
        places.before[self.tokens.len()]
    }

    /// Whether something beneath `folder` may match: for a pattern without `**`, whether its first names match
    /// those of the folder.
    pub(crate) fn may_match_beneath(&self, folder: &str) -> bool {
        let mut places = Places::start(self.tokens.len());
        places.skip_empty(&self.tokens);
        for character in folder.chars().chain(['/']) {
            places = places.step(&self.tokens, character);
        }
        !places.nowhere()
    }
}

/// The places in the pattern at which a match may be, all at once.
struct Places {
    /// Before the token of that number.
    before: Vec<bool>,
    /// Within the `Folders` of that number, after something that is not yet complete.
    within: Vec<bool>,
}

impl Places {
    fn nothing(tokens: usize) -> Self {
        Self {
            before: vec![false; tokens + 1],
            within: vec![false; tokens + 1],
        }
    }

    fn start(tokens: usize) -> Self {
        let mut places = Self::nothing(tokens);
        places.before[0] = true;
        places
    }

    fn nowhere(&self) -> bool {
        !self.before.iter().chain(&self.within).any(|here| *here)
    }

    /// Goes past tokens that may stand for nothing.
    fn skip_empty(&mut self, tokens: &[Token]) {
        for (number, token) in tokens.iter().enumerate() {
            if self.before[number]
                && matches!(token, Token::Name | Token::Folders | Token::Anything)
            {
                self.before[number + 1] = true;
            }
        }
    }

    fn step(&self, tokens: &[Token], character: char) -> Self {
        let mut next = Self::nothing(tokens.len());
        for (number, token) in tokens.iter().enumerate() {
            if self.within[number] {
                next.within[number] = true;
                next.before[number + 1] |= character == '/';
            }
            if !self.before[number] {
                continue;
            }
            match token {
                Token::Character(own) => next.before[number + 1] |= *own == character,
                Token::One => next.before[number + 1] |= character != '/',
                Token::Name => next.before[number] |= character != '/',
                Token::Anything => next.before[number] = true,
                Token::Folders => {
                    next.within[number] = true;
                    next.before[number + 1] |= character == '/';
                }
                Token::Class { negated, ranges } => {
                    let found = ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&character));
                    next.before[number + 1] |= character != '/' && found != *negated;
                }
            }
        }
        next.skip_empty(tokens);
        next
    }
}

/// What follows a `[`.
fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match characters.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            '\\' => characters.next()?,
            ']' | '-' => return None,
            other => other,
        };
        let mut high = low;
        if characters.next_if_eq(&'-').is_some() {
            high = match characters.next()? {
                '\\' => characters.next()?,
                ']' | '-' => return None,
                other => other,
            };
        }
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        let compiled = Pattern::compile(pattern).expect("a pattern that means something");
        assert_eq!(compiled.matches(path), expected, "{pattern} on {path}");
    }

    #[test]
    fn patterns_match_as_dockers_do() {
        for (pattern, path, expected) in [
            ("file", "file", true),
            ("file", "files", false),
            ("file", "a/file", false),
            ("*", "file", true),
            ("*", "a/file", false),
            ("*.go", "a.go", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", false),
            ("?", "a", true),
            ("?", "/", false),
            ("**", "file", true),
            ("**", "a/b/c", true),
            ("**/", "a/b", true),
            ("**/file", "file", true),
            ("**/file", "a/b/file", true),
            ("**/file", "afile", false),
            ("**file", "file", true),
            ("**file", "a/file", true),
            ("**file", "afile", false),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/b/c", true),
            ("a/**", "a", false),
            ("a/**", "a/b/c", true),
            ("a**", "abc/d", true),
            ("**/*.txt", "x/y.txt", true),
            ("**/*.txt", "x/y.md", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[^a]b", "/b", false),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("a.c", "abc", false),
            ("a+(b)|{c}$", "a+(b)|{c}$", true),
            ("é*", "école", true),
        ] {
            check(pattern, path, expected);
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for pattern in ["[", "[a", "[]", "[]a]", "[a-", "[-x]", "a\\", "[a-]"] {
            assert_eq!(Pattern::compile(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_may_lie_beneath_a_folder_is_known() {
        let beneath = |pattern: &str, folder: &str| {
            Pattern::compile(pattern).unwrap().may_match_beneath(folder)
        };
        assert!(beneath("a/b/c", "a"));
        assert!(beneath("a/b/c", "a/b"));
        assert!(!beneath("a/b/c", "b"));
        assert!(beneath("*/keep", "b"));
        assert!(!beneath("*", "b"));
        assert!(beneath("**/keep", "b/c"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = Pattern::compile(&"*a".repeat(500)).unwrap();
        assert!(!pattern.matches(&"a".repeat(499)));
        let pattern = Pattern::compile(&"**/a/".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a/".repeat(199)));
    }

    proptest! {
        #[test]
        fn any_text_compiles_or_not_and_matches_or_not(
            pattern in "[a/*?\\[\\]^\\\\-]{0,12}", path in "[a/b]{0,12}",
        ) {
            if let Some(compiled) = Pattern::compile(&pattern) {
                let matches = compiled.matches(&path);
                if let Some((folder, _)) = path.rsplit_once('/') {
                    prop_assert!(!matches || compiled.may_match_beneath(folder));
                }
            }
        }

        #[test]
        fn a_path_without_special_characters_matches_itself_alone(
            path in "[a-c/]{1,8}", other in "[a-c/]{1,8}",
        ) {
            let compiled = Pattern::compile(&path).unwrap();
            prop_assert!(compiled.matches(&path));
            prop_assert_eq!(compiled.matches(&other), path == other);
        }
    }
}
