//! A slot has one running container at most, or two where an update starts the new before it stops the old.
//!
//! Containers are counted on the nodes themselves, whatever the state says. Those that a node was given before
//! it was taken for dead don't count: nobody could tell it to stop them.

use std::collections::BTreeMap;

use swarm_core::object::task::Slot;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "one running task per slot",
    when: When::Event,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let mut running: BTreeMap<(_, Slot), u32> = BTreeMap::new();
    for agent in moment
        .agents
        .values()
        .filter(|agent| moment.state.nodes().contains_key(&agent.node))
    {
        for ((service, task), _) in agent.running() {
            if let Some(record) = moment.state.task(service, task)
                && agent
                    .given_up
                    .is_none_or(|at| !moment.clocks_jumped && at < record.task.created)
            {
                *running.entry((service, record.task.slot)).or_default() += 1;
            }
        }
    }
    for ((service, slot), count) in running {
        let allowed = if moment.start_first.contains(&service) {
            2
        } else {
            1
        };
        if count > allowed {
            return Err(format!(
                "{count} containers of slot {slot} of service {service}"
            ));
        }
    }
    Ok(())
}
