//! What happens to one slot of a service: its tasks, one after the other.
//!
//! ```text
//!  nothing wanted ──────────▶ a successor, unless the last task ended for good
//!  ended by itself ─────────▶ stop wanting it; a successor, if the restart policy says so
//!  its node cannot keep it ─▶ stop wanting it; a successor
//!  ready, and may start ────▶ want it running
//!  running ─────────────────▶ stop wanting those it replaces
//! ```
//!
//! A successor is at first wanted `Ready`: prepared, but started only once those before it have stopped and its
//! delay is over. A slot keeps the task spec that it has; only a roll-out ([`super::rollout`]) changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use model::id::NodeId;
use model::time::Timestamp;
use model::version::Version;

use crate::object::service::Service;
use crate::object::spec::{Placement, UpdateOrder};
use crate::object::task::{Slot, Task, TaskRecord, TaskState, TaskStatus};
use crate::plan::draft::Draft;
use crate::plan::restart::{self, Verdict};
use crate::plan::rollout;
use crate::state::ClusterState;

/// A slot, and all tasks that have filled it and are still known.
#[derive(Debug, Clone)]
pub(super) struct SlotView<'s> {
    pub(super) slot: Slot,
    /// The oldest first.
    pub(super) tasks: Vec<&'s TaskRecord>,
}

impl<'s> SlotView<'s> {
    /// The newest task that is wanted.
    pub(super) fn current(&self) -> Option<&'s TaskRecord> {
        self.tasks
            .iter()
            .rev()
            .find(|record| record.is_wanted())
            .copied()
    }

    /// The newest task.
    pub(super) fn newest(&self) -> Option<&'s TaskRecord> {
        self.tasks.last().copied()
    }

    /// The wanted tasks that `current` replaces.
    pub(super) fn elders(&self) -> impl Iterator<Item = &'s TaskRecord> + '_ {
        let current = self.current().map(|record| record.task.id);
        self.tasks
            .iter()
            .copied()
            .filter(move |it| it.is_wanted() && Some(it.task.id) != current)
    }

    /// The task spec that the slot runs, or ran last.
    pub(super) fn spec(&self) -> Option<Version> {
        self.current()
            .or_else(|| self.newest())
            .map(|record| record.task.spec)
    }

    fn next_incarnation(&self) -> u32 {
        self.tasks
            .iter()
            .map(|it| it.task.incarnation)
            .max()
            .map_or(0, |highest| highest.saturating_add(1))
    }
}

/// How far the tasks of a service should come.
pub(super) fn goal(service: &Service) -> TaskState {
    if service.spec.mode.is_job() {
        TaskState::Complete
    } else {
        TaskState::Running
    }
}

/// Looks after a slot that is to stay as it is.
pub(super) fn tend(draft: &mut Draft<'_>, service: &Service, view: &SlotView<'_>) {
    let Some(current) = view.current() else {
        return fill(draft, service, view);
    };
    if current.is_over() {
        return follow_up(draft, service, view, current);
    }
    if !may_stay(draft.state, &service.spec.placement, current) {
        draft.desire(current, TaskState::Shutdown);
        let plan = Successor {
            spec: current.task.spec,
            restarts: current.task.restarts.clone(),
            delay: Duration::ZERO,
        };
        return succeed(draft, service, view, plan);
    }
    if current.task.desired < goal(service) {
        promote(draft, service, view, current);
    }
    let replaced = current.status.state == TaskState::Running
        || (current.task.desired == TaskState::Ready
            && service.spec.update.order == UpdateOrder::StopFirst);
    for elder in view.elders() {
        if replaced || elder.is_over() || !may_stay(draft.state, &service.spec.placement, elder) {
            draft.desire(elder, TaskState::Shutdown);
        }
    }
}

