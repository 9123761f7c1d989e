//! A task that ended by itself is not tried again before the restart policy's delay is over.

use swarm_core::object::task::{TaskRecord, TaskState};

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "restarts wait for their delay",
    when: When::Commit,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    if moment.clocks_jumped {
        return Ok(());
    }
    for record in moment
        .state
        .tasks()
        .filter(|it| it.status.started.is_some())
    {
        let before = moment.before.task(record.task.service, record.task.id);
        if before.is_some_and(|it| it.status.started.is_none())
            && let Some(ended) = predecessor(moment, record)
            && let Some(delay) = moment.restart_delays.get(&record.task.service)
        {
            let waited = moment.now.since(ended.status.at);
            if waited < *delay {
                return Err(format!(
                    "task {} ran after {waited:?}, not after {delay:?}",
                    record.task.id
                ));
            }
        }
    }
    Ok(())
}

/// The task before this one in its slot, if it had the same spec and ended by itself.
fn predecessor<'s>(moment: &Moment<'s>, record: &TaskRecord) -> Option<&'s TaskRecord> {
    moment.state.tasks_of(record.task.service).find(|it| {
        let by_itself = it.has_failed() || it.status.state == TaskState::Complete;
        let next = it.task.incarnation + 1 == record.task.incarnation;
        // What ended after its successor was made was being replaced for another reason.
        let in_time = it.status.at < record.task.created;
        it.task.slot == record.task.slot
            && it.task.spec == record.task.spec
            && by_itself
            && next
            && in_time
    })
}
