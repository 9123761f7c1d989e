//! Services with a task on each node that meets the constraints, always.

use std::collections::{BTreeMap, BTreeSet};

use model::id::NodeId;

use crate::object::node::{Availability, Node, NodeState};
use crate::object::service::Service;
use crate::object::task::{Slot, TaskRecord, TaskState};
use crate::plan::draft::Draft;
use crate::plan::rollout;
use crate::plan::slot::{self, SlotView};

/// Has a task on each node that should have one, and on no other, and looks after each.
pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service) {
    let views = views(draft, service);
    let (kept, left): (BTreeMap<Slot, SlotView<'_>>, BTreeMap<Slot, SlotView<'_>>) = views
        .into_iter()
        .partition(|(slot, _)| belongs(draft, service, *slot));
    for view in left.values() {
        leave(draft, view);
    }
    let missing = nodes_without(draft, service, &kept);
    slot::open(draft, service, missing.into_iter().map(Slot::Node));
    // A paused node's task is left alone: replaced, it could not come back.
    let (paused, open): (BTreeMap<Slot, SlotView<'_>>, BTreeMap<Slot, SlotView<'_>>) = kept
        .into_iter()
        .partition(|(slot, _)| is_paused(draft, *slot));
    let updated = rollout::advance(draft, service, &open);
    let service = &draft.service(service.id).unwrap_or(service).clone();
    let rest = open.values().filter(|view| !updated.contains(&view.slot));
    for view in rest.chain(paused.values()) {
        slot::tend(draft, service, view);
    }
}

/// The slots of a service.
///
/// A task left from when the service was replicated stands in on its node, as if it were of that node's slot:
/// what runs where it should is not restarted for a change of mode. It is replaced when it ends, or when the
/// task spec changes. Those that are too many are removed.
pub(super) fn views<'s>(draft: &mut Draft<'s>, service: &Service) -> BTreeMap<Slot, SlotView<'s>> {
    let mut tasks: Vec<(Slot, &'s TaskRecord)> = Vec::new();
    let mut foreign: Vec<&'s TaskRecord> = Vec::new();
    for record in draft.state.tasks_of(service.id) {
        match record.task.slot {
            Slot::Node(_) => tasks.push((record.task.slot, record)),
            Slot::Replica(_) => foreign.push(record),
        }
    }
    let served: BTreeSet<Slot> = tasks
        .iter()
        .filter(|(_, it)| it.is_running())
        .map(|(slot, _)| *slot)
        .collect();
    let mut stood_in: BTreeSet<Slot> = BTreeSet::new();
    for record in foreign {
        let slot = record
            .task
            .node
            .map(Slot::Node)
            .filter(|_| !record.is_over());
        let stands_in = slot.is_some_and(|slot| {
            slot::stands_by_itself(record) && !served.contains(&slot) && stood_in.insert(slot)
        });
        if !stands_in {
            draft.desire(record, TaskState::Remove);
        }
        // One that is being stopped still holds its successor back.
        tasks.extend(
            slot.filter(|_| stands_in || !record.is_wanted())
                .map(|slot| (slot, record)),
        );
    }
    slot::by_slot(tasks.into_iter())
}

/// Whether the node of a slot should have a task, or may keep the one it has.
fn belongs(draft: &Draft<'_>, service: &Service, slot: Slot) -> bool {
    match slot {
        Slot::Node(node) => slot::may_keep(draft.state, &service.spec.placement, node),
        Slot::Replica(_) => false,
    }
}

fn is_paused(draft: &Draft<'_>, slot: Slot) -> bool {
    match slot {
        Slot::Node(node) => draft.state.nodes().get(&node).is_some_and(|node| {
            node.spec.availability == Availability::Pause || node.status.state == NodeState::Unknown
        }),
        Slot::Replica(_) => false,
    }
}

/// Stops the tasks of a node that should have none, and forgets them if the node is gone for good.
pub(super) fn leave(draft: &mut Draft<'_>, view: &SlotView<'_>) {
    let desired = match view.slot {
        Slot::Node(node) if draft.state.nodes().contains_key(&node) => TaskState::Shutdown,
        Slot::Node(_) | Slot::Replica(_) => TaskState::Remove,
    };
    for record in &view.tasks {
        draft.desire(record, desired);
    }
}

/// The nodes that should have a task and have no slot.
pub(super) fn nodes_without(
    draft: &Draft<'_>,
    service: &Service,
    views: &BTreeMap<Slot, SlotView<'_>>,
) -> Vec<NodeId> {
    let placement = &service.spec.placement;
    let suits = |node: &&Node| {
        let platforms = &placement.platforms;
        let platform = platforms.is_empty()
            || platforms
                .iter()
                .any(|it| it.runs_on(&node.description.platform));
        let constraints = placement
            .constraints
            .iter()
            .all(|constraint| constraint.is_met_by(node));
        node.takes_tasks() && platform && constraints && !views.contains_key(&Slot::Node(node.id))
    };
    draft
        .state
        .nodes()
        .values()
        .filter(suits)
        .map(|node| node.id)
        .collect()
}
