//! A task is only replaced for a reason: it is over, its node cannot keep it, or its spec has changed. So no
//! change of policy restarts anything, and no slot is filled twice.
//!
//! Looked at when the plan is made: by the time it is committed, the reason may have gone.

use swarm_core::object::task::{TaskRecord, TaskState};
use swarm_core::state::transaction::Change;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "a task is replaced for a reason",
    when: When::Plan,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let mut created: Vec<&TaskRecord> = Vec::new();
    for change in moment.proposed {
        if let Change::CreateTask(new) = change {
            let slot = (new.task.service, new.task.slot);
            if created
                .iter()
                .any(|it| (it.task.service, it.task.slot) == slot)
            {
                return Err(format!("two tasks at once in slot {}", new.task.slot));
            }
            created.push(new.as_ref());
        }
    }
    for new in created {
        let in_slot = |it: &&TaskRecord| it.task.slot == new.task.slot;
        let mut others = moment.state.tasks_of(new.task.service).filter(in_slot);
        if let Some(other) = others.find(|other| !may_be_replaced(moment, other, new)) {
            return Err(format!(
                "{} in place of {}, which is fine",
                new.task.id, other.task.id
            ));
        }
    }
    Ok(())
}

fn may_be_replaced(moment: &Moment<'_>, old: &TaskRecord, new: &TaskRecord) -> bool {
    let placement = moment
        .state
        .services()
        .get(&old.task.service)
        .map(|it| &it.spec.placement);
    let misplaced = old.task.node.is_some_and(|node| {
        moment.state.nodes().get(&node).is_none_or(|node| {
            let suits =
                placement.is_none_or(|it| it.constraints.iter().all(|it| it.is_met_by(node)));
            !node.keeps_tasks() || !suits
        })
    });
    let given_up = old.task.desired > TaskState::Complete;
    given_up || old.is_over() || misplaced || old.task.spec != new.task.spec
}
