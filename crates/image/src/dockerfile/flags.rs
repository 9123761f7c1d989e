//! The `--name=value` at the start of an instruction.

use super::error::Problem;

/// The flags of one instruction, as written.
pub(super) struct Flags {
    /// Names and values; a flag without a value has an empty one.
    found: Vec<(String, String)>,
    instruction: &'static str,
}

/// Takes the flags off the front of `rest`.
pub(super) fn take<'line>(
    rest: &'line str,
    escape: char,
    instruction: &'static str,
) -> Result<(Flags, &'line str), Problem> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = rest.trim_start();
    while let Some(flag) = rest.strip_prefix("--") {
        let end = end_of_word(flag, escape);
        let (word, after) = flag.split_at(end);
        rest = after.trim_start();
        if word.is_empty() {
            break;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), unquoted(value, escape)),
            None => (word.to_owned(), String::new()),
        };
        // A mount and an exclusion can be asked for several times; all others can't.
        if found.iter().any(|(known, _)| *known == name)
            && !matches!(name.as_str(), "mount" | "exclude")
        {
            return Err(Problem::DuplicateFlag(name));
        }
        found.push((name, value));
    }
    Ok((Flags { found, instruction }, rest))
}

impl Flags {
    /// The value of the flag, which must have one if it is there.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.remove(name) {
            Some(value) if value.is_empty() => Err(Problem::FlagWithoutValue(name.to_owned())),
            value => Ok(value),
        }
    }

    /// Whether the flag is there and not `false`.
    pub(super) fn switch(&mut self, name: &'static str) -> Result<bool, Problem> {
        match self.remove(name) {
            None => Ok(false),
            Some(value) => match value.as_str() {
                "" | "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(Problem::FlagValue { flag: name, value }),
            },
        }
    }

    /// Refuses what is left: by name what Docker has and we have not, `unsupported`.
    pub(super) fn finish(self, unsupported: &[&str]) -> Result<(), Problem> {
        match self.found.into_iter().next() {
            None => Ok(()),
            Some((flag, _)) if unsupported.contains(&flag.as_str()) => {
                Err(Problem::UnsupportedFlag {
                    instruction: self.instruction,
                    flag,
                })
            }
            Some((flag, _)) => Err(Problem::UnknownFlag(flag)),
        }
    }

    fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.found.iter().position(|(known, _)| known == name)?;
        Some(self.found.remove(at).1)
    }
}

/// Where a word ends: at white space that is neither quoted nor escaped.
fn end_of_word(text: &str, escape: char) -> usize {
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match quote {
            None if character.is_whitespace() => return at,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(open) if character == open => quote = None,
            _ if character == escape => drop(characters.next()),
            _ => {}
        }
    }
    text.len()
}

/// Without quotes and escapes.
fn unquoted(text: &str, escape: char) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {}
            character if character == escape => plain.extend(characters.next()),
            character => plain.push(character),
        }
    }
    plain
}
