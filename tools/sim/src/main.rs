//! A simulator of whole clusters: `swarm-core` driven by simulated managers, agents and users, on a virtual
//! clock, with faults.
//!
//! ```text
//! workload, faults, scripts ─▶ World: users · leader · agents, one queue of events ─▶ commits
//!                                                                                      │
//!                                 invariants, a file each ◀────────────────────────────┘
//! ```
//!
//! A run is a function of its seed: the same seed gives the same events, the same decisions and the same
//! failure. Start with [`world::World`], then [`run`].

mod agent;
mod arguments;
mod bench;
mod bug;
mod event;
mod fault;
mod invariant;
mod journal;
mod leader;
mod plot;
mod run;
mod scenario;
mod script;
mod user;
mod workload;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing its result is what this program is for"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        None if arguments.breaks.as_deref() == Some("list") => Ok(bug::list()),
        None => run::seeds(&arguments),
        Some(Command::Bench(options)) => bench::figures(options),
        Some(Command::Script(options)) => script::play_file(&options.script),
    };
    match result {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{}", text.trim_end());
            ExitCode::FAILURE
        }
    }
}
