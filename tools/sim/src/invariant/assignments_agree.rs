//! What a node holds, put together from differences, is what it would be told anew; and it runs just that.

use swarm_core::assignment::Assignment;
use swarm_core::assignment::build::assignment;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "differences add up to the assignment",
    when: When::End,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    for agent in moment.agents.values().filter(|agent| agent.is_connected()) {
        if !moment.state.nodes().contains_key(&agent.node) {
            continue;
        }
        let fresh = assignment(moment.state, agent.node);
        let held = Assignment {
            generation: fresh.generation,
            ..agent.assignment.clone()
        };
        if held != fresh {
            return Err(format!(
                "node {} holds an assignment of its own",
                agent.node
            ));
        }
    }
    Ok(())
}
