//! Choosing nodes for a group evenly: the fewest tasks of the service first, then the fewest in all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use model::id::NodeId;

use crate::plan::schedule::board::{Board, LoadKey};
use crate::plan::schedule::{Group, filter};
use crate::state::ClusterState;

/// The nodes that may still be chosen for a group.
///
/// Nodes without a task of the service are found by walking once along the order of load. Those with some are
/// in a heap. A node that something stands against is dropped: while a group is placed, nodes only fill up.
pub(in crate::plan) struct Candidates {
    walked_to: Option<LoadKey>,
    pub(super) counts: BTreeMap<NodeId, u32>,
    occupied: BinaryHeap<Reverse<(u32, u32, NodeId)>>,
}

impl Candidates {
    pub(super) fn new(board: &Board<'_>, counts: BTreeMap<NodeId, u32>) -> Self {
        let occupied = counts
            .iter()
            .map(|(node, count)| Reverse((*count, board.load(*node), *node)))
            .collect();
        Self {
            walked_to: None,
            counts,
            occupied,
        }
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
        let node = self
            .unoccupied(state, board, group)
            .or_else(|| self.least_occupied(state, board, group))?;
        let count = self.counts.entry(node).or_default();
        *count += 1;
        self.occupied
            .push(Reverse((*count, board.load(node) + 1, node)));
        Some(node)
    }

    fn unoccupied(
        &mut self,
        state: &ClusterState,
        board: &Board<'_>,
        group: &Group,
    ) -> Option<NodeId> {
        while let Some(place) = board.after(self.walked_to) {
            self.walked_to = Some(place);
            let (_, node) = place;
            if !self.counts.contains_key(&node)
                && filter::obstacle(state, board, group, node, 0).is_none()
            {
                return Some(node);
            }
        }
        None
    }

    fn least_occupied(
        &mut self,
        state: &ClusterState,
        board: &Board<'_>,
        group: &Group,
    ) -> Option<NodeId> {
        while let Some(Reverse((count, _, node))) = self.occupied.pop() {
            if filter::obstacle(state, board, group, node, count).is_none() {
                return Some(node);
            }
        }
        None
    }
}
