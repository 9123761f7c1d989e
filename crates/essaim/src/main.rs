//! The program: dispatch and wiring.
//!
//! Called by its own name it is all there is, by the name of one of Docker's programs it is that one:
//!
//! ```text
//! essaim daemon …     the engine            dockerd …
//! essaim registry …   a registry
//! essaim …            the command line      docker …
//! ```
//!
//! It holds no logic: where to start reading is `daemon` for the engine, and the `cli` crate for the rest.

mod daemon;
mod registry;
mod shim_program;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The version of the program, as it is everywhere told.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    match name_of(&called).as_str() {
        "dockerd" => daemon::main(&arguments),
        "docker" => command_line("docker", arguments),
        _ => match arguments.first().and_then(|first| first.to_str()) {
            Some("daemon") => daemon::main(&arguments[1..]),
            Some("registry") => registry::main(&arguments[1..]),
            _ => command_line("essaim", arguments),
        },
    }
}

fn command_line(name: &str, arguments: Vec<OsString>) -> ExitCode {
    let program = cli::Program {
        name: name.to_owned(),
        version: VERSION,
        more_commands: vec![daemon::command(), registry::command()],
    };
    cli::run(&program, arguments)
}

/// The last part of the path that the program was called by.
fn name_of(called: &OsString) -> String {
    let name = Path::new(called).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
