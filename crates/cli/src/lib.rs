//! The docker-like command line: arguments, commands, output.
//!
//! It reaches an engine only through its API, by the `client` crate, and so drives any engine that speaks it.

use std::ffi::OsString;
use std::process::ExitCode;

/// What the command line is told about the program that it is a part of.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name it was called by: `essaim`, or `docker`. It decides the words of help and errors, and which
    /// engine is asked where nothing else says.
    pub name: String,
    /// Its version, as `version` shows it.
    pub version: &'static str,
    /// Commands that the program handles itself before it calls [`run`], such as `daemon`: here only so that
    /// help, completions and manual pages show them.
    pub more_commands: Vec<clap::Command>,
}

/// Runs one command to its end and tells the code to exit with.
///
/// `arguments` are those after the program's name. It makes its own asynchronous runtime: call it from outside
/// of one.
pub fn run(program: &Program, arguments: Vec<OsString>) -> ExitCode {
    let _later = (program, arguments);
    ExitCode::FAILURE
}
