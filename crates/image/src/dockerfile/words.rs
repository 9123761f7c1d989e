//! Taking a line apart: words with their quotes, `name=value` pairs, JSON lists.

use super::error::Problem;

/// The words of `text`, at white space that is neither quoted nor escaped. Quotes and escapes stay in them.
pub(super) fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match quote {
            None if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(open) if character == open => quote = None,
            _ => {}
        }
        word.push(character);
        // Within single quotes nothing is special.
        if character == escape && quote != Some('\'') {
            word.extend(characters.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// `name=value …`, or the old `name the rest of the line`.
pub(super) fn pairs(
    rest: &str,
    escape: char,
    instruction: &'static str,
) -> Result<Vec<(String, String)>, Problem> {
    let words = split(rest, escape);
    let Some(first) = words.first() else {
        return Err(Problem::NeedsArgument(instruction));
    };
    let pairs = if first.contains('=') {
        words
            .iter()
            .map(|word| {
                let (name, value) = word
                    .split_once('=')
                    .ok_or_else(|| Problem::NoEquals(word.clone()))?;
                Ok((name.to_owned(), value.to_owned()))
            })
            .collect::<Result<Vec<_>, Problem>>()?
    } else {
        let (name, value) = rest
            .trim_start()
            .split_once(char::is_whitespace)
            .ok_or(Problem::TwoArguments(instruction))?;
        vec![(name.to_owned(), value.trim_start().to_owned())]
    };
    if pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err(Problem::BlankName(instruction));
    }
    Ok(pairs)
}

/// The strings of a JSON list; none if `text` is no list at all.
pub(super) fn json(text: &str) -> Result<Option<Vec<String>>, Problem> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        // `[ -f file ]` is a command.
        Err(_) => Ok(None),
        Ok(values) => values
            .into_iter()
            .map(|value| match value {
                serde_json::Value::String(text) => Ok(text),
                _ => Err(Problem::NotStrings),
            })
            .collect::<Result<_, _>>()
            .map(Some),
    }
}

/// A JSON list, or words at white space.
pub(super) fn list(text: &str) -> Result<Vec<String>, Problem> {
    Ok(match json(text)? {
        Some(list) => list,
        None => text.split_whitespace().map(str::to_owned).collect(),
    })
}
