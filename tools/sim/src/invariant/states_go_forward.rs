//! Neither the desired nor the observed state of a task ever goes back.

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "states go forward",
    when: When::Commit,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    for new in moment.state.tasks() {
        let Some(old) = moment.before.task(new.task.service, new.task.id) else {
            continue;
        };
        if new.status.state < old.status.state {
            return Err(format!(
                "task {}: {} after {}",
                new.task.id, new.status.state, old.status.state
            ));
        }
        if new.task.desired < old.task.desired {
            return Err(format!(
                "task {}: wants {} after {}",
                new.task.id, new.task.desired, old.task.desired
            ));
        }
    }
    Ok(())
}
