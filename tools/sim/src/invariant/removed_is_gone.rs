//! What was removed leaves nothing behind: no tasks of removed services, no addresses of removed networks, no
//! containers of forgotten tasks.

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "removed things are gone",
    when: When::End,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let state = moment.state;
    if let Some(record) = state
        .tasks()
        .find(|it| !state.services().contains_key(&it.task.service))
    {
        return Err(format!("a task of a removed service: {record:#?}"));
    }
    if let Some(network) = state
        .index()
        .pools()
        .keys()
        .find(|id| !state.networks().contains_key(id))
    {
        return Err(format!("the addresses of removed network {network}"));
    }
    let limit = usize::try_from(state.settings().task_history).unwrap_or(usize::MAX);
    for record in state.tasks() {
        let in_slot = state
            .tasks_of(record.task.service)
            .filter(|it| it.task.slot == record.task.slot);
        let count = in_slot.count();
        if count > limit {
            return Err(format!(
                "slot {} keeps {count} tasks, not {limit}",
                record.task.slot
            ));
        }
    }
    for agent in moment
        .agents
        .values()
        .filter(|it| state.nodes().contains_key(&it.node))
    {
        for ((service, task), _) in agent.running() {
            if !state
                .task(service, task)
                .is_some_and(|it| it.is_running() && it.task.node == Some(agent.node))
            {
                let record = state.task(service, task);
                return Err(format!(
                    "the container of task {task} on node {}: {record:#?}",
                    agent.node
                ));
            }
        }
    }
    Ok(())
}
