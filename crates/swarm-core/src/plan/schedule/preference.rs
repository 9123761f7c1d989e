//! Choosing nodes for a group evenly over the values of preferred attributes: racks first, say, then rooms.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use model::id::NodeId;

use crate::object::constraint::Attribute;
use crate::plan::schedule::board::Board;
use crate::plan::schedule::{Group, filter};
use crate::state::ClusterState;

/// The nodes, by the values of the preferred attributes.
pub(in crate::plan) struct PreferenceTree {
    root: Branch,
    pub(super) counts: BTreeMap<NodeId, u32>,
}

/// The nodes that share the values of the first attributes, and how many tasks of the service they have.
#[derive(Default)]
struct Branch {
    tasks: u32,
    /// By the value of the next attribute; nodes that lack it share the empty value.
    branches: BTreeMap<String, Branch>,
    /// The nodes themselves, after the last attribute.
    nodes: BinaryHeap<Reverse<(u32, u32, NodeId)>>,
}

impl PreferenceTree {
    pub(super) fn new(
        state: &ClusterState,
        board: &Board<'_>,
        group: &Group,
        counts: BTreeMap<NodeId, u32>,
    ) -> Self {
        let mut root = Branch::default();
        for node in state.nodes().values() {
            let tasks = counts.get(&node.id).copied().unwrap_or(0);
            let mut branch = &mut root;
            branch.tasks += tasks;
            for attribute in &group.service.spec.placement.preferences {
                let value = Attribute::label_of(attribute, node).unwrap_or_default();
                branch = branch.branches.entry(value.to_owned()).or_default();
                branch.tasks += tasks;
            }
            branch
                .nodes
                .push(Reverse((tasks, board.load(node.id), node.id)));
        }
        Self { root, counts }
    }

    /// How many tasks of the service a node has.
    pub(super) fn tasks_on(&self, node: NodeId) -> u32 {
        self.counts.get(&node).copied().unwrap_or(0)
    }

    /// The best node; it counts as having one more task from then on.
    pub(super) fn choose(
        &mut self,
        state: &ClusterState,
        board: &Board<'_>,
        group: &Group,
    ) -> Option<NodeId> {
        let node = self.root.choose(&mut |node, tasks| {
            filter::obstacle(state, board, group, node, tasks).is_none()
        })?;
        *self.counts.entry(node).or_default() += 1;
        Some(node)
    }
}

impl Branch {
    fn choose(&mut self, suits: &mut impl FnMut(NodeId, u32) -> bool) -> Option<NodeId> {
        while let Some(Reverse((tasks, load, node))) = self.nodes.pop() {
            if suits(node, tasks) {
                self.nodes.push(Reverse((tasks + 1, load + 1, node)));
                self.tasks += 1;
                return Some(node);
            }
        }
        // A branch without a suitable node will not have one again while the group is placed.
        while let Some(value) = self.emptiest() {
            let branch = self.branches.get_mut(&value)?;
            if let Some(node) = branch.choose(suits) {
                self.tasks += 1;
                return Some(node);
            }
            self.branches.remove(&value);
        }
        None
    }

    fn emptiest(&self) -> Option<String> {
        let (value, _) = self
            .branches
            .iter()
            .min_by_key(|(value, branch)| (branch.tasks, (*value).clone()))?;
        Some(value.clone())
    }
}
