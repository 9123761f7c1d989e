//! Scripts: what a user types, and what the cluster makes of it, as text.
//!
//! A script has a command per line, in Docker's words where Docker has them ([`command`]), and a few of its own:
//!
//! ```text
//! nodes N                  a cluster of N nodes, the first a manager
//! wait TIME                time passes
//! watch SERVICE TIME       time passes, and each change of the service's tasks is shown
//! exit SERVICE.SLOT CODE   the container of that task ends by itself
//! host NAME dies|is cut off|is back
//! leader falls             another manager takes over
//! ```
//!
//! Playing a script gives a transcript: each command, and what it shows. Nothing in one is left to chance, so
//! transcripts are kept as files, and a test compares them.

mod command;
mod flags;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use model::id::{NetworkId, NodeId};
use swarm_core::object::network::NetworkPurpose;

use crate::agent::{Link, Power};
use crate::invariant::{Failure, When};
use crate::user;
use crate::world::{Pace, World};

/// Why a script could not be played on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    /// A line is not understood.
    #[error("not a command: {0}")]
    NotACommand(String),
    /// Something is named that is not there.
    #[error("no such {kind}: {name}")]
    NotThere {
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// What a word stands for is not understood.
    #[error("not a {what}: {text}")]
    Word {
        /// What it should be.
        what: &'static str,
        /// The word.
        text: String,
    },
    /// An invariant did not hold.
    #[error("an invariant does not hold")]
    Invariant(#[from] Failure),
}

/// Plays the script in a file.
pub(crate) fn play_file(path: &Path) -> Result<String, String> {
    let script =
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    play(&script).map_err(|error| format!("{}: {error}", path.display()))
}

/// Plays a script; returns its transcript.
fn play(script: &str) -> Result<String, ScriptError> {
    let mut world = World::new(1, Pace::Steady, None);
    world.journal.on = true;
    let mut transcript = String::new();
    for line in script.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            writeln!(transcript, "{line}").expect("writing to a string does not fail");
            continue;
        }
        let shown = obey(&mut world, line)?;
        writeln!(transcript, "$ {line}\n{shown}").expect("writing to a string does not fail");
    }
    world.settle(Duration::from_mins(10))?;
    world.check(When::Idle, None, &[])?;
    Ok(transcript)
}

fn obey(world: &mut World, line: &str) -> Result<String, ScriptError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["nodes", count] => begin(world, parse("number", count)?),
        ["wait", time] => pass(world, time),
        ["watch", service, time] => {
            let all = pass(world, time)?;
            let about = |line: &&str| line.get(11..).is_some_and(|rest| is_about(rest, service));
            Ok(all
                .lines()
                .filter(about)
                .fold(String::new(), |text, line| text + line + "\n"))
        }
        ["exit", task, code] => exit(world, task, parse("exit code", code)?),
        ["host", host, "dies"] => lose(world, host, Power::Off),
        ["host", host, "is", "cut", "off"] => lose(world, host, Power::On),
        ["host", host, "is", "back"] => {
            let node = node_named(world, host)?;
            world.bring_back(node);
            Ok(String::new())
        }
        ["leader", "falls"] => {
            world.depose();
            Ok(String::new())
        }
        ["docker", rest @ ..] => command::run(world, rest),
        _ => Err(ScriptError::NotACommand(line.to_owned())),
    }
    .inspect(|_| {
        if !line.starts_with("wait") && !line.starts_with("watch") {
            world.journal.take();
        }
    })
}

fn is_about(change: &str, service: &str) -> bool {
    change
        .strip_prefix(service)
        .is_some_and(|rest| rest.starts_with('.'))
        || change
            .strip_prefix("service ")
            .is_some_and(|rest| rest.starts_with(&format!("{service}:")))
}

fn begin(world: &mut World, count: u32) -> Result<String, ScriptError> {
    let id = NetworkId::from_number(1);
    let ingress = user::network(parse("name", "ingress")?, id, NetworkPurpose::Ingress);
    world
        .write(ingress)?
        .map_err(|refusal| Failure::new("the ingress network is made", &refusal))?;
    for number in 1..=count {
        world.join(user::node(number, world.now))?;
    }
    world.run_for(Duration::from_secs(1))?;
    Ok(String::new())
}

fn pass(world: &mut World, time: &str) -> Result<String, ScriptError> {
    world.journal.take();
    world.run_for(flags::time(time)?)?;
    Ok(world
        .journal
        .take()
        .into_iter()
        .fold(String::new(), |text, line| text + &line + "\n"))
}

fn exit(world: &mut World, task: &str, code: i32) -> Result<String, ScriptError> {
    let not_there = || ScriptError::NotThere {
        kind: "running task",
        name: task.to_owned(),
    };
    let (service, slot) = task.rsplit_once('.').ok_or_else(not_there)?;
    let service = world.state.service_named(service).ok_or_else(not_there)?.id;
    let running = world
        .state
        .tasks_of(service)
        .find(|it| it.is_running() && it.task.slot.to_string() == slot);
    let record = running.ok_or_else(not_there)?;
    let (id, node) = (record.task.id, record.task.node.ok_or_else(not_there)?);
    world.exit(node, id, code);
    Ok(String::new())
}

fn lose(world: &mut World, host: &str, power: Power) -> Result<String, ScriptError> {
    let node = node_named(world, host)?;
    let link = match power {
        Power::Off => Link::Open,
        Power::On => Link::Cut,
    };
    world.lose(node, power, link);
    Ok(String::new())
}

fn node_named(world: &World, host: &str) -> Result<NodeId, ScriptError> {
    let named = world
        .state
        .nodes()
        .values()
        .find(|node| node.description.hostname == host);
    let node = named.ok_or_else(|| ScriptError::NotThere {
        kind: "node",
        name: host.to_owned(),
    })?;
    Ok(node.id)
}

fn parse<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, ScriptError> {
    text.parse().map_err(|_| ScriptError::Word {
        what,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use super::play;

    /// Set this to write the transcripts anew, then look at what changed.
    const UPDATE: &str = "SIM_UPDATE_TRANSCRIPTS";

    #[track_caller]
    fn check(script: &Path) {
        let name = script.file_name().unwrap();
        let expect: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("transcripts")
            .join(name);
        let played = play(&fs::read_to_string(script).unwrap()).unwrap();
        if env::var_os(UPDATE).is_some() {
            fs::write(&expect, &played).unwrap();
        }
        let kept = fs::read_to_string(&expect).unwrap_or_default();
        assert_eq!(
            kept,
            played,
            "{} differs; set {UPDATE} to write it anew",
            expect.display()
        );
    }

    #[test]
    fn transcripts_are_as_kept() {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let mut all: Vec<PathBuf> = fs::read_dir(scripts)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        all.sort();
        assert!(!all.is_empty());
        for script in all {
            check(&script);
        }
    }
}
