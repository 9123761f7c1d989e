//! From text to logical lines: directives at the top, lines continued by an escape character, comments and empty
//! lines between them left out, here-documents with the lines that belong to them.

use super::{
    Warning,
    error::{ParseError, Problem},
    instruction::{Heredoc, Place},
    words,
};

pub(super) struct Split {
    pub(super) escape: char,
    pub(super) lines: Vec<Line>,
    pub(super) warnings: Vec<Warning>,
}

/// One instruction's text.
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) heredocs: Vec<Heredoc>,
}

pub(super) fn split(text: &str) -> Result<Split, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = directives(text)?;
    let mut warnings = Vec::new();
    let mut lines = Vec::new();
    let mut physical = text.lines().enumerate();
    while let Some((number, first)) = physical.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with('#') {
            continue;
        }
        let (mut joined, mut continued) = continuation(first, escape);
        let mut empty_at = None;
        while continued {
            let Some((number, next)) = physical.next() else {
                break;
            };
            let trimmed = next.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                empty_at.get_or_insert(number + 1);
                continue;
            }
            let (part, more) = continuation(next, escape);
            joined.push_str(&part);
            continued = more;
        }
        if let Some(line) = empty_at {
            warnings.push(Warning {
                line,
                message: "an empty line within a continued one will be an error one day".to_owned(),
            });
        }
        let place = Place {
            line: number + 1,
            text: joined.trim_end().to_owned(),
        };
        let heredocs = heredocs(&place, escape, &mut physical)?;
        lines.push(Line { place, heredocs });
    }
    Ok(Split {
        escape,
        lines,
        warnings,
    })
}

/// A line without the escape character that ends it, and whether there was one.
fn continuation(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        // Two of them are one that is meant.
        Some(rest) if !rest.ends_with(escape) => (rest.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

/// The escape character that the lines at the top ask for.
fn directives(text: &str) -> Result<char, ParseError> {
    let mut escape = None;
    let mut seen: Vec<String> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some((name, value)) = directive(line) else {
            break;
        };
        let place = Place {
            line: number + 1,
            text: line.to_owned(),
        };
        if !matches!(name.as_str(), "escape" | "syntax" | "check") {
            break;
        }
        if seen.contains(&name) {
            return Err(place.error(Problem::DuplicateDirective(name)));
        }
        if name == "escape" {
            escape = Some(match value {
                "\\" => '\\',
                "`" => '`',
                other => return Err(place.error(Problem::Escape(other.to_owned()))),
            });
        }
        seen.push(name);
    }
    Ok(escape.unwrap_or('\\'))
}

/// `# name = value`.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric());
    is_name.then(|| (name.to_ascii_lowercase(), value.trim()))
}

/// The here-documents that `place` announces, whose lines come next.
fn heredocs<'text>(
    place: &Place,
    escape: char,
    physical: &mut impl Iterator<Item = (usize, &'text str)>,
) -> Result<Vec<Heredoc>, ParseError> {
    if !may_have_heredocs(&place.text) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for word in words::split(&place.text, escape) {
        let Some(mut heredoc) = announced(&word, escape) else {
            continue;
        };
        loop {
            let Some((_, line)) = physical.next() else {
                return Err(place.error(Problem::UnterminatedHeredoc(heredoc.name)));
            };
            let line = if heredoc.strips_tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if line == heredoc.name {
                break;
            }
            heredoc.contents.push_str(line);
            heredoc.contents.push('\n');
        }
        found.push(heredoc);
    }
    Ok(found)
}

fn may_have_heredocs(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace().map(str::to_ascii_uppercase);
    let mut name = words.next();
    if name.as_deref() == Some("ONBUILD") {
        name = words.next();
    }
    line.contains("<<") && matches!(name.as_deref(), Some("RUN" | "COPY" | "ADD"))
}

/// `<<name`, `<<-name`, `3<<"name"`.
fn announced(word: &str, escape: char) -> Option<Heredoc> {
    let word = word.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let rest = word.strip_prefix("<<")?;
    let (strips_tabs, quoted) = match rest.strip_prefix('-') {
        Some(quoted) => (true, quoted),
        None => (false, rest),
    };
    if quoted.contains('<') {
        return None;
    }
    let name: String = quoted
        .chars()
        .filter(|character| !matches!(character, '"' | '\'') && *character != escape)
        .collect();
    (!name.is_empty()).then(|| Heredoc {
        expands: name == quoted,
        strips_tabs,
        name,
        contents: String::new(),
    })
}
