//! The nodes, as full as the tasks placed so far in this plan make them.
//!
//! What a plan does not touch stays in the state's index and is not copied, but for the order of the nodes by
//! load: that is a list of numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use model::id::{NodeId, ServiceId, VolumeId};

use crate::object::spec::TaskSpec;
use crate::object::task::TaskRecord;
use crate::plan::draft::Draft;
use crate::state::ClusterState;
use crate::state::usage::NodeUsage;

/// A node's place in the order of nodes: its load, then its id.
pub(super) type LoadKey = (u32, NodeId);

/// The nodes, as full as the plan makes them.
pub(super) struct Board<'s> {
    state: &'s ClusterState,
    by_load: BTreeSet<LoadKey>,
    changed: BTreeMap<NodeId, NodeUsage>,
    /// Volumes that tasks placed in this plan use.
    volumes: BTreeMap<VolumeId, BTreeSet<NodeId>>,
}

impl<'s> Board<'s> {
    pub(super) fn new(draft: &Draft<'s>) -> Self {
        let by_load = draft.state.index().nodes_by_load().clone();
        let mut board = Self {
            state: draft.state,
            by_load,
            changed: BTreeMap::new(),
            volumes: BTreeMap::new(),
        };
        for record in draft.newly_unwanted() {
            if let Some(node) = record.task.node {
                board.change(node, |usage| usage.active = usage.active.saturating_sub(1));
            }
        }
        board
    }

    /// How full a node is; `None` is empty.
    pub(super) fn usage(&self, node: NodeId) -> Option<&NodeUsage> {
        self.changed
            .get(&node)
            .or_else(|| self.state.index().usage(node))
    }

    /// How many active tasks a node has.
    pub(super) fn load(&self, node: NodeId) -> u32 {
        self.usage(node).map_or(0, |usage| usage.active)
    }

    /// The node after `place` in the order of load.
    pub(super) fn after(&self, place: Option<LoadKey>) -> Option<LoadKey> {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_load.range((from, Bound::Unbounded)).next().copied()
    }

    /// Whether a volume is in use on another node than `node`.
    pub(super) fn is_used_elsewhere(&self, volume: VolumeId, node: NodeId) -> bool {
        let known = self
            .state
            .index()
            .users_of(volume)
            .is_some_and(|users| users.keys().any(|it| *it != node));
        known
            || self
                .volumes
                .get(&volume)
                .is_some_and(|users| users.iter().any(|it| *it != node))
    }

    /// Puts a task of `spec` on `node`.
    pub(super) fn take(&mut self, node: NodeId, spec: &TaskSpec) {
        self.change(node, |usage| {
            usage.active += 1;
            usage.hold(spec);
        });
        for volume in &spec.template.container.volumes {
            self.volumes.entry(*volume).or_default().insert(node);
        }
    }

    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut NodeUsage)) {
        let known = self.state.index().usage(node);
        let usage = self
            .changed
            .entry(node)
            .or_insert_with(|| known.cloned().unwrap_or_default());
        let before = usage.active;
        change(usage);
        let after = usage.active;
        if before != after && self.by_load.remove(&(before, node)) {
            self.by_load.insert((after, node));
        }
    }
}

/// How many tasks of a service each node has that are still wanted and not over.
pub(super) fn tasks_per_node(draft: &Draft<'_>, service: ServiceId) -> BTreeMap<NodeId, u32> {
    let mut counts: BTreeMap<NodeId, u32> = BTreeMap::new();
    let counted = |it: &&TaskRecord| it.is_active() && draft.is_wanted(it);
    for node in draft
        .state
        .tasks_of(service)
        .filter(counted)
        .filter_map(|it| it.task.node)
    {
        *counts.entry(node).or_default() += 1;
    }
    counts
}
