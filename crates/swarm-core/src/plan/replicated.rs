//! Services of so many replicas, always.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use model::id::NodeId;

use crate::object::service::Service;
use crate::object::task::{Slot, TaskRecord, TaskState};
use crate::plan::draft::Draft;
use crate::plan::rollout;
use crate::plan::slot::{self, SlotView};

/// Brings the slots of a service to `replicas`, and looks after each.
pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service, replicas: u32) {
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
    let mut views = views(draft, service, wanted);
    if views.len() > wanted {
        scale_down(draft, &mut views, wanted);
    }
    let opened = scale_up(draft, service, &views, wanted);
    let updated = rollout::advance(draft, service, &views);
    let service = &draft.service(service.id).unwrap_or(service).clone();
    for view in views
        .values()
        .filter(|view| !updated.contains(&view.slot) && !opened.contains(&view.slot))
    {
        slot::tend(draft, service, view);
    }
}

/// The slots of a service that are not being removed.
///
/// A task left from when the service was global stands in for a replica whose number is free: what runs is not
/// restarted for a change of mode. See [`super::global`] for the reverse.
fn views<'s>(
    draft: &mut Draft<'s>,
    service: &Service,
    wanted: usize,
) -> BTreeMap<Slot, SlotView<'s>> {
    let mut own: Vec<(Slot, &'s TaskRecord)> = Vec::new();
    let mut standing_in: Vec<&'s TaskRecord> = Vec::new();
    for record in draft.state.tasks_of(service.id) {
        match record.task.slot {
            Slot::Replica(_) => own.push((record.task.slot, record)),
            Slot::Node(_)
                if slot::stands_by_itself(record)
                    && slot::may_stay(draft.state, &service.spec.placement, record) =>
            {
                standing_in.push(record);
            }
            Slot::Node(_) => draft.desire(record, TaskState::Remove),
        }
    }
    let mut views = slot::by_slot(own.into_iter());
    let leaving = views
        .extract_if(.., |_, view| {
            view.tasks
                .iter()
                .all(|it| it.task.desired >= TaskState::Remove)
        })
        .collect();
    for record in stand_in(service, &mut views, leaving, standing_in, wanted) {
        draft.desire(record, TaskState::Remove);
    }
    views
}

/// Gives each of `tasks` a slot to stand in; returns those that are not needed. If there are more than are
/// missing, they are elders of the slots that don't run yet but will: a start-first roll-out has brought those in
/// their place. A slot that has ended for good takes none: it would look out of date again, and be filled at once.
/// What is `leaving` a slot of the same number still holds back whoever comes after the one that stands in.
fn stand_in<'s>(
    service: &Service,
    views: &mut BTreeMap<Slot, SlotView<'s>>,
    mut leaving: BTreeMap<Slot, SlotView<'s>>,
    tasks: Vec<&'s TaskRecord>,
    wanted: usize,
) -> Vec<&'s TaskRecord> {
    let surplus = (views.len() + tasks.len()).saturating_sub(wanted);
    let mut tasks = tasks.into_iter();
    let idle = views.values_mut().filter(|view| {
        !view.current().is_some_and(TaskRecord::is_running) && !slot::is_finished(service, view)
    });
    for (view, record) in idle.take(surplus).zip(tasks.by_ref()) {
        view.tasks.insert(0, record);
    }
    let missing = wanted.saturating_sub(views.len()).min(tasks.len());
    let free: Vec<Slot> = numbers()
        .filter(|slot| !views.contains_key(slot))
        .take(missing)
        .collect();
    for (slot, record) in free.into_iter().zip(tasks.by_ref()) {
        let view = leaving.remove(&slot).unwrap_or(SlotView {
            slot,
            tasks: Vec::new(),
        });
        views.entry(slot).or_insert(view).tasks.push(record);
    }
    tasks.collect()
}

