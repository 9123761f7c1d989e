//! Running seeds, and telling what came of them.

use std::fmt::Write as _;

use crate::arguments::Arguments;
use crate::bug::{self, Bug};
use crate::invariant::{self, Failure};
use crate::scenario::{self, Size};

/// What came of one seed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) commits: u64,
    pub(crate) refused: u64,
    pub(crate) checks: u64,
    pub(crate) result: Result<(), Failure>,
    pub(crate) journal: Vec<String>,
}

/// Whether each commit is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracing {
    On,
    Off,
}

/// Runs one seed.
pub(crate) fn seed(seed: u64, size: Size, bug: Option<Bug>, tracing: Tracing) -> Run {
    let mut world = scenario::world(seed, bug);
    world.journal.on = tracing == Tracing::On;
    let result = scenario::play(&mut world, size);
    Run {
        commits: world.state.revision().0,
        refused: world.refused,
        checks: world.checks,
        result,
        journal: world.journal.take(),
    }
}

/// Runs the seeds that `arguments` ask for. One line, or what failed and how to see it again.
pub(crate) fn seeds(arguments: &Arguments) -> Result<String, String> {
    let size = Size {
        nodes: arguments.nodes,
        services: arguments.services,
        steps: arguments.steps,
    };
    let bug = match &arguments.breaks {
        Some(name) => {
            Some(bug::named(name).ok_or_else(|| format!("no such bug: {name}\n{}", bug::list()))?)
        }
        None => None,
    };
    let tracing = if arguments.trace {
        Tracing::On
    } else {
        Tracing::Off
    };
    let (mut commits, mut refused, mut checks) = (0, 0, 0);
    let mut text = String::new();
    let mut failed: Vec<u64> = Vec::new();
    for number in arguments.first..arguments.first.saturating_add(arguments.seeds) {
        let run = seed(number, size, bug, tracing);
        commits += run.commits;
        refused += run.refused;
        checks += run.checks;
        for line in run.journal {
            writeln!(text, "{line}").expect("writing to a string does not fail");
        }
        if let Err(failure) = run.result {
            writeln!(text, "{}", describe(number, size, bug, &failure))
                .expect("writing to a string does not fail");
            failed.push(number);
        }
    }
    writeln!(
        text,
        "{} seeds of {} steps: {commits} commits, {refused} refused, {} invariants checked {checks} times, {} failures",
        arguments.seeds,
        size.steps,
        invariant::COUNT,
        failed.len(),
    )
    .expect("writing to a string does not fail");
    if failed.is_empty() {
        Ok(text)
    } else {
        Err(text)
    }
}

fn describe(seed: u64, size: Size, bug: Option<Bug>, failure: &Failure) -> String {
    let planted = bug
        .map(|bug| format!(" --break {}", bug.describe().0))
        .unwrap_or_default();
    let Size {
        nodes,
        services,
        steps,
    } = size;
    format!(
        "seed {seed}: {failure}\n  again: sim --seeds 1 --first {seed} --nodes {nodes} --services {services} \
         --steps {steps}{planted}"
    )
}

#[cfg(test)]
mod tests {
    use super::{Tracing, seed};
    use crate::bug::Bug;
    use crate::scenario::Size;

    const SIZE: Size = Size {
        nodes: 5,
        services: 4,
        steps: 30,
    };

    /// How many seeds a planted bug may stay unseen.
    const SEEDS_TO_CATCH: u64 = 60;

    #[test]
    fn invariants_hold() {
        for number in 0..60 {
            let run = seed(number, SIZE, None, Tracing::Off);
            assert_eq!(run.result, Ok(()), "seed {number}");
        }
    }

    /// Seeds that failed once, each with what its world has that few have.
    #[test]
    fn invariants_hold_where_they_once_did_not() {
        let size = Size { steps: 40, ..SIZE };
        for (number, what) in [
            (
                2_788,
                "the mode is changed while new tasks of the old one are not up yet",
            ),
            (
                14_686,
                "what is removed from a slot is forgotten while more are on their way than a lowered parallelism allows",
            ),
            (
                30_020,
                "a replica of the new spec is removed from a node whose own task is updated",
            ),
            (
                34_528,
                "the parallelism is lowered while a plan is on its way",
            ),
            (
                51_658,
                "a task that a way back kept is moved while another is",
            ),
            (
                55_170,
                "a task that a way back kept is restarted during a roll-out",
            ),
            (
                32_115,
                "a start-first update is taken back before the old task is stopped",
            ),
            (
                52_035,
                "a task that hangs on its way out, and a mode changed there and back",
            ),
        ] {
            let run = seed(number, size, None, Tracing::Off);
            assert_eq!(run.result, Ok(()), "seed {number}: {what}");
        }
    }

    #[test]
    fn a_seed_replays() {
        let first = seed(7, SIZE, None, Tracing::On);
        let again = seed(7, SIZE, None, Tracing::On);
        assert!(!first.journal.is_empty());
        assert_eq!(first.journal, again.journal);
    }

    #[test]
    fn each_planted_bug_is_caught() {
        let missed: Vec<&Bug> = Bug::ALL
            .iter()
            .filter(|bug| {
                (0..SEEDS_TO_CATCH)
                    .all(|it| seed(it, SIZE, Some(**bug), Tracing::Off).result.is_ok())
            })
            .collect();
        assert!(missed.is_empty(), "not caught: {missed:?}");
    }
}
