//! Rolling a changed task spec out to the slots, or back.
//!
//! A slot is *outdated* while it runs another spec than the service asks for, *on its way* from when its old
//! task is given up until its new one has come up (or failed) and the delay after it is over. No more slots than
//! the policy's parallelism are on their way at a time. New tasks that fail while they are watched count
//! against the policy's ratio; beyond it, the roll-out pauses, goes on or goes back.
//!
//! How far a roll-out has come is read off the tasks, so that a new leader goes on where the old one stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::time::Timestamp;
use model::version::Version;

use crate::object::service::{Direction, Rollout, RolloutState, Service};
use crate::object::spec::{FailureAction, UpdateOrder, UpdatePolicy};
use crate::object::task::{Slot, TaskRecord, TaskState};
use crate::plan::draft::Draft;
use crate::plan::note::{Reason, Subject};
use crate::plan::restart::remaining;
use crate::plan::slot::{self, SlotView, Successor};

/// Takes the roll-out of a service one step on; returns the slots that were given new tasks by it.
pub(super) fn advance(
    draft: &mut Draft<'_>,
    service: &Service,
    views: &BTreeMap<Slot, SlotView<'_>>,
) -> BTreeSet<Slot> {
    let Some(rollout) = present(draft, service, views) else {
        return BTreeSet::new();
    };
    let policy = policy(service, rollout.direction).clone();
    let mut next = rollout;
    let mut updated = BTreeSet::new();
    if next.state == RolloutState::Updating {
        let failed = failed_slots(&next, policy.monitor, views);
        next.failed.extend(failed);
        if too_many_failed(&next, &policy, views.len())
            && policy.failure_action != FailureAction::Continue
        {
            if let Some(back) = way_back(draft, service, &next, &policy) {
                draft.put_service(back);
                return updated;
            }
            next.state = RolloutState::Paused;
        } else {
            updated = update_slots(draft, service, &next, &policy, views);
            complete(draft, service, &mut next, &policy, views);
        }
    }
    if next.state == RolloutState::Paused {
        draft.note(Subject::Service(service.id), Reason::RolloutPaused);
    }
    if service.rollout.as_ref() != Some(&next) {
        let stored = draft.service(service.id).unwrap_or(service).clone();
        draft.put_service(Service {
            rollout: Some(next),
            ..stored
        });
    }
    updated
}

/// The roll-out that is going on, or should be.
fn present(
    draft: &Draft<'_>,
    service: &Service,
    views: &BTreeMap<Slot, SlotView<'_>>,
) -> Option<Rollout> {
    let target = service.task_version;
    let outdated = views.values().any(|view| view.spec() != Some(target));
    let begin = || Rollout::new(Direction::Update, target, draft.state.revision(), draft.now);
    match &service.rollout {
        Some(rollout) if rollout.target == target => match rollout.state {
            RolloutState::Updating | RolloutState::Paused => Some(rollout.clone()),
            // A slot that could not take part, on a paused node say, can now. One that was tried in vain is not
            // tried again.
            RolloutState::Completed => {
                let policy = policy(service, rollout.direction);
                let missed = |view: &SlotView<'_>| {
                    view.current().is_some()
                        && matches!(progress(draft, rollout, policy, view), Progress::Outdated)
                };
                Some(if views.values().any(missed) {
                    begin()
                } else {
                    rollout.clone()
                })
            }
        },
        Some(rollout) => match rollout.state {
            RolloutState::Updating => Some(begin()),
            RolloutState::Paused | RolloutState::Completed => outdated.then(begin),
        },
        None => outdated.then(begin),
    }
}

/// Which spec the next task of a slot runs that ran `last`: the same while a roll-out is under way or paused,
/// since only that changes it; the service's present one otherwise.
pub(super) fn spec_after(service: &Service, last: Version) -> Version {
    let open = service
        .rollout
        .as_ref()
        .is_some_and(|rollout| match rollout.state {
            RolloutState::Updating | RolloutState::Paused => rollout.target == service.task_version,
            RolloutState::Completed => false,
        });
    if open { last } else { service.task_version }
}

fn policy(service: &Service, direction: Direction) -> &UpdatePolicy {
    match direction {
        Direction::Update => &service.spec.update,
        Direction::Rollback => &service.spec.rollback,
    }
}