/// Nothing in the slot is wanted: fills it, unless its last task ended and is not to be tried again.
fn fill(draft: &mut Draft<'_>, service: &Service, view: &SlotView<'_>) {
    let Some(newest) = view.newest() else { return };
    let plan = match (restart::ended_by_itself(newest), verdict(service, newest)) {
        (true, Verdict::Leave) => return,
        (true, Verdict::Again { delay, restarts }) => Successor {
            spec: newest.task.spec,
            restarts,
            delay: left_of(delay, newest.status.at, draft.now),
        },
        (false, _) => {
            let restarts = newest.task.restarts.clone();
            Successor {
                spec: newest.task.spec,
                restarts,
                delay: Duration::ZERO,
            }
        }
    };
    succeed(draft, service, view, plan);
}

/// The wanted task of the slot is over.
fn follow_up(draft: &mut Draft<'_>, service: &Service, view: &SlotView<'_>, ended: &TaskRecord) {
    if ended.status.state == TaskState::Complete && service.spec.mode.is_job() {
        return;
    }
    draft.desire(ended, TaskState::Shutdown);
    let spec = ended.task.spec;
    if !restart::ended_by_itself(ended) {
        let plan = Successor {
            spec,
            restarts: ended.task.restarts.clone(),
            delay: Duration::ZERO,
        };
        return succeed(draft, service, view, plan);
    }
    if let Verdict::Again { delay, restarts } = verdict(service, ended) {
        let delay = left_of(delay, ended.status.at, draft.now);
        succeed(
            draft,
            service,
            view,
            Successor {
                spec,
                restarts,
                delay,
            },
        );
    }
}

/// What the restart policy says; a job's task that completed has done what it should.
fn verdict(service: &Service, ended: &TaskRecord) -> Verdict {
    if service.spec.mode.is_job() && ended.status.state == TaskState::Complete {
        return Verdict::Leave;
    }
    restart::verdict(&service.spec.restart, ended)
}

/// The delay runs from the end of the task, not from when somebody noticed.
fn left_of(delay: Duration, since: Timestamp, now: Timestamp) -> Duration {
    delay.saturating_sub(now.since(since))
}

/// Whether a slot's last task ended and is not to be tried again.
pub(super) fn is_finished(service: &Service, view: &SlotView<'_>) -> bool {
    let last = view.current().or_else(|| view.newest());
    last.is_some_and(|last| {
        restart::ended_by_itself(last) && verdict(service, last) == Verdict::Leave
    })
}

/// What a successor takes over.
#[derive(Debug, Clone)]
pub(super) struct Successor {
    pub(super) spec: Version,
    pub(super) restarts: Box<[Timestamp]>,
    pub(super) delay: Duration,
}

/// Makes the next task of a slot.
pub(super) fn succeed(
    draft: &mut Draft<'_>,
    service: &Service,
    view: &SlotView<'_>,
    plan: Successor,
) {
    // The last spec may be forgotten by now if a plan was carried out in part; the present one is as good.
    let last = rollout::spec_after(service, plan.spec);
    let spec = if draft.state.spec(service.id, last).is_some() {
        last
    } else {
        service.task_version
    };
    let free = !view.tasks.iter().any(|record| blocks(draft, record));
    let desired = if free && plan.delay.is_zero() {
        goal(service)
    } else {
        TaskState::Ready
    };
    if !plan.delay.is_zero() {
        draft.wake(service.id, draft.now.after(plan.delay));
    }
    let seed = Seed {
        slot: view.slot,
        incarnation: view.next_incarnation(),
        desired,
    };
    create(draft, service, seed, Successor { spec, ..plan });
}

