//! Giving waiting tasks to nodes.
//!
//! Tasks of one service and one spec are alike, so they are placed as a group:
//!
//! ```text
//! group ─▶ addresses ─▶ the node with the fewest tasks of the service, then the fewest in all ─▶ assigned
//!                       that no filter is against                                            └─▶ a note why not
//! ```
//!
//! No node is looked at that does not come to be the best: the nodes lie in the order of their load
//! ([`board::Board`]), those without a task of the service come first, and a node is asked once per group what
//! stands against it ([`filter`]). So a task costs what it costs among a hundred nodes or ten thousand, unless
//! its constraints leave few of them.

mod board;
mod candidates;
mod filter;
mod preference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::{NodeId, ServiceId};
use model::version::Version;

use crate::object::service::Service;
use crate::object::spec::TaskSpec;
use crate::object::task::{Slot, TaskRecord};
use crate::plan::allocate;
use crate::plan::draft::Draft;
use crate::plan::note::{Reason, Subject};
use crate::plan::schedule::board::Board;
use crate::plan::schedule::candidates::Candidates;
use crate::plan::schedule::preference::PreferenceTree;
use crate::state::index::{self, TaskKey};

/// A task that waits.
#[derive(Clone, Copy)]
enum Ticket<'s> {
    /// One that exists.
    Known(&'s TaskRecord),
    /// One that is made in this plan, by its position there.
    Created(usize),
}

/// What is placed together.
pub(super) struct Group {
    pub(super) service: Service,
    pub(super) spec: Arc<TaskSpec>,
}

/// Gives the tasks that this plan made, and those `waiting`, to nodes.
pub(super) fn schedule(draft: &mut Draft<'_>, waiting: Vec<TaskKey>) {
    let groups = groups(draft, waiting);
    if groups.is_empty() {
        return;
    }
    let mut board = Board::new(draft);
    for (id, specs) in groups {
        let Some(service) = draft.service(id).cloned() else {
            continue;
        };
        // Counted on from one spec to the next: they share the nodes.
        let mut counts = board::tasks_per_node(draft, id);
        for (version, tickets) in specs {
            let Some(spec) = draft.state.spec(id, version).cloned() else {
                continue;
            };
            let group = Group {
                service: service.clone(),
                spec,
            };
            counts = place_group(draft, &mut board, &group, &tickets, counts);
        }
    }
}

/// The waiting tasks, by service and spec.
type Groups<'s> = BTreeMap<ServiceId, BTreeMap<Version, Vec<Ticket<'s>>>>;

fn groups<'s>(draft: &Draft<'s>, waiting: Vec<TaskKey>) -> Groups<'s> {
    let mut groups = Groups::new();
    for (service, task) in waiting {
        let Some(record) = draft
            .state
            .task(service, task)
            .filter(|it| draft.is_wanted(it))
        else {
            continue;
        };
        groups
            .entry(service)
            .or_default()
            .entry(record.task.spec)
            .or_default()
            .push(Ticket::Known(record));
    }
    for (position, record) in draft.created().iter().enumerate() {
        let of_service = groups.entry(record.task.service).or_default();
        of_service
            .entry(record.task.spec)
            .or_default()
            .push(Ticket::Created(position));
    }
    groups
}

/// Places a group, given how many tasks of the service each node has; returns how many each has then.
fn place_group(
    draft: &mut Draft<'_>,
    board: &mut Board<'_>,
    group: &Group,
    tickets: &[Ticket<'_>],
    counts: BTreeMap<NodeId, u32>,
) -> BTreeMap<NodeId, u32> {
    let ingress = draft.ingress_network().map(|network| network.id);
    if !index::is_allocated(&group.service, ingress) {
        for ticket in tickets {
            note(draft, group, *ticket, Reason::ServiceNotAllocated);
        }
        return counts;
    }
    let mut chooser = Chooser::new(draft, board, group, counts);
    let mut full: Option<Reason> = None;
    for ticket in tickets {
        let own_node = own_node(draft, *ticket);
        if let (Some(reason), None) = (&full, own_node) {
            note(draft, group, *ticket, reason.clone());
            continue;
        }
        match place(draft, board, &mut chooser, group, *ticket) {
            Ok(()) => (),
            Err(reason) => {
                note(draft, group, *ticket, reason.clone());
                if own_node.is_none() {
                    full = Some(reason);
                }
            }
        }
    }
    chooser.into_counts()
}

fn place(
    draft: &mut Draft<'_>,
    board: &mut Board<'_>,
    chooser: &mut Chooser,
    group: &Group,
    ticket: Ticket<'_>,
) -> Result<(), Reason> {
    let attachments = allocate::attachments(draft, &group.spec)?;
    let chosen = match own_node(draft, ticket) {
        Some(node) => filter::obstacle(draft.state, board, group, node, 0)
            .map_or(Ok(node), |obstacle| {
                Err(Reason::NoSuitableNode(BTreeMap::from([(obstacle, 1)])))
            }),
        None => chooser
            .choose(draft, board, group)
            .ok_or_else(|| filter::explain(draft.state, board, group, chooser)),
    };
    let node = match chosen {
        Ok(node) => node,
        Err(reason) => {
            allocate::give_back(draft, &attachments);
            return Err(reason);
        }
    };
    board.take(node, &group.spec);
    match ticket {
        Ticket::Known(record) => draft.assign(record, node, attachments),
        Ticket::Created(position) => draft.assign_created(position, node, attachments),
    }
    Ok(())
}

/// The node that a global service's task belongs to.
fn own_node(draft: &Draft<'_>, ticket: Ticket<'_>) -> Option<NodeId> {
    let slot = match ticket {
        Ticket::Known(record) => record.task.slot,
        Ticket::Created(position) => draft.created()[position].task.slot,
    };
    match slot {
        Slot::Node(node) => Some(node),
        Slot::Replica(_) => None,
    }
}

fn note(draft: &mut Draft<'_>, group: &Group, ticket: Ticket<'_>, reason: Reason) {
    let task = match ticket {
        Ticket::Known(record) => record.task.id,
        Ticket::Created(position) => draft.created()[position].task.id,
    };
    draft.note(Subject::Task((group.service.id, task)), reason);
}

/// What chooses nodes for a group.
pub(super) enum Chooser {
    /// Evenly over all nodes.
    Even(Candidates),
    /// Evenly over the values of the preferred attributes first.
    Preferring(PreferenceTree),
}

impl Chooser {
    fn new(
        draft: &Draft<'_>,
        board: &Board<'_>,
        group: &Group,
        counts: BTreeMap<NodeId, u32>,
    ) -> Self {
        if group.service.spec.placement.preferences.is_empty() {
            Self::Even(Candidates::new(board, counts))
        } else {
            Self::Preferring(PreferenceTree::new(draft.state, board, group, counts))
        }
    }

    fn choose(&mut self, draft: &Draft<'_>, board: &Board<'_>, group: &Group) -> Option<NodeId> {
        match self {
            Self::Even(candidates) => candidates.choose(draft.state, board, group),
            Self::Preferring(tree) => tree.choose(draft.state, board, group),
        }
    }

    fn into_counts(self) -> BTreeMap<NodeId, u32> {
        match self {
            Self::Even(candidates) => candidates.counts,
            Self::Preferring(tree) => tree.counts,
        }
    }

    /// How many tasks of the service a node has.
    pub(super) fn tasks_on(&self, node: NodeId) -> u32 {
        match self {
            Self::Even(candidates) => candidates.tasks_on(node),
            Self::Preferring(tree) => tree.tasks_on(node),
        }
    }
}
