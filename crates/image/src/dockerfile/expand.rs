//! Replacing variables in a word: `$name`, `${name}`, `${name:-word}` and its kin, with the quotes and escapes that
//! keep them from it.

/// A variable is used in a way that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A quote is not closed.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    Quote(&'static str),
    /// A `${` is not closed.
    #[error("syntax error: missing '}}'")]
    Brace,
    /// `${}`, `${-}`.
    #[error("bad substitution")]
    Substitution,
    /// `${name:x}`.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${name:?word}`, and there is none.
    #[error("{name}: {message}")]
    Missing {
        /// Of the variable.
        name: String,
        /// What the Dockerfile says to that.
        message: String,
    },
    /// A substitution within a substitution, and so on.
    #[error("substitutions are nested too deeply")]
    Depth,
}

/// How far substitutions may be nested: nobody's are, and each takes a little of the stack.
const DEEPEST: usize = 32;

/// Replaces variables in `word`, and takes quotes and escapes away. `lookup` knows what a variable is.
pub fn expand(
    word: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let words = expand_with(word, escape, Mode::Word, lookup)?;
    Ok(words.into_iter().next().unwrap_or_default())
}

/// As [`expand`], into words: at white space that is not quoted, also in what variables are.
pub fn expand_words(
    line: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ExpandError> {
    expand_with(line, escape, Mode::Words, lookup)
}

/// Replaces variables in the lines of a here-document, where quotes are nothing special.
pub fn expand_lines(
    text: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let words = expand_with(text, escape, Mode::Lines, lookup)?;
    Ok(words.into_iter().next().unwrap_or_default())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Word,
    Words,
    Lines,
}

fn expand_with(
    text: &str,
    escape: char,
    mode: Mode,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ExpandError> {
    let mut expander = Expander {
        rest: text,
        escape,
        mode,
        lookup,
        depth: 0,
    };
    let mut output = Output {
        words: Vec::new(),
        word: String::new(),
        begun: false,
    };
    expander.run(&mut output, None)?;
    if mode == Mode::Words {
        output.end_word();
        Ok(output.words)
    } else {
        Ok(vec![output.word])
    }
}

struct Output {
    words: Vec<String>,
    word: String,
    /// Whether there is a word, even if it is empty, as `""` is.
    begun: bool,
}

impl Output {
    fn push(&mut self, character: char) {
        self.word.push(character);
        self.begun = true;
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

struct Expander<'a> {
    rest: &'a str,
    escape: char,
    mode: Mode,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
}

impl Expander<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    /// Up to the end, or to `end`, which is taken.
    fn run(&mut self, output: &mut Output, end: Option<char>) -> Result<(), ExpandError> {
        let quotes = self.mode != Mode::Lines;
        while let Some(character) = self.next() {
            match character {
                character if Some(character) == end => return Ok(()),
                '\'' if quotes => self.single_quoted(output)?,
                '"' if quotes => self.double_quoted(output)?,
                '$' => self.dollar(output, self.mode == Mode::Words)?,
                character if character == self.escape => self.escaped(output),
                character if self.mode == Mode::Words && character.is_whitespace() => {
                    output.end_word();
                }
                character => output.push(character),
            }
        }
        match end {
            None => Ok(()),
            Some(_) => Err(ExpandError::Brace),
        }
    }

    fn escaped(&mut self, output: &mut Output) {
        match self.next() {
            // Between the lines of a here-document only these have a meaning to take away.
            Some(next) if self.mode == Mode::Lines && next != '$' && next != self.escape => {
                output.push(self.escape);
                output.push(next);
            }
            Some(next) => output.push(next),
            None if self.mode == Mode::Lines => output.push(self.escape),
            None => {}
        }
    }

    fn single_quoted(&mut self, output: &mut Output) -> Result<(), ExpandError> {
        output.begun = true;
        loop {
            match self.next() {
                None => return Err(ExpandError::Quote("single")),
                Some('\'') => return Ok(()),
                Some(character) => output.push(character),
            }
        }
    }

    fn double_quoted(&mut self, output: &mut Output) -> Result<(), ExpandError> {
        output.begun = true;
        loop {
            match self.next() {
                None => return Err(ExpandError::Quote("double")),
                Some('"') => return Ok(()),
                Some('$') => self.dollar(output, false)?,
                Some(character) if character == self.escape => match self.next() {
                    None => return Err(ExpandError::Quote("double")),
                    Some(next) => {
                        if next != '"' && next != '$' && next != self.escape {
                            output.push(character);
                        }
                        output.push(next);
                    }
                },
                Some(character) => output.push(character),
            }
        }
    }

    /// What follows a `$`. Where `splits`, white space in a variable ends a word.
    fn dollar(&mut self, output: &mut Output, splits: bool) -> Result<(), ExpandError> {
        let value = if self.peek() == Some('{') {
            self.next();
            self.braced()?
        } else {
            let name = self.name();
            if name.is_empty() {
                output.push('$');
                return Ok(());
            }
            (self.lookup)(&name).unwrap_or_default()
        };
        for character in value.chars() {
            if splits && character.is_whitespace() {
                output.end_word();
            } else {
                output.push(character);
            }
        }
        Ok(())
    }

    /// What follows `${`, up to its `}`.
    fn braced(&mut self) -> Result<String, ExpandError> {
        let name = self.name();
        if name.is_empty() {
            return Err(match self.peek() {
                None => ExpandError::Brace,
                Some(_) => ExpandError::Substitution,
            });
        }
        let value = (self.lookup)(&name);
        let mut modifier = self.next().ok_or(ExpandError::Brace)?;
        if modifier == '}' {
            return Ok(value.unwrap_or_default());
        }
        let mut written = String::from(modifier);
        // With a colon an empty value counts as none.
        let empty_is_none = modifier == ':';
        if empty_is_none {
            modifier = self.next().ok_or(ExpandError::Brace)?;
            written.push(modifier);
        }
        if !matches!(modifier, '-' | '+' | '?') {
            return Err(ExpandError::Modifier(written));
        }
        let word = self.nested()?;
        let value = value.filter(|value| !(empty_is_none && value.is_empty()));
        match (modifier, value) {
            ('+', None) => Ok(String::new()),
            ('?', None) => Err(ExpandError::Missing {
                name,
                message: if word.is_empty() {
                    "is not allowed to be unset".to_owned()
                } else {
                    word
                },
            }),
            ('+', Some(_)) | (_, None) => Ok(word),
            (_, Some(value)) => Ok(value),
        }
    }

    /// The word of a substitution, which may have substitutions itself.
    fn nested(&mut self) -> Result<String, ExpandError> {
        if self.depth >= DEEPEST {
            return Err(ExpandError::Depth);
        }
        let mut output = Output {
            words: Vec::new(),
            word: String::new(),
            begun: false,
        };
        let mode = self.mode;
        if mode == Mode::Words {
            self.mode = Mode::Word;
        }
        self.depth += 1;
        let done = self.run(&mut output, Some('}'));
        self.depth -= 1;
        self.mode = mode;
        done.map(|()| output.word)
    }

    /// A name of letters, digits and `_`; or one digit or sign, as a shell has them.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self.peek() {
            let first = name.is_empty();
            if first && (character.is_ascii_digit() || "@*#".contains(character)) {
                self.next();
                name.push(character);
                break;
            }
            if !character.is_ascii_alphanumeric() && character != '_' {
                break;
            }
            self.next();
            name.push(character);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::{ExpandError, expand, expand_lines, expand_words};
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "a" => Some("1".to_owned()),
            "name" => Some("one two".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(
            expand(word, '\\', &lookup).as_deref(),
            Ok(expected),
            "{word}"
        );
    }

    #[test]
    fn variables_are_replaced() {
        for (word, expected) in [
            ("plain", "plain"),
            ("$a", "1"),
            ("${a}", "1"),
            ("x$a/y", "x1/y"),
            ("$nothing", ""),
            ("$ab", ""),
            ("${a}b", "1b"),
            ("$", "$"),
            ("$ a", "$ a"),
            ("$/", "$/"),
            (r"\$a", "$a"),
            (r"\\$a", r"\1"),
            (r"a\", "a"),
            (r"a\bc", "abc"),
            ("'$a'", "$a"),
            ("'it''s'", "its"),
            (r#""$a""#, "1"),
            (r#""\$a \" \x""#, r#"$a " \x"#),
            ("'a b'c", "a bc"),
            ("$name", "one two"),
            ("é$a", "é1"),
        ] {
            check(word, expected);
        }
    }

    #[test]
    fn what_stands_for_a_missing_value_is_taken() {
        for (word, expected) in [
            ("${a:-x}", "1"),
            ("${nothing:-x}", "x"),
            ("${empty:-x}", "x"),
            ("${empty-x}", ""),
            ("${nothing-x}", "x"),
            ("${a:+x}", "x"),
            ("${nothing:+x}", ""),
            ("${empty:+x}", ""),
            ("${empty+x}", "x"),
            ("${a:?x}", "1"),
            ("${nothing:-${other:-${a}}}", "1"),
            ("${nothing:-a b}", "a b"),
            ("${nothing:-'}'}", "}"),
            ("${nothing:-}", ""),
        ] {
            check(word, expected);
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let failure = |word: &str| expand(word, '\\', &lookup).unwrap_err();
        assert_eq!(failure("'a"), ExpandError::Quote("single"));
        assert_eq!(failure("\"a"), ExpandError::Quote("double"));
        assert_eq!(failure("${a"), ExpandError::Brace);
        assert_eq!(failure("${"), ExpandError::Brace);
        assert_eq!(failure("${nothing:-x"), ExpandError::Brace);
        assert_eq!(failure("${}"), ExpandError::Substitution);
        assert_eq!(failure("${a:x}"), ExpandError::Modifier(":x".to_owned()));
        assert_eq!(failure("${a^}"), ExpandError::Modifier("^".to_owned()));
        assert_eq!(failure(&"${x:-".repeat(10_000)), ExpandError::Depth);
        assert_eq!(
            failure("${nothing:?is needed}").to_string(),
            "nothing: is needed"
        );
    }

    #[test]
    fn words_come_apart_at_white_space() {
        let words = |line: &str| expand_words(line, '\\', &lookup).unwrap();
        assert_eq!(words("80 $a/tcp"), ["80", "1/tcp"]);
        assert_eq!(words("$name"), ["one", "two"]);
        assert_eq!(words("\"$name\" ''"), ["one two", ""]);
        assert_eq!(words("  "), Vec::<String>::new());
    }

    #[test]
    fn lines_keep_their_quotes() {
        let lines = |text: &str| expand_lines(text, '\\', &lookup).unwrap();
        assert_eq!(
            lines("it's \"$a\"\n\\$a \\n\\\\\n"),
            "it's \"1\"\n$a \\n\\\n"
        );
    }

    #[test]
    fn the_escape_may_be_a_backtick() {
        let word = expand(r"c:\$a`$a", '`', &lookup).unwrap();
        assert_eq!(word, r"c:\1$a");
    }

    proptest! {
        #[test]
        fn any_text_is_replaced_or_refused(text in "[$a{}:+?'\"\\\\ \\-é]{0,24}") {
            let _word = expand(&text, '\\', &lookup);
            let _words = expand_words(&text, '\\', &lookup);
            let _lines = expand_lines(&text, '\\', &lookup);
        }

        #[test]
        fn a_quoted_text_is_itself(text in "[^']{0,24}") {
            prop_assert_eq!(expand(&format!("'{text}'"), '\\', &lookup), Ok(text));
        }
    }
}
