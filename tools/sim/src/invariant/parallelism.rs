//! A roll-out never has more slots on their way than its parallelism.
//!
//! A plan is judged by what it makes of the state that it was made from: a policy that somebody lowers while the
//! plan is on its way to the log is kept from the next plan on.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::object::node::Node;
use swarm_core::object::service::{Direction, RolloutState, Service};
use swarm_core::object::task::{Slot, TaskRecord, TaskState};
use swarm_core::state::ClusterState;
use swarm_core::state::transaction::Transaction;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "parallelism is never passed",
    when: When::Plan,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let mut after = moment.state.clone();
    let plan = Transaction {
        changes: moment.proposed.to_vec(),
    };
    // What is refused is made again from another state.
    if after.apply(plan).is_err() {
        return Ok(());
    }
    for service in after.services().values() {
        let Some(rollout) = service
            .rollout
            .as_ref()
            .filter(|it| it.state == RolloutState::Updating)
        else {
            continue;
        };
        let policy = match rollout.direction {
            Direction::Update => &service.spec.update,
            Direction::Rollback => &service.spec.rollback,
        };
        let parallelism = usize::try_from(policy.parallelism).unwrap_or(usize::MAX);
        let (before, now) = (
            on_their_way(moment.state, service),
            on_their_way(&after, service),
        );
        // A policy lowered on the way is kept from then on, and a slot that is only seen again, as what was removed
        // from it is forgotten, was begun before.
        let is_begun = |slot: &Slot| {
            let known = |it: &TaskRecord| moment.state.task(service.id, it.task.id).is_some();
            let mut tasks = after.tasks_of(service.id);
            !before.contains(slot) && tasks.any(|it| it.task.slot == *slot && !known(it))
        };
        if parallelism > 0 && now.len() > parallelism && now.iter().any(is_begun) {
            return Err(format!(
                "{}: {} slots on their way, {parallelism} allowed",
                service.spec.name,
                now.len()
            ));
        }
    }
    Ok(())
}

/// The slots in which a task of the new spec was made in place of another, and none has come up or failed yet.
fn on_their_way(state: &ClusterState, service: &Service) -> BTreeSet<Slot> {
    let Some(rollout) = &service.rollout else {
        return BTreeSet::new();
    };
    let mut slots: BTreeMap<Slot, Vec<&TaskRecord>> = BTreeMap::new();
    // A node that takes no tasks any more takes no part in the roll-out either.
    let takes_part = |slot| match slot {
        Slot::Node(node) => state.nodes().get(&node).is_some_and(Node::takes_tasks),
        Slot::Replica(_) => true,
    };
    for record in state
        .tasks_of(service.id)
        .filter(|it| takes_part(it.task.slot))
    {
        slots.entry(record.task.slot).or_default().push(record);
    }
    let on_its_way = |tasks: &&Vec<&TaskRecord>| {
        let is_new =
            |it: &&&TaskRecord| it.task.spec == rollout.target && it.task.born > rollout.since;
        let new: Vec<_> = tasks.iter().filter(is_new).collect();
        // What the newest task came in the place of: one moved or restarted with its own spec is not updated. That
        // is the newest that was wanted until then, which a way back that kept an older one has made an older one.
        // What is not wanted is written no more.
        let mut order = (*tasks).clone();
        order.sort_by_key(|it| it.task.incarnation);
        let replaced = order.split_last().is_some_and(|(newest, earlier)| {
            let was_wanted = |it: &&&TaskRecord| {
                it.task.desired <= TaskState::Complete || it.task.version >= newest.task.born
            };
            let mut earlier = earlier.iter().rev();
            let last = earlier.clone().next();
            earlier
                .find(was_wanted)
                .or(last)
                .is_some_and(|it| it.task.spec != rollout.target)
        });
        let wanted = new.iter().any(|it| it.task.desired <= TaskState::Complete);
        let settled = new
            .iter()
            .any(|it| it.status.started.is_some() || it.is_over());
        let removed = tasks.iter().any(|it| it.task.desired == TaskState::Remove);
        replaced && wanted && !settled && !removed
    };
    slots
        .iter()
        .filter(|(_, tasks)| on_its_way(tasks))
        .map(|(slot, _)| *slot)
        .collect()
}
