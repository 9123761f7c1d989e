//! Forgetting tasks: those that were to be removed and have stopped, those that nobody can ever hear of again,
//! and all but the last few of a slot.

use std::collections::BTreeMap;

use model::id::ServiceId;

use crate::object::task::{Slot, TaskRecord, TaskState};
use crate::plan::draft::Draft;
use crate::plan::restart::remaining;

/// Forgets what need not be known of a service's tasks any longer.
pub(super) fn clean_up(draft: &mut Draft<'_>, service: ServiceId) {
    for record in draft.state.tasks_of(service) {
        give_up_on_lost_node(draft, record);
        let never_ran = record.status.state < TaskState::Assigned;
        let unwanted = !draft.is_wanted(record);
        let removed = draft.desired(record) >= TaskState::Remove;
        if unwanted && (never_ran || (removed && record.is_over())) {
            draft.delete(record);
        }
    }
    forget_the_oldest(draft, service);
}

/// Takes a task for orphaned once its node is gone, or has been down for too long. Its place, its addresses
/// and its ports are free then.
fn give_up_on_lost_node(draft: &mut Draft<'_>, record: &TaskRecord) {
    let Some(node) = record.task.node.filter(|_| !record.is_over()) else {
        return;
    };
    let Some(node) = draft.state.nodes().get(&node) else {
        return draft.observe(record, TaskState::Orphaned);
    };
    if node.status.state.is_down() {
        let patience = draft.state.settings().orphan_after;
        match remaining(node.status.since, patience, draft.now) {
            Some(alarm) => draft.wake(record.task.service, alarm),
            None => draft.observe(record, TaskState::Orphaned),
        }
    }
}

/// Keeps so many tasks per slot, those that are wanted or still run among them, and forgets the oldest others.
fn forget_the_oldest(draft: &mut Draft<'_>, service: ServiceId) {
    let limit = usize::try_from(draft.state.settings().task_history.max(1)).unwrap_or(usize::MAX);
    let mut slots: BTreeMap<Slot, (usize, Vec<&TaskRecord>)> = BTreeMap::new();
    for record in draft
        .state
        .tasks_of(service)
        .filter(|record| !draft.is_deleted(record))
    {
        let (count, dead) = slots.entry(record.task.slot).or_default();
        *count += 1;
        if record.is_over() && !record.is_wanted() {
            dead.push(record);
        }
    }
    for (count, mut dead) in slots.into_values().filter(|(count, _)| *count > limit) {
        dead.sort_unstable_by_key(|record| record.task.incarnation);
        for record in dead.into_iter().take(count - limit) {
            draft.delete(record);
        }
    }
}
