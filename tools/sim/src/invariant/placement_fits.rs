//! A task is only given to a node that may have it, as far as the leader can know.

use std::collections::BTreeMap;

use model::id::{NodeId, ServiceId};
use swarm_core::object::task::Task;
use swarm_core::state::transaction::Change;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "tasks are given to nodes that may have them",
    when: When::Plan,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let mut given: BTreeMap<(ServiceId, NodeId), u32> = BTreeMap::new();
    for task in newly_given(moment) {
        let (Some(node), Some(service)) = (task.node, moment.state.services().get(&task.service))
        else {
            continue;
        };
        let placement = &service.spec.placement;
        let Some(node) = moment.state.nodes().get(&node) else {
            return Err(format!("node {node} is not there"));
        };
        if !node.takes_tasks() {
            return Err(format!(
                "task {} on {}, which takes none",
                task.id, node.description.hostname
            ));
        }
        if let Some(constraint) = placement.constraints.iter().find(|it| !it.is_met_by(node)) {
            return Err(format!(
                "task {} on {}: not {constraint}",
                task.id, node.description.hostname
            ));
        }
        let count = given.entry((task.service, node.id)).or_default();
        *count += 1;
        if let Some(max) = placement.max_replicas.filter(|max| *count > max.get()) {
            return Err(format!(
                "{count} tasks on {}, {max} allowed",
                node.description.hostname
            ));
        }
    }
    Ok(())
}

fn newly_given<'m>(moment: &'m Moment<'_>) -> impl Iterator<Item = &'m Task> {
    moment.proposed.iter().filter_map(|change| match change {
        Change::CreateTask(record) => Some(&record.task),
        Change::UpdateTask(task) => {
            let known = moment.state.task(task.service, task.id);
            known
                .is_some_and(|it| it.task.node.is_none())
                .then_some(task.as_ref())
        }
        Change::Settings(_)
        | Change::Node(_)
        | Change::Service(_)
        | Change::Network(_)
        | Change::Secret(_)
        | Change::Config(_)
        | Change::Volume(_)
        | Change::UpdateStatus { .. }
        | Change::DeleteTask { .. } => None,
    })
}
