//! What stands between a task and a node.

use std::collections::BTreeMap;

use model::id::NodeId;
use model::size::Resources;

use crate::object::node::{Availability, Node};
use crate::object::volume::VolumeScope;
use crate::plan::note::{Obstacle, Reason};
use crate::plan::schedule::board::Board;
use crate::plan::schedule::{Chooser, Group};
use crate::state::ClusterState;

/// What stands against giving `node`, which has `tasks` of the service, one more; the first of what does.
pub(super) fn obstacle(
    state: &ClusterState,
    board: &Board<'_>,
    group: &Group,
    node: NodeId,
    tasks: u32,
) -> Option<Obstacle> {
    let Some(node) = state.nodes().get(&node) else {
        return Some(Obstacle::NotAvailable);
    };
    lasting(state, group, node).or_else(|| passing(state, board, group, node, tasks))
}

/// What depends on the node alone.
fn lasting(state: &ClusterState, group: &Group, node: &Node) -> Option<Obstacle> {
    let placement = &group.service.spec.placement;
    let container = &group.spec.template.container;
    let platforms = &placement.platforms;
    if !node.takes_tasks() {
        return Some(Obstacle::NotAvailable);
    }
    if !platforms.is_empty()
        && !platforms
            .iter()
            .any(|it| it.runs_on(&node.description.platform))
    {
        return Some(Obstacle::Platform);
    }
    if !placement
        .constraints
        .iter()
        .all(|constraint| constraint.is_met_by(node))
    {
        return Some(Obstacle::Constraint);
    }
    if !container
        .plugins
        .iter()
        .all(|plugin| node.description.plugins.contains(plugin))
    {
        return Some(Obstacle::Plugin);
    }
    let reaches = |volume: &_| {
        state.volumes().get(volume).is_some_and(|volume| {
            volume.availability == Availability::Active
                && volume.reach.iter().all(|it| it.is_met_by(node))
        })
    };
    (!container.volumes.iter().all(reaches)).then_some(Obstacle::Volume)
}

/// What depends on the other tasks.
fn passing(
    state: &ClusterState,
    board: &Board<'_>,
    group: &Group,
    node: &Node,
    tasks: u32,
) -> Option<Obstacle> {
    let template = &group.spec.template;
    let single = |volume: &&_| {
        state
            .volumes()
            .get(*volume)
            .is_some_and(|volume| volume.scope == VolumeScope::SingleNode)
    };
    if template
        .container
        .volumes
        .iter()
        .filter(single)
        .any(|it| board.is_used_elsewhere(*it, node.id))
    {
        return Some(Obstacle::Volume);
    }
    let usage = board.usage(node.id);
    let reserved = usage.map(|usage| usage.reserved).unwrap_or_default();
    let wanted = template.reservations;
    if wanted != Resources::default() && !node.description.resources.minus(reserved).holds(wanted) {
        return Some(Obstacle::Resources);
    }
    if usage.is_some_and(|usage| {
        group
            .spec
            .host_ports()
            .any(|port| usage.host_ports.contains_key(&port))
    }) {
        return Some(Obstacle::HostPort);
    }
    let max = group.service.spec.placement.max_replicas;
    max.filter(|max| tasks >= max.get())
        .map(|_| Obstacle::MaxReplicas)
}

/// Why no node can take another task of the group: on how many nodes what stands against it.
pub(super) fn explain(
    state: &ClusterState,
    board: &Board<'_>,
    group: &Group,
    chooser: &Chooser,
) -> Reason {
    let mut obstacles: BTreeMap<Obstacle, u32> = BTreeMap::new();
    for node in state.nodes().keys() {
        if let Some(obstacle) = obstacle(state, board, group, *node, chooser.tasks_on(*node)) {
            *obstacles.entry(obstacle).or_default() += 1;
        }
    }
    Reason::NoSuitableNode(obstacles)
}