/// The tasks of a slot that this roll-out brought. One that stands in from another mode says nothing of it, nor
/// does one that is being removed: it was of an earlier slot of that number.
fn brought<'v>(
    rollout: &'v Rollout,
    view: &'v SlotView<'_>,
) -> impl Iterator<Item = &'v TaskRecord> {
    let of_rollout = |it: &&TaskRecord| {
        let own = it.task.slot == view.slot && it.task.desired < TaskState::Remove;
        own && it.task.spec == rollout.target && it.task.born > rollout.since
    };
    view.tasks.iter().copied().filter(of_rollout)
}

fn failed_slots(
    rollout: &Rollout,
    monitor: Duration,
    views: &BTreeMap<Slot, SlotView<'_>>,
) -> Vec<Slot> {
    let while_watched = move |it: &TaskRecord| {
        it.has_failed()
            && it
                .status
                .started
                .is_none_or(|started| it.status.at.since(started) <= monitor)
    };
    let failed = |view: &&SlotView<'_>| brought(rollout, view).any(while_watched);
    views
        .values()
        .filter(failed)
        .map(|view| view.slot)
        .collect()
}

fn too_many_failed(rollout: &Rollout, policy: &UpdatePolicy, slots: usize) -> bool {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let failed = rollout.failed.len();
    failed > 0 && count(failed) > f64::from(policy.max_failure_ratio) * count(slots)
}

/// The service with its previous spec, if that is what the policy wants now and there is one.
fn way_back(
    draft: &Draft<'_>,
    service: &Service,
    rollout: &Rollout,
    policy: &UpdatePolicy,
) -> Option<Service> {
    let back = match (rollout.direction, policy.failure_action) {
        (Direction::Update, FailureAction::Rollback) => service
            .rolled_back(draft.state.revision(), draft.now)
            .ok()?,
        (Direction::Update, FailureAction::Pause | FailureAction::Continue)
        | (Direction::Rollback, _) => {
            return None;
        }
    };
    let usable = back.spec.mode.is_job() == service.spec.mode.is_job();
    usable.then_some(back)
}

/// Gives new tasks to as many outdated slots as may be on their way.
fn update_slots(
    draft: &mut Draft<'_>,
    service: &Service,
    rollout: &Rollout,
    policy: &UpdatePolicy,
    views: &BTreeMap<Slot, SlotView<'_>>,
) -> BTreeSet<Slot> {
    let mut on_their_way = 0_usize;
    let mut outdated: Vec<&SlotView<'_>> = Vec::new();
    for view in views.values() {
        match progress(draft, rollout, policy, view) {
            Progress::Outdated => outdated.push(view),
            Progress::OnItsWay(alarm) => {
                on_their_way += 1;
                if let Some(alarm) = alarm {
                    draft.wake(service.id, alarm);
                }
            }
            Progress::Done => (),
        }
    }
    let allowed = match usize::try_from(policy.parallelism) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(parallelism) => parallelism.saturating_sub(on_their_way),
    };
    // Slots that serve nobody lose nothing by waiting no longer.
    outdated.sort_by_key(|view| view.current().is_some_and(TaskRecord::is_running));
    let chosen = &outdated[..allowed.min(outdated.len())];
    for view in chosen {
        update_slot(draft, service, policy.order, view);
    }
    chosen.iter().map(|view| view.slot).collect()
}

enum Progress {
    /// It runs another spec.
    Outdated,
    /// Its new task is not up yet, or the delay after it is not over: until then, if that is known.
    OnItsWay(Option<Timestamp>),
    /// It runs the new spec.
    Done,
}

fn progress(
    draft: &Draft<'_>,
    rollout: &Rollout,
    policy: &UpdatePolicy,
    view: &SlotView<'_>,
) -> Progress {
    let came_up = brought(rollout, view).filter_map(settled_at).min();
    if view.spec() != Some(rollout.target) {
        // Tried, failed for good, and the old task was kept: there is no use in trying for ever.
        let tried = came_up.is_some() && view.current().is_some_and(TaskRecord::is_running);
        return if tried {
            Progress::Done
        } else {
            Progress::Outdated
        };
    }
    let Some(current) = brought(rollout, view).last() else {
        return if is_coming_up_for_another(rollout, view) {
            Progress::OnItsWay(None)
        } else {
            Progress::Done
        };
    };
    // One that was moved or restarted with its own spec is not being updated.
    let replaced_one = replaced(rollout, view).is_some_and(|it| it.task.spec != rollout.target);
    match came_up {
        Some(at) => remaining(at, policy.delay, draft.now)
            .map_or(Progress::Done, |alarm| Progress::OnItsWay(Some(alarm))),
        None if replaced_one && !current.is_over() => Progress::OnItsWay(None),
        None => Progress::Done,
    }
}

