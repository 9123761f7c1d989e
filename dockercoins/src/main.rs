//! Dockercoins: the lab's application in one static program. A sub-command is a role: a service of the
//! application (`rng`, `hasher`, `worker`, `webui`), a stand-in for Redis (`store`), all of it on one
//! computer (`up`), or the tool that finds the slow service (`ping`).
//!
//! ```text
//! worker ──GET /32──▶ rng        one at a time: the bottleneck
//!    │  ──POST──────▶ hasher     20 at a time
//!    └──coins, counts──▶ redis ◀── webui ◀── the page
//! ```
//!
//! Start reading at `args` for what can be set, then at the role. This file must never hold more than the
//! way from the command line to a role and from a failure to what a person reads.

mod access;
mod args;
mod burn;
mod datastore;
mod failure;
mod hasher;
mod log;
mod metrics;
mod pinging;
mod rng;
mod serve;
mod service;
mod stop;
mod store;
mod up;
mod webui;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use args::Role;
use failure::{Failure, with_causes};

fn main() -> ExitCode {
    if let Err(failure) = up::stay_with_parent() {
        return tell(&failure);
    }
    let cli = args::parse();
    let result = match &cli.role {
        Role::Rng(args) => rng::run(args),
        Role::Hasher(args) => hasher::run(args),
        Role::Worker(args) => worker::run(args),
        Role::Webui(args) => webui::run(args),
        Role::Store(args) => store::run(args),
        Role::Up(args) => up::run(args),
        Role::Ping(args) => return pinging::run(args).unwrap_or_else(|failure| tell(&failure)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => tell(&failure),
    }
}

fn tell(failure: &Failure) -> ExitCode {
    let mut text = format!("error: {}\n", with_causes(failure));
    if let Some(hint) = failure.hint() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // If even that cannot be written, the exit code has to do.
    std::io::stderr().write_all(text.as_bytes()).ok();
    ExitCode::FAILURE
}

/// This computer's or container's name, as the services introduce themselves.
fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
