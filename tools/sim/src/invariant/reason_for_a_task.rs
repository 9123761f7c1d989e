//! A task is only replaced for a reason: it is over, its node cannot keep it, or its spec has changed. So no
//! change of policy restarts anything, and no slot is filled twice.

use swarm_core::object::task::{TaskRecord, TaskState};

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "a task is replaced for a reason",
    when: When::Commit,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    for new in moment.state.tasks() {
        let (service, id) = (new.task.service, new.task.id);
        if moment.before.task(service, id).is_some() {
            continue;
        }
        for other in moment
            .state
            .tasks_of(service)
            .filter(|it| it.task.slot == new.task.slot)
        {
            if other.task.id != id && !may_be_replaced(moment, other, new) {
                return Err(format!(
                    "task {id} in place of {}, which is fine",
                    other.task.id
                ));
            }
        }
    }
    Ok(())
}

fn may_be_replaced(moment: &Moment<'_>, old: &TaskRecord, new: &TaskRecord) -> bool {
    let given_up = old.task.desired > TaskState::Complete || old.is_over();
    let before = moment.before.task(old.task.service, old.task.id);
    // Only what the leader could have seen counts: the same plan may give the old task up after this batch.
    let ended = before.is_none_or(TaskRecord::is_over);
    let misplaced = old.task.node.is_some_and(|node| {
        let constraints = moment
            .state
            .services()
            .get(&old.task.service)
            .map(|it| &it.spec.placement.constraints);
        moment.state.nodes().get(&node).is_none_or(|node| {
            !node.keeps_tasks()
                || constraints.is_some_and(|all| !all.iter().all(|it| it.is_met_by(node)))
        })
    });
    (given_up && before.is_some_and(|it| it.task.desired > TaskState::Complete))
        || ended
        || misplaced
        || old.task.spec != new.task.spec
}
