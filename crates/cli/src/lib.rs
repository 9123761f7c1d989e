//! The docker-like command line: arguments, commands, output.
//!
//! It reaches an engine only through its API, by the `client` crate, and so drives any engine that speaks it.
//!
//! ```text
//!   words ──args──► raw arguments ──request──► what to ask (pure) ──commands──► API calls ──output──► text
//!           (clap)                   value/                         client        │          tables, templates
//!                                                                                 └─ terminal: streams both ways
//! ```
//!
//! Start with [`run`], then `args.rs`, then the file of a command in `commands/`. What decides is in `value/`,
//! `request/` and `output/`, pure and tested there; `commands/` and `terminal/` touch the world.

use std::ffi::OsString;
use std::process::ExitCode;

mod args;
mod commands;
mod config;
mod failure;
mod output;
mod reference;
mod request;
mod session;
mod terminal;
mod value;

pub use reference::{completion, manual_pages, reference};

use failure::Failure;

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
    match attempt(program, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Answer(text)) => match output::print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.code(),
        },
        Err(failure) => {
            if let Some(text) = failure.text() {
                output::warn(&text);
            }
            failure.code()
        }
    }
}

fn attempt(program: &Program, arguments: &[OsString]) -> Result<(), Failure> {
    let line = args::parse(&program.name, &program.more_commands, arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused("starting the asynchronous runtime", &error))?;
    let outcome = runtime.block_on(commands::dispatch(program, arguments, line));
    // Threads that still read a terminal or a pipe are not waited for.
    runtime.shutdown_background();
    outcome
}
