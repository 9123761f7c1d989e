//! Services whose tasks run to their end: so many of them, or one on each node.
//!
//! Each version of the task spec is a run of its own: a changed spec, or a forced update, runs the job again.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::object::service::Service;
use crate::object::task::{Slot, TaskState};
use crate::plan::draft::Draft;
use crate::plan::global;
use crate::plan::slot::{self, SlotView};

/// Has tasks run, `concurrent` at a time, until `completions` have completed.
pub(super) fn reconcile_replicated(
    draft: &mut Draft<'_>,
    service: &Service,
    completions: u32,
    concurrent: u32,
) {
    let views = present_run(draft, service);
    let total = usize::try_from(completions).unwrap_or(usize::MAX);
    let concurrent = match usize::try_from(concurrent) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(concurrent) => concurrent,
    };
    let mut running = 0;
    let mut opened = 0;
    for (position, view) in views.values().enumerate() {
        if position >= total && !has_completed(view) {
            global::leave(draft, view);
            continue;
        }
        opened += 1;
        running += usize::from(!slot::is_finished(service, view));
        slot::tend(draft, service, view);
    }
    let missing = concurrent
        .saturating_sub(running)
        .min(total.saturating_sub(opened));
    let numbers = (1..=u32::MAX)
        .filter_map(NonZeroU32::new)
        .map(Slot::Replica);
    slot::open(
        draft,
        service,
        numbers
            .filter(|slot| !views.contains_key(slot))
            .take(missing),
    );
}

/// Has a task run to its end on each node that should have one.
pub(super) fn reconcile_global(draft: &mut Draft<'_>, service: &Service) {
    let views = present_run(draft, service);
    for view in views.values() {
        match view.slot {
            Slot::Node(node) if slot::may_keep(draft.state, &service.spec.placement, node) => {
                slot::tend(draft, service, view);
            }
            Slot::Node(_) | Slot::Replica(_) if has_completed(view) => (),
            Slot::Node(_) | Slot::Replica(_) => global::leave(draft, view),
        }
    }
    let missing = global::nodes_without(draft, service, &views);
    slot::open(draft, service, missing.into_iter().map(Slot::Node));
}

/// The slots of the present run. The tasks of earlier ones are removed; those that have not stopped yet hold
/// their slot's new task back.
fn present_run<'s>(draft: &mut Draft<'s>, service: &Service) -> BTreeMap<Slot, SlotView<'s>> {
    let per_node = service.spec.mode.is_per_node();
    let (mut tasks, mut leaving) = (Vec::new(), Vec::new());
    for record in draft.state.tasks_of(service.id) {
        let fits = match record.task.slot {
            Slot::Node(_) => per_node,
            Slot::Replica(_) => !per_node,
        };
        if fits && record.task.spec == service.task_version {
            tasks.push((record.task.slot, record));
        } else {
            draft.desire(record, TaskState::Remove);
            leaving.push(record);
        }
    }
    let mut views = slot::by_slot(tasks.into_iter());
    views.retain(|_, view| {
        view.tasks
            .iter()
            .any(|it| it.task.desired < TaskState::Remove)
    });
    for record in leaving.into_iter().filter(|record| !record.is_over()) {
        if let Some(view) = views.get_mut(&record.task.slot) {
            view.tasks.insert(0, record);
        }
    }
    views
}

fn has_completed(view: &SlotView<'_>) -> bool {
    view.tasks
        .iter()
        .any(|it| it.status.state == TaskState::Complete)
}