/// Makes the first task of each of `slots`. Where tasks are still being removed from a slot of that name, it
/// starts when they have stopped.
pub(super) fn open(draft: &mut Draft<'_>, service: &Service, slots: impl Iterator<Item = Slot>) {
    let mut slots = slots.peekable();
    if slots.peek().is_none() {
        return;
    }
    let removed =
        |it: &&TaskRecord| draft.desired(it) >= TaskState::Remove && !draft.is_deleted(it);
    let mut leaving = by_slot(
        draft
            .state
            .tasks_of(service.id)
            .filter(removed)
            .map(|it| (it.task.slot, it)),
    );
    for slot in slots {
        let view = leaving.remove(&slot).unwrap_or(SlotView {
            slot,
            tasks: Vec::new(),
        });
        let plan = Successor {
            spec: service.task_version,
            restarts: Box::default(),
            delay: Duration::ZERO,
        };
        succeed(draft, service, &view, plan);
    }
}

#[derive(Clone, Copy)]
struct Seed {
    slot: Slot,
    incarnation: u32,
    desired: TaskState,
}

fn create(draft: &mut Draft<'_>, service: &Service, seed: Seed, plan: Successor) {
    let task = Task {
        id: draft.new_task_id(),
        version: Version::default(),
        born: Version::default(),
        service: service.id,
        slot: seed.slot,
        incarnation: seed.incarnation,
        spec: plan.spec,
        node: None,
        desired: seed.desired,
        created: draft.now,
        delay: plan.delay,
        attachments: Box::default(),
        restarts: plan.restarts,
    };
    draft.create(TaskRecord {
        task,
        status: TaskStatus::new(TaskState::Pending, draft.now),
    });
}

/// Wants a prepared task to run, if nothing stands before it any more.
fn promote(draft: &mut Draft<'_>, service: &Service, view: &SlotView<'_>, current: &TaskRecord) {
    if let Some(alarm) = restart::remaining(current.task.created, current.task.delay, draft.now) {
        draft.wake(service.id, alarm);
        return;
    }
    if !view.tasks.iter().any(|record| blocks(draft, record)) {
        draft.desire(current, goal(service));
    }
}

/// Whether `record` must stop before its successor may start: it is not wanted, and may still run where that
/// matters. On a node that is down it may run for ever, for all anybody knows; it is stopped when the node is
/// back.
fn blocks(draft: &Draft<'_>, record: &TaskRecord) -> bool {
    let on = record
        .task
        .node
        .and_then(|node| draft.state.nodes().get(&node));
    !draft.is_wanted(record)
        && !record.is_over()
        && on.is_some_and(|node| !node.status.state.is_down())
}

/// Whether a task may stay where it is. One that has no node yet may.
pub(super) fn may_stay(state: &ClusterState, placement: &Placement, record: &TaskRecord) -> bool {
    record
        .task
        .node
        .is_none_or(|node| may_keep(state, placement, node))
}

/// Whether a task may stand in a slot of another mode. One that is only wanted ready may not: it waits for others
/// of its own slot, which would be forgotten.
pub(super) fn stands_by_itself(record: &TaskRecord) -> bool {
    record.is_active() && record.task.desired == TaskState::Running
}

/// Whether a node may keep the tasks it has of a service.
pub(super) fn may_keep(state: &ClusterState, placement: &Placement, node: NodeId) -> bool {
    state.nodes().get(&node).is_some_and(|node| {
        node.keeps_tasks()
            && placement
                .constraints
                .iter()
                .all(|constraint| constraint.is_met_by(node))
    })
}

/// The slots of a service, in order, each task in its own, the oldest of each first.
pub(super) fn by_slot<'s>(
    tasks: impl Iterator<Item = (Slot, &'s TaskRecord)>,
) -> BTreeMap<Slot, SlotView<'s>> {
    let mut views: BTreeMap<Slot, SlotView<'s>> = BTreeMap::new();
    for (slot, record) in tasks {
        views
            .entry(slot)
            .or_insert_with(|| SlotView {
                slot,
                tasks: Vec::new(),
            })
            .tasks
            .push(record);
    }
    for view in views.values_mut() {
        view.tasks
            .sort_unstable_by_key(|record| (record.task.incarnation, record.task.id));
    }
    views
}
