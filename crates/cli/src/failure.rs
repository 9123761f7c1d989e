//! Why a command ends other than well, and with which code.

use std::process::ExitCode;

use client::Error;

/// A command of ours that failed: 1, or 125 where the code of a container's process would otherwise be told.
pub(crate) const OUR_ERROR: u8 = 125;
/// The shell's code for what ends because nobody reads its output.
const OUTPUT_CLOSED: u8 = 141;

/// See the module.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to say, and a code. The hint is advice, and stands apart.
    Message {
        text: String,
        hint: Option<String>,
        code: u8,
    },
    /// The engine, or the way to it.
    Client(Error),
    /// All is said already: the code is all there is, of a container's process for instance.
    Exit(u8),
    /// Help or a version was asked for.
    Answer(String),
    /// Whoever reads our output has gone.
    OutputClosed,
}

impl Failure {
    /// A plain failure.
    pub(crate) fn message(text: impl Into<String>) -> Self {
        Self::Message {
            text: text.into(),
            hint: None,
            code: 1,
        }
    }

    /// A plain failure that names its cause.
    pub(crate) fn caused(what: &str, cause: &dyn std::error::Error) -> Self {
        Self::message(format!("{what}: {}", with_causes(cause)))
    }

    /// With advice.
    pub(crate) fn with_hint(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Message { text, code, .. } => Self::Message {
                text,
                hint: Some(advice.into()),
                code,
            },
            other => other,
        }
    }

    /// With another code. What has a code that is not ours to choose keeps it.
    pub(crate) fn with_code(self, code: u8) -> Self {
        match self {
            Self::Message { text, hint, .. } => Self::Message { text, hint, code },
            Self::Client(error) => Self::Message {
                text: text_of(&error),
                hint: hint_of(&error),
                code,
            },
            other => other,
        }
    }

    /// The failure of `run`, `create`, `exec`: as Docker's, with the program's name before it and where to read
    /// more behind.
    pub(crate) fn of_command(self, program: &str, command: &str, code: u8) -> Self {
        match self.with_code(code) {
            Self::Message { text, hint, code } => Self::Message {
                text: format!(
                    "{program}: {text}\n\nRun '{program} {command} --help' for more information"
                ),
                hint,
                code,
            },
            other => other,
        }
    }

    /// The code to end with.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Message { code, .. } | Self::Exit(code) => ExitCode::from(*code),
            Self::Client(_) => ExitCode::FAILURE,
            Self::Answer(_) => ExitCode::SUCCESS,
            Self::OutputClosed => ExitCode::from(OUTPUT_CLOSED),
        }
    }

    /// What is to be said on standard error.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Message { text, hint, .. } => Some(with_hint(text, hint.as_deref())),
            Self::Client(error) => Some(with_hint(&text_of(error), hint_of(error).as_deref())),
            Self::Exit(_) | Self::Answer(_) | Self::OutputClosed => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

fn with_hint(text: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text.to_owned(),
    }
}

/// An error of the client in one line. Docker's own texts stand alone; other ones need their cause.
pub(crate) fn text_of(error: &Error) -> String {
    match error {
        Error::Unreachable { .. } | Error::Answered { .. } => error.to_string(),
        _ => with_causes(error),
    }
}

fn hint_of(error: &Error) -> Option<String> {
    match error {
        Error::Unreachable { endpoint, source } => Some(format!(
            "{} ({}); start an engine with 'essaim daemon', or name another with -H or DOCKER_HOST",
            endpoint.strip_prefix("unix://").map_or_else(
                || format!("nothing answers at {endpoint}"),
                |path| format!("nothing listens on {path}")
            ),
            with_causes(source)
        )),
        Error::PermissionDenied { .. } => Some(
            "the socket belongs to root and its group: use sudo, or join that group".to_owned(),
        ),
        _ => None,
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = plain(error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = plain(error.to_string());
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// What the system says, without its number: "No such file or directory (os error 2)" is enough as
/// "no such file or directory".
fn plain(text: String) -> String {
    // What Rust calls it where no system call failed.
    if text == "entity not found" {
        return "no such file or directory".to_owned();
    }
    match text.split_once(" (os error ") {
        Some((said, rest)) if rest.trim_end_matches(')').parse::<i32>().is_ok() => {
            let mut characters = said.chars();
            match characters.next() {
                Some(first) => format!("{}{}", first.to_lowercase(), characters.as_str()),
                None => text,
            }
        }
        _ => text,
    }
}
