//! What is shown: text on standard output, words on standard error, tables and templates of what an engine said.
//!
//! Rendering is pure; only the functions here write. A standard output that nobody reads any more is a
//! [`Failure::OutputClosed`], which ends a command quietly.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

pub(crate) mod field;
pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod units;

/// Writes to standard output, as it is.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes a line to standard output.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Writes bytes to standard output.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| output_failed(&error))
}

/// What a failure to write to standard output means.
pub(crate) fn output_failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::OutputClosed
    } else {
        Failure::caused("writing to standard output", error)
    }
}

/// Writes a line to standard error. Whether anybody reads it changes nothing.
pub(crate) fn warn(text: &str) {
    let mut stderr = io::stderr().lock();
    let _written = writeln!(stderr, "{text}");
}

/// Advice on standard error, apart from what a command answers.
pub(crate) fn hint(text: &str) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if colour {
        warn(&format!("\x1b[36mhint:\x1b[0m {text}"));
    } else {
        warn(&format!("hint: {text}"));
    }
}

/// Writes a part of a line, or several, to standard error.
pub(crate) fn warn_part(text: &str) {
    let mut stderr = io::stderr().lock();
    let _written = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}
