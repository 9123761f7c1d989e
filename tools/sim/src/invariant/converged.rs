//! After the faults end, each service comes to have what is asked of it, as far as the nodes allow, and then the
//! planner finds nothing to do.

use std::collections::BTreeSet;

use swarm_core::object::node::Node;
use swarm_core::object::service::{RolloutState, Service};
use swarm_core::object::spec::{RestartCondition, ServiceMode};
use swarm_core::object::task::{TaskRecord, TaskState};

use crate::invariant::{Invariant, Moment, When, dirty_is_enough};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "the cluster converges",
    when: When::End,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    dirty_is_enough::nothing_to_do(moment)?;
    for service in moment.state.services().values() {
        has_its_tasks(moment, service)?;
        runs_its_spec(moment, service)?;
    }
    Ok(())
}

fn has_its_tasks(moment: &Moment<'_>, service: &Service) -> Result<(), String> {
    let tasks = || moment.state.tasks_of(service.id);
    let slots = |counts: fn(&TaskRecord) -> bool| {
        tasks()
            .filter(|it| counts(it))
            .map(|it| it.task.slot)
            .collect::<BTreeSet<_>>()
            .len()
    };
    let served = slots(|it| it.is_waiting() || it.is_running());
    let complete = slots(|it| it.is_wanted() && it.status.state == TaskState::Complete);
    let stuck = tasks().find(|it| it.is_active() && !it.is_waiting() && !it.is_running());
    if let Some(record) = stuck {
        return Err(format!("{}: {record:#?} stays", service.spec.name));
    }
    let suits = |node: &&Node| {
        let constraints = &service.spec.placement.constraints;
        node.takes_tasks() && constraints.iter().all(|it| it.is_met_by(node))
    };
    let nodes = moment.state.nodes().values().filter(suits).count();
    let per_node = served + complete;
    let (have, want) = match service.spec.mode {
        ServiceMode::Replicated { replicas } => {
            (served, usize::try_from(replicas).unwrap_or(usize::MAX))
        }
        ServiceMode::ReplicatedJob { completions, .. } => (
            served + complete,
            usize::try_from(completions).unwrap_or(usize::MAX),
        ),
        ServiceMode::Global | ServiceMode::GlobalJob => (per_node, nodes),
    };
    let restarts = &service.spec.restart;
    let for_ever = restarts.max_attempts.is_none() && restarts.condition == RestartCondition::Any;
    let enough = if for_ever && !service.spec.mode.is_job() {
        have >= want
    } else {
        true
    };
    // A paused node keeps its task, a job may have had more completed than it is asked for now, and old tasks
    // of another mode stand in for new ones that wait.
    let held_up = tasks().any(TaskRecord::is_waiting);
    let too_many =
        have > want && !service.spec.mode.is_per_node() && !service.spec.mode.is_job() && !held_up;
    if enough && !too_many {
        Ok(())
    } else {
        Err(format!("{}: {have} of {want} tasks", service.spec.name))
    }
}

fn runs_its_spec(moment: &Moment<'_>, service: &Service) -> Result<(), String> {
    let paused = service
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.state == RolloutState::Paused);
    // A new task that finds no room holds up those after it; its note says why.
    let held_up = moment
        .state
        .tasks_of(service.id)
        .any(TaskRecord::is_waiting);
    if paused || held_up {
        return Ok(());
    }
    let kept = |record: &TaskRecord| {
        record
            .task
            .node
            .and_then(|node| moment.state.nodes().get(&node))
            .is_some_and(|node| !node.takes_tasks())
    };
    let tried = |record: &TaskRecord| {
        // A roll-out that goes on after failures keeps what it could not replace.
        let same_slot =
            |it: &&TaskRecord| it.task.slot == record.task.slot && it.task.id != record.task.id;
        let mut others = moment.state.tasks_of(service.id).filter(same_slot);
        others.any(TaskRecord::has_failed)
    };
    let mut old = moment.state.tasks_of(service.id).filter(|it| {
        it.is_wanted() && it.task.spec != service.task_version && !kept(it) && !tried(it)
    });
    match old.next() {
        Some(record) => {
            let slot: Vec<_> = moment
                .state
                .tasks_of(service.id)
                .filter(|it| it.task.slot == record.task.slot)
                .collect();
            Err(format!(
                "{}: an old spec still runs in {slot:#?}\n{:#?}",
                service.spec.name, service.rollout
            ))
        }
        None => Ok(()),
    }
}
