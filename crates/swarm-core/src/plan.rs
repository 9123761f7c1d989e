//! The decisions: from the state, and what of it to look at, to the changes that should be made.
//!
//! ```text
//! dirty ─▶ allocate ─▶ each service looked at ─▶ schedule ─▶ transaction, alarms, notes
//!          networks,   replicated · global · job  the tasks
//!          ports,      each slot tended,          that wait
//!          addresses   roll-out, history
//! ```
//!
//! Level-triggered: what is decided depends on the state as it is, not on how it came to be so. Planning from a
//! state that is as it should be gives an empty transaction, and whatever was missed is decided the next time.
//! Nothing here writes; the phases note their decisions in a `draft::Draft`. Start with [`plan`], then the
//! module `slot` for what happens to one slot.

pub mod agenda;
pub mod note;

mod allocate;
mod draft;
mod global;
mod history;
mod job;
mod replicated;
mod restart;
mod rollout;
mod schedule;
mod slot;

use std::collections::{BTreeMap, BTreeSet};

use model::id::ServiceId;
use model::time::Timestamp;

use crate::object::spec::ServiceMode;
use crate::object::task::TaskState;
use crate::plan::draft::Draft;
use crate::plan::note::Note;
use crate::state::ClusterState;
use crate::state::dirty::{Dirty, Room};
use crate::state::transaction::Transaction;

/// What should be done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The changes to propose. They may be cut into batches anywhere.
    pub transaction: Transaction,
    /// The services to look at again, and when, though nothing changes until then.
    pub alarms: BTreeMap<ServiceId, Timestamp>,
    /// The services looked at: what is known of others from earlier still holds.
    pub looked_at: BTreeSet<ServiceId>,
    /// Why what was asked for is not done.
    pub notes: Vec<Note>,
}

/// Decides what should be done about `dirty`, at `now`, with new ids from `ids`.
pub fn plan(
    state: &ClusterState,
    dirty: &Dirty,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Plan {
    let mut draft = Draft::new(state, now, ids);
    let looked_at = services_to_look_at(state, dirty);
    allocate::networks(&mut draft, dirty);
    allocate::nodes(&mut draft, dirty);
    for service in &looked_at {
        allocate::endpoint(&mut draft, *service);
        look_at(&mut draft, *service);
    }
    let waiting: Vec<_> = if dirty.is_everything() || dirty.room() == Room::Freed {
        state.index().waiting().iter().copied().collect()
    } else {
        let of_service = |service: &ServiceId| {
            let first = (*service, model::id::TaskId::from_number(0));
            let last = (*service, model::id::TaskId::from_number(u128::MAX));
            state.index().waiting().range(first..=last).copied()
        };
        looked_at.iter().flat_map(of_service).collect()
    };
    schedule::schedule(&mut draft, waiting);
    let (transaction, alarms, notes) = draft.finish();
    Plan {
        transaction,
        alarms,
        looked_at,
        notes,
    }
}

fn services_to_look_at(state: &ClusterState, dirty: &Dirty) -> BTreeSet<ServiceId> {
    if dirty.is_everything() {
        return state
            .services()
            .keys()
            .copied()
            .chain(state.services_with_tasks())
            .collect();
    }
    let index = state.index();
    let mut services = dirty.services().clone();
    for node in dirty.nodes() {
        services.extend(index.tasks_on(*node).map(|(service, _)| service));
    }
    if !dirty.nodes().is_empty() {
        services.extend(index.services_per_node());
    }
    for network in dirty.networks() {
        services.extend(index.services_on(*network));
    }
    if dirty.room() == Room::Freed {
        services.extend(index.unallocated());
    }
    services
}

fn look_at(draft: &mut Draft<'_>, id: ServiceId) {
    let Some(service) = draft.service(id).cloned() else {
        return remove_tasks(draft, id);
    };
    match service.spec.mode {
        ServiceMode::Replicated { replicas } => replicated::reconcile(draft, &service, replicas),
        ServiceMode::Global => global::reconcile(draft, &service),
        ServiceMode::ReplicatedJob {
            completions,
            concurrent,
        } => {
            job::reconcile_replicated(draft, &service, completions, concurrent);
        }
        ServiceMode::GlobalJob => job::reconcile_global(draft, &service),
    }
    history::clean_up(draft, id);
}

/// The service is gone: so must its tasks be.
fn remove_tasks(draft: &mut Draft<'_>, id: ServiceId) {
    for record in draft.state.tasks_of(id) {
        draft.desire(record, TaskState::Remove);
    }
    history::clean_up(draft, id);
}
