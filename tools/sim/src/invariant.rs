//! What must always hold, a file each.
//!
//! An invariant looks at a [`Moment`] and computes for itself, from the objects, what it wants to know: none asks
//! the planner or the indexes, except those that are about them.

mod assignments_agree;
mod converged;
mod dirty_is_enough;
mod indexes_agree;
mod nothing_twice;
mod one_running_per_slot;
mod parallelism;
mod pending_has_a_note;
mod placement_fits;
mod reason_for_a_task;
mod removed_is_gone;
mod restart_delay;
mod states_go_forward;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::id::{NodeId, ServiceId};
use model::time::Timestamp;
use swarm_core::state::ClusterState;
use swarm_core::state::transaction::Change;

use crate::agent::Agent;
use crate::leader::Leader;

/// When an invariant is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// After each event.
    Event,
    /// When a plan is about to be proposed.
    Plan,
    /// After each commit.
    Commit,
    /// When the leader has looked at all that is due and found nothing to do.
    Idle,
    /// After the last fault, when nothing happens any more.
    End,
}

/// The cluster at one moment.
pub(crate) struct Moment<'w> {
    /// The state before the commit that was just made.
    pub(crate) before: &'w ClusterState,
    pub(crate) state: &'w ClusterState,
    pub(crate) agents: &'w BTreeMap<NodeId, Agent>,
    pub(crate) leader: Option<&'w Leader>,
    pub(crate) now: Timestamp,
    pub(crate) clocks_jumped: bool,
    /// The services that were ever asked to start new tasks before they stop old ones.
    pub(crate) start_first: &'w BTreeSet<ServiceId>,
    /// The shortest restart delay that each service was ever asked to keep.
    pub(crate) restart_delays: &'w BTreeMap<ServiceId, Duration>,
    /// What is about to be proposed.
    pub(crate) proposed: &'w [Change],
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {details}")]
pub(crate) struct Failure {
    /// What should hold.
    pub(crate) invariant: &'static str,
    /// What did instead.
    pub(crate) details: String,
}

impl Failure {
    pub(crate) fn new(invariant: &'static str, details: &dyn std::fmt::Display) -> Self {
        Self {
            invariant,
            details: details.to_string(),
        }
    }
}

/// An invariant: what it says, when it is looked at, and what finds where it does not hold.
struct Invariant {
    says: &'static str,
    when: When,
    check: fn(&Moment<'_>) -> Result<(), String>,
}

const ALL: &[Invariant] = &[
    states_go_forward::INVARIANT,
    nothing_twice::INVARIANT,
    parallelism::INVARIANT,
    reason_for_a_task::INVARIANT,
    indexes_agree::INVARIANT,
    one_running_per_slot::INVARIANT,
    restart_delay::INVARIANT,
    placement_fits::INVARIANT,
    dirty_is_enough::INVARIANT,
    pending_has_a_note::INVARIANT,
    converged::INVARIANT,
    removed_is_gone::INVARIANT,
    assignments_agree::INVARIANT,
];

/// How many invariants there are.
pub(crate) const COUNT: usize = ALL.len();

/// Checks what is to be looked at at such a moment; returns how many checks that was.
pub(crate) fn check(when: When, moment: &Moment<'_>) -> Result<u64, Failure> {
    let mut checked = 0;
    for invariant in ALL.iter().filter(|invariant| invariant.when == when) {
        (invariant.check)(moment).map_err(|details| Failure::new(invariant.says, &details))?;
        checked += 1;
    }
    Ok(checked)
}