/// Whether what stands in from another mode is itself new and not up yet. What it came in the place of was of its own
/// slot and is not seen here, so it counts as being updated: better one too few at a time than one too many.
fn is_coming_up_for_another(rollout: &Rollout, view: &SlotView<'_>) -> bool {
    view.current().is_some_and(|it| {
        it.task.slot != view.slot
            && it.task.born > rollout.since
            && it.status.started.is_none()
            && !it.is_over()
    })
}

/// What the first task that this roll-out brought to a slot came in the place of: the newest that was still
/// wanted then, which need not be the newest there was, as a way back keeps an older one; the newest, if none
/// was. One of another mode with the new spec that is only waited for is neither.
fn replaced<'v>(rollout: &Rollout, view: &'v SlotView<'_>) -> Option<&'v TaskRecord> {
    let first = brought(rollout, view).next()?;
    let earlier = || {
        let of_slot =
            |it: &TaskRecord| it.task.slot == view.slot || it.task.spec != first.task.spec;
        let others = view.tasks.iter().rev().copied();
        others
            .skip_while(|it| it.task.id != first.task.id)
            .skip(1)
            .filter(move |it| of_slot(it))
    };
    // What is not wanted is written no more.
    let was_wanted = |it: &&TaskRecord| it.is_wanted() || it.task.version >= first.task.born;
    earlier().find(was_wanted).or_else(|| earlier().next())
}

/// When a new task came up, or was seen to fail before it did.
fn settled_at(record: &TaskRecord) -> Option<Timestamp> {
    record
        .status
        .started
        .or_else(|| record.is_over().then_some(record.status.at))
}

fn update_slot(draft: &mut Draft<'_>, service: &Service, order: UpdateOrder, view: &SlotView<'_>) {
    let running = || {
        let stays = |it: &TaskRecord| slot::may_stay(draft.state, &service.spec.placement, it);
        let runs = move |it: &&TaskRecord| it.is_running() && stays(it);
        view.tasks.iter().rev().copied().filter(runs)
    };
    // Back to the spec that an older task, not replaced yet, still runs: it need not be replaced at all, though
    // the newer one may run beside it by now.
    let as_wanted = running().find(|it| it.task.spec == service.task_version);
    let there_already = as_wanted.is_some();
    let running = as_wanted.or_else(|| running().next());
    let kept = match order {
        UpdateOrder::StartFirst => running,
        UpdateOrder::StopFirst => running.filter(|_| there_already),
    };
    for record in view.tasks.iter().filter(|it| it.is_wanted()) {
        if kept.is_none_or(|kept| kept.task.id != record.task.id) {
            draft.desire(record, TaskState::Shutdown);
        }
    }
    if !there_already {
        // Whoever is kept is still wanted, so the successor does not wait for it; for all others it does.
        let plan = Successor {
            spec: service.task_version,
            restarts: Box::default(),
            delay: Duration::ZERO,
        };
        slot::succeed(draft, service, view, plan);
    }
}

/// Ends the roll-out when all slots have come up and have been watched long enough.
fn complete(
    draft: &mut Draft<'_>,
    service: &Service,
    rollout: &mut Rollout,
    policy: &UpdatePolicy,
    views: &BTreeMap<Slot, SlotView<'_>>,
) {
    for view in views.values() {
        match progress(draft, rollout, policy, view) {
            Progress::Outdated | Progress::OnItsWay(_) => return,
            Progress::Done => (),
        }
    }
    let settled = |view: &SlotView<'_>| brought(rollout, view).filter_map(settled_at).max();
    let last: Option<Timestamp> = views.values().filter_map(settled).max();
    if let Some(alarm) = last.and_then(|last| remaining(last, policy.monitor, draft.now)) {
        draft.wake(service.id, alarm);
    } else {
        rollout.state = RolloutState::Completed;
        rollout.completed = Some(draft.now);
    }
}
