//! What can be wrong with a Dockerfile, in Docker's words where it has any, and what to do about it.

use std::fmt;

use super::{expand::ExpandError, instruction::Place};

/// A Dockerfile that cannot be read: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, counted from 1; the first of a continued one.
    pub line: usize,
    /// That line's text.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dockerfile parse error line {}: {}",
            self.line, self.problem
        )
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.problem.hint()
    }
}

impl Place {
    pub(super) fn error(&self, problem: Problem) -> ParseError {
        ParseError {
            line: self.line,
            text: self.text.clone(),
            problem,
        }
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no instruction at all.
    #[error("file with no instructions")]
    Empty,
    /// An instruction comes before the first `FROM`.
    #[error("no build stage in current context")]
    NoStage,
    /// There is no such instruction.
    #[error("unknown instruction: {0}")]
    UnknownInstruction(String),
    /// An instruction lacks what it is about.
    #[error("{0} requires at least one argument")]
    NeedsArgument(&'static str),
    /// Of these there is one only.
    #[error("{0} requires exactly one argument")]
    NeedsOneArgument(&'static str),
    /// From where, or where to, is not said.
    #[error(
        "{0} requires at least two arguments, but only one was provided. Destination could not be determined."
    )]
    NeedsDestination(&'static str),
    /// `FROM a b`.
    #[error("FROM requires either one or three arguments")]
    FromArguments,
    /// A stage cannot be called so.
    #[error(
        "invalid name for build stage: {0:?}, name can't start with a number or contain symbols"
    )]
    StageName(String),
    /// `ENV name` with no value.
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    /// `ENV a=b c`.
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    /// `ENV =b`.
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// An instruction has no such flag.
    #[error("unknown flag: --{0}")]
    UnknownFlag(String),
    /// A flag that Docker has and this engine has not yet.
    #[error("the --{flag} option of {instruction} is not supported by this engine")]
    UnsupportedFlag {
        /// Of which.
        instruction: &'static str,
        /// Without its dashes.
        flag: String,
    },
    /// The same flag again.
    #[error("duplicate flag specified: --{0}")]
    DuplicateFlag(String),
    /// `--from` with nothing.
    #[error("missing a value on flag: --{0}")]
    FlagWithoutValue(String),
    /// A flag's value means nothing.
    #[error("invalid value {value:?} for flag --{flag}")]
    FlagValue {
        /// Without its dashes.
        flag: &'static str,
        /// As it is written.
        value: String,
    },
    /// `SHELL /bin/sh`.
    #[error("SHELL requires the arguments to be in JSON form")]
    ShellForm,
    /// `CMD ["a", 1]`.
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    /// `HEALTHCHECK` of another kind.
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthcheckType(String),
    /// `HEALTHCHECK CMD`.
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthcheckCommand,
    /// `HEALTHCHECK NONE x`.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    /// `ONBUILD ONBUILD`.
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    ChainedTrigger,
    /// `ONBUILD FROM`.
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(&'static str),
    /// An image's trigger of several instructions.
    #[error("a trigger is one instruction")]
    SeveralTriggers,
    /// `# escape=x`.
    #[error("invalid escape token '{0}' does not match ` or \\")]
    Escape(String),
    /// A directive again.
    #[error("only one {0} parser directive can be used")]
    DuplicateDirective(String),
    /// A here-document without its end.
    #[error("unterminated heredoc: {0}")]
    UnterminatedHeredoc(String),
    /// A here-document that begins with `#!`.
    #[error("a heredoc with an interpreter of its own is not supported by this engine")]
    HeredocInterpreter,
    /// A variable is used wrongly.
    #[error(transparent)]
    Expand(#[from] ExpandError),
}

impl Problem {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty | Self::NoStage => {
                "a Dockerfile starts with FROM, such as: FROM alpine".to_owned()
            }
            Self::UnknownInstruction(name) => match nearest(name) {
                Some(known) => format!("did you mean {known}?"),
                None => {
                    "an instruction that goes on in the next line needs a \\ at the end".to_owned()
                }
            },
            Self::NeedsDestination(name) => {
                format!("say where to: {name} file /folder/")
            }
            Self::FromArguments => "FROM image AS name".to_owned(),
            Self::TwoArguments(name) => format!("{name} name=value"),
            Self::NoEquals(_) => "put quotes around a value with spaces".to_owned(),
            Self::UnsupportedFlag { flag, .. } if flag == "mount" => {
                "copy what is needed with COPY, or with COPY --from of another stage".to_owned()
            }
            Self::ShellForm => r#"SHELL ["/bin/bash", "-c"]"#.to_owned(),
            Self::HealthcheckType(_) => "HEALTHCHECK CMD command, or HEALTHCHECK NONE".to_owned(),
            Self::UnterminatedHeredoc(name) => {
                format!("it ends at a line that is {name} and nothing else")
            }
            Self::HeredocInterpreter => "COPY it into a file, then RUN that".to_owned(),
            Self::NeedsArgument(_)
            | Self::NeedsOneArgument(_)
            | Self::StageName(_)
            | Self::BlankName(_)
            | Self::UnknownFlag(_)
            | Self::UnsupportedFlag { .. }
            | Self::DuplicateFlag(_)
            | Self::FlagWithoutValue(_)
            | Self::FlagValue { .. }
            | Self::NotStrings
            | Self::HealthcheckCommand
            | Self::HealthcheckNone
            | Self::ChainedTrigger
            | Self::Trigger(_)
            | Self::SeveralTriggers
            | Self::Escape(_)
            | Self::DuplicateDirective(_)
            | Self::Expand(_) => return None,
        })
    }
}

/// The instruction that somebody who wrote `name` most likely meant.
fn nearest(name: &str) -> Option<&'static str> {
    // Of a long word nobody meant one of these, and comparing takes time in its length.
    if name.chars().count() > 16 {
        return None;
    }
    let name = name.to_ascii_uppercase();
    super::instruction::NAMES
        .iter()
        .map(|known| (distance(&name, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .map(|(_, known)| known)
}

/// How many letters have to be changed, added, removed or swapped with the next one.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (row, line) in table.iter_mut().enumerate() {
        line[0] = row;
    }
    for (column, cell) in table[0].iter_mut().enumerate() {
        *cell = column;
    }
    for row in 1..=one.len() {
        for column in 1..=other.len() {
            let same = one[row - 1] == other[column - 1];
            let mut best = (table[row - 1][column - 1] + usize::from(!same))
                .min(table[row - 1][column] + 1)
                .min(table[row][column - 1] + 1);
            let swapped = row > 1
                && column > 1
                && one[row - 1] == other[column - 2]
                && one[row - 2] == other[column - 1];
            if swapped {
                best = best.min(table[row - 2][column - 2] + 1);
            }
            table[row][column] = best;
        }
    }
    table[one.len()][other.len()]
}