/// Removes slots until `wanted` are left: those that don't run first, then from the nodes that have most.
fn scale_down(draft: &mut Draft<'_>, views: &mut BTreeMap<Slot, SlotView<'_>>, wanted: usize) {
    let mut per_node: BTreeMap<Option<NodeId>, usize> = BTreeMap::new();
    let mut ranked: Vec<(bool, usize, Slot)> = Vec::with_capacity(views.len());
    for view in views.values() {
        let current = view.current();
        let idle = !current.is_some_and(TaskRecord::is_running);
        let before = per_node
            .entry(current.and_then(|it| it.task.node))
            .or_default();
        *before += 1;
        ranked.push((idle, *before, view.slot));
    }
    ranked.sort_unstable();
    for (_, _, slot) in ranked.split_off(wanted) {
        if let Some(view) = views.remove(&slot) {
            for record in view.tasks {
                draft.desire(record, TaskState::Remove);
            }
        }
    }
}

/// Opens slots, with the lowest free numbers, until there are `wanted`.
fn scale_up(
    draft: &mut Draft<'_>,
    service: &Service,
    views: &BTreeMap<Slot, SlotView<'_>>,
    wanted: usize,
) -> BTreeSet<Slot> {
    let missing = wanted.saturating_sub(views.len());
    if missing == 0 {
        return BTreeSet::new();
    }
    let opened: BTreeSet<Slot> = numbers()
        .filter(|slot| !views.contains_key(slot))
        .take(missing)
        .collect();
    slot::open(draft, service, opened.iter().copied());
    opened
}

fn numbers() -> impl Iterator<Item = Slot> {
    (1..=u32::MAX)
        .filter_map(NonZeroU32::new)
        .map(Slot::Replica)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use model::id::{NodeId, ServiceId, TaskId};
    use model::time::Timestamp;
    use model::version::Version;

    use super::stand_in;
    use crate::object::service::Service;
    use crate::object::spec::{RestartCondition, RestartPolicy, ServiceSpec};
    use crate::object::task::{Slot, Task, TaskRecord, TaskState, TaskStatus};
    use crate::plan::slot;
    use crate::testing;

    fn service(condition: RestartCondition) -> Service {
        let spec = ServiceSpec {
            restart: RestartPolicy {
                condition,
                ..RestartPolicy::default()
            },
            ..testing::spec("web")
        };
        Service::new(ServiceId::from_number(1), spec)
    }

    fn task(number: u128, slot: Slot, state: TaskState) -> TaskRecord {
        let task = Task {
            id: TaskId::from_number(number),
            version: Version(1),
            born: Version(1),
            service: ServiceId::from_number(1),
            slot,
            incarnation: 0,
            spec: Version(2),
            node: Some(NodeId::from_number(1)),
            desired: TaskState::Running,
            created: Timestamp::default(),
            delay: Duration::ZERO,
            attachments: Box::default(),
            restarts: Box::default(),
        };
        TaskRecord {
            task,
            status: TaskStatus::new(state, Timestamp::default()),
        }
    }

    /// One replica is wanted, and its slot's task is in `state`; a task left from when the service was global runs
    /// beside it. Is that one kept?
    #[track_caller]
    fn check(condition: RestartCondition, state: TaskState, kept: bool) {
        let first = Slot::Replica(NonZeroU32::MIN);
        let own = task(1, first, state);
        let left = task(2, Slot::Node(NodeId::from_number(1)), TaskState::Running);
        let mut views = slot::by_slot([(first, &own)].into_iter());
        let needless = stand_in(
            &service(condition),
            &mut views,
            BTreeMap::new(),
            vec![&left],
            1,
        );
        assert_eq!(needless.is_empty(), kept);
        let tasks: Vec<TaskId> = views[&first].tasks.iter().map(|it| it.task.id).collect();
        let expected = if kept {
            vec![left.task.id, own.task.id]
        } else {
            vec![own.task.id]
        };
        assert_eq!(tasks, expected);
    }

    #[test]
    fn a_surplus_task_stands_in_where_another_is_coming_up() {
        for condition in [RestartCondition::None, RestartCondition::Any] {
            check(condition, TaskState::Starting, true);
            check(condition, TaskState::Running, false);
        }
        check(RestartCondition::Any, TaskState::Failed, true);
    }

    /// It made the slot look out of date, and so filled anew without the restart policy's delay.
    #[test]
    fn a_surplus_task_does_not_stand_in_where_the_last_ended_for_good() {
        check(RestartCondition::None, TaskState::Failed, false);
        check(RestartCondition::OnFailure, TaskState::Complete, false);
    }
}
