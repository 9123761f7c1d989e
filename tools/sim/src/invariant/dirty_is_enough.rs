//! Planning from what is marked ends where planning from everything ends: once a leader finds nothing to do, a
//! plan made from everything finds nothing either.

use swarm_core::plan::plan;
use swarm_core::state::dirty::Dirty;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "planning from what is marked is planning from everything",
    when: When::Idle,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    nothing_to_do(moment)
}

/// Whether a plan made from everything is empty.
pub(super) fn nothing_to_do(moment: &Moment<'_>) -> Result<(), String> {
    let Some(leader) = moment.leader.filter(|leader| leader.agenda.is_idle()) else {
        return Ok(());
    };
    let mut next = 0;
    let mut ids = || {
        next += 1;
        next
    };
    let plan = plan(
        moment.state,
        &Dirty::everything(),
        leader.clock.shows(moment.now),
        &mut ids,
    );
    match plan.transaction.changes.first() {
        Some(change) => Err(format!(
            "{} changes missed, the first: {change:?}",
            plan.transaction.changes.len()
        )),
        None => Ok(()),
    }
}
