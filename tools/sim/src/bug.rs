//! Planted bugs: invariants are worth what they catch.
//!
//! Each bug sits at a seam between `swarm-core` and what surrounds it: what the planner is shown, what becomes
//! of its plan, of its marks, of the stored state, of what a node is told, or what an agent does. So each is what
//! a real bug there would look like from outside, and `swarm-core` knows nothing of them.

use std::fmt::Write as _;
use std::time::Duration;

use model::id::TaskId;
use model::size::Resources;
use swarm_core::assignment::Assignment;
use swarm_core::assignment::difference::{Difference, between};
use swarm_core::object::node::{Availability, NodeState};
use swarm_core::object::service::Service;
use swarm_core::object::spec::ServiceSpec;
use swarm_core::object::task::{TaskRecord, TaskState, TaskStatus};
use swarm_core::plan::Plan;
use swarm_core::state::ClusterState;
use swarm_core::state::dirty::{Dirty, Room};
use swarm_core::state::snapshot::Snapshot;
use swarm_core::state::transaction::{Change, Write};

macro_rules! bugs {
    ($($variant:ident, $name:literal, $what:literal;)+) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Bug {
            $(#[doc = $what] $variant,)+
        }

        impl Bug {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name on the command line, and what it does.
            pub(crate) const fn describe(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$variant => ($name, $what),)+
                }
            }
        }
    };
}

bugs! {
    AddressTwice, "address-twice", "a new task is given an address that another has";
    AlarmLost, "alarm-lost", "the leader forgets when to wake";
    ConstraintIgnored, "constraint-ignored", "the scheduler does not see constraints";
    DelayIgnored, "delay-ignored", "a failed task is restarted at once";
    DifferenceGarbled, "difference-garbled", "a node loses a difference and believes that it has it";
    DownNodeUsed, "down-node-used", "the scheduler takes every node for ready and active";
    HealthyReplaced, "healthy-replaced", "a task is replaced for no reason";
    MarkLost, "mark-lost", "the leader loses marks of services it should look at";
    Overcommitted, "overcommitted", "the scheduler takes nodes for larger than they are";
    ParallelismIgnored, "parallelism-ignored", "a roll-out takes all slots at once";
    PortTwice, "port-twice", "a port of a node is given to two tasks";
    PromotedEarly, "promoted-early", "a successor is wanted running before the old task has stopped";
    RemovalForgotten, "removal-forgotten", "tasks are never deleted";
    StartedTooEarly, "started-too-early", "an agent starts what should only be ready";
    StateBack, "state-back", "a stored task state goes back";
    StopIgnored, "stop-ignored", "an agent does not stop what runs";
    TaskTwice, "task-twice", "a new task is made twice";
}

/// The bugs, one a line.
pub(crate) fn list() -> String {
    Bug::ALL.iter().fold(String::new(), |mut text, bug| {
        let (name, what) = bug.describe();
        writeln!(text, "{name:20} {what}").expect("writing to a string does not fail");
        text
    })
}

/// The bug of that name.
pub(crate) fn named(name: &str) -> Option<Bug> {
    Bug::ALL
        .iter()
        .copied()
        .find(|bug| bug.describe().0 == name)
}

/// Whoever plants the bug: at each seam, what passes there is handed through, unless the bug is there.
#[derive(Debug)]
pub(crate) struct Saboteur {
    bug: Option<Bug>,
    calls: u64,
}

impl Saboteur {
    pub(crate) const fn new(bug: Option<Bug>) -> Self {
        Self { bug, calls: 0 }
    }

    pub(crate) const fn bug(&self) -> Option<Bug> {
        self.bug
    }

    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// What of `dirty` the leader remembers.
    pub(crate) fn lose_marks(&mut self, dirty: Dirty) -> Dirty {
        self.calls += 1;
        if !self.is(Bug::MarkLost) || dirty.is_everything() || !self.calls.is_multiple_of(3) {
            return dirty;
        }
        let mut kept = Dirty::nothing();
        for node in dirty.nodes() {
            kept.mark_node(*node);
        }
        for network in dirty.networks() {
            kept.mark_network(*network);
        }
        if dirty.room() == Room::Freed {
            kept.mark_room();
        }
        kept
    }

    /// What the planner is shown in place of `state`.
    pub(crate) fn doctor(&self, state: &ClusterState) -> Option<ClusterState> {
        let change: fn(&mut Snapshot) = match self.bug? {
            Bug::ConstraintIgnored => {
                |it| for_each_spec(it, |spec| spec.placement.constraints.clear())
            }
            Bug::ParallelismIgnored => |it| {
                for_each_spec(it, |spec| {
                    spec.update.parallelism = 0;
                    spec.rollback.parallelism = 0;
                });
            },
            Bug::DownNodeUsed => |it| {
                for node in &mut it.nodes {
                    node.status.state = NodeState::Ready;
                    node.spec.availability = Availability::Active;
                }
            },
            Bug::Overcommitted => |it| {
                for node in &mut it.nodes {
                    let large = Resources {
                        nano_cpus: u64::MAX,
                        memory_bytes: u64::MAX,
                    };
                    node.description.resources = large;
                }
            },
            Bug::AddressTwice
            | Bug::AlarmLost
            | Bug::DelayIgnored
            | Bug::DifferenceGarbled
            | Bug::HealthyReplaced
            | Bug::MarkLost
            | Bug::PortTwice
            | Bug::PromotedEarly
            | Bug::RemovalForgotten
            | Bug::StartedTooEarly
            | Bug::StateBack
            | Bug::StopIgnored
            | Bug::TaskTwice => return None,
        };
        let mut snapshot = state.snapshot();
        change(&mut snapshot);
        Some(ClusterState::restore(snapshot).expect("a state's own snapshot can be restored"))
    }

    /// What becomes of a plan.
    pub(crate) fn mutate(
        &mut self,
        mut plan: Plan,
        state: &ClusterState,
        ids: &mut fastrand::Rng,
    ) -> Plan {
        let Some(bug) = self.bug else { return plan };
        let changes = &mut plan.transaction.changes;
        undo_doctoring(changes, state);
        match bug {
            Bug::AlarmLost => plan.alarms.clear(),
            Bug::RemovalForgotten => changes.retain(|it| !matches!(it, Change::DeleteTask { .. })),
            Bug::TaskTwice => {
                let first = created(changes).next().map(|it| it.clone());
                if let Some(mut twin) = first {
                    twin.task.id = TaskId::from_number(ids.u128(..));
                    changes.push(Change::CreateTask(Box::new(twin)));
                }
            }
            Bug::DelayIgnored => created(changes)
                .filter(|it| !it.task.delay.is_zero())
                .for_each(|it| {
                    it.task.delay = Duration::ZERO;
                    it.task.desired = TaskState::Running;
                }),
            Bug::PromotedEarly => created(changes)
                .filter(|it| it.task.delay.is_zero() && it.task.desired == TaskState::Ready)
                .for_each(|it| it.task.desired = TaskState::Running),
            Bug::AddressTwice => created(changes).for_each(|it| copy_an_address(it, state)),
            Bug::PortTwice => created(changes).for_each(|it| move_to_a_taken_port(it, state)),
            Bug::HealthyReplaced => changes.extend(replace_a_healthy_task(state, ids)),
            Bug::ConstraintIgnored
            | Bug::DifferenceGarbled
            | Bug::DownNodeUsed
            | Bug::MarkLost
            | Bug::Overcommitted
            | Bug::ParallelismIgnored
            | Bug::StartedTooEarly
            | Bug::StateBack
            | Bug::StopIgnored => (),
        }
        plan
    }

    /// What becomes of the stored state.
    pub(crate) fn corrupt(&mut self, state: &mut ClusterState) {
        if !self.is(Bug::StateBack) {
            return;
        }
        let mut snapshot = state.snapshot();
        if let Some(record) = snapshot
            .tasks
            .iter_mut()
            .find(|it| it.status.state == TaskState::Running)
        {
            record.status.state = TaskState::Preparing;
            *state =
                ClusterState::restore(snapshot).expect("a state's own snapshot can be restored");
        }
    }

    /// What becomes of a difference on its way to a node.
    pub(crate) fn garble(&mut self, at: &Assignment, difference: Difference) -> Difference {
        self.calls += 1;
        if !self.is(Bug::DifferenceGarbled) || !self.calls.is_multiple_of(5) {
            return difference;
        }
        between(
            at,
            &Assignment {
                generation: difference.to,
                ..at.clone()
            },
        )
    }
}

fn for_each_spec(snapshot: &mut Snapshot, change: impl Fn(&mut ServiceSpec)) {
    for service in &mut snapshot.services {
        let mut spec = ServiceSpec::clone(&service.spec);
        change(&mut spec);
        service.spec = spec.into();
    }
}

/// The planner writes back what it was shown; what was only shown to it must not be stored.
fn undo_doctoring(changes: &mut [Change], state: &ClusterState) {
    for change in changes {
        if let Change::Service(write) = change
            && let Write::Put(service) = write.as_mut()
            && let Some(stored) = state.services().get(&service.id)
        {
            keep_spec(service, stored);
        }
        if let Change::Node(write) = change
            && let Write::Put(node) = write.as_mut()
            && let Some(stored) = state.nodes().get(&node.id)
        {
            let ingress = node.ingress;
            node.clone_from(stored);
            node.ingress = ingress;
        }
    }
}

fn keep_spec(service: &mut Service, stored: &Service) {
    if service.previous == stored.previous {
        service.spec = stored.spec.clone();
    }
}

fn created(changes: &mut [Change]) -> impl Iterator<Item = &mut TaskRecord> {
    changes.iter_mut().filter_map(|change| match change {
        Change::CreateTask(record) => Some(record.as_mut()),
        Change::Settings(_)
        | Change::Node(_)
        | Change::Service(_)
        | Change::Network(_)
        | Change::Secret(_)
        | Change::Config(_)
        | Change::Volume(_)
        | Change::UpdateTask(_)
        | Change::UpdateStatus { .. }
        | Change::DeleteTask { .. } => None,
    })
}

fn copy_an_address(record: &mut TaskRecord, state: &ClusterState) {
    for attachment in &mut record.task.attachments {
        let other = state
            .tasks()
            .filter(|other| !other.is_over())
            .find_map(|other| {
                other
                    .task
                    .attachments
                    .iter()
                    .find(|it| it.network == attachment.network)
                    .copied()
            });
        *attachment = other.unwrap_or(*attachment);
    }
}

fn move_to_a_taken_port(record: &mut TaskRecord, state: &ClusterState) {
    let Some(spec) = state.spec_of(&record.task) else {
        return;
    };
    for port in spec.host_ports() {
        let taken = |node: &&model::id::NodeId| {
            state
                .index()
                .usage(**node)
                .is_some_and(|usage| usage.host_ports.contains_key(&port))
        };
        if let Some(node) = state
            .nodes()
            .keys()
            .find(taken)
            .filter(|_| record.task.node.is_some())
        {
            record.task.node = Some(*node);
        }
    }
}

fn replace_a_healthy_task(state: &ClusterState, ids: &mut fastrand::Rng) -> Vec<Change> {
    let Some(old) = state.tasks().find(|it| it.is_running() && ids.u8(..) < 8) else {
        return Vec::new();
    };
    if !state.services().contains_key(&old.task.service) {
        return Vec::new();
    }
    let mut new = old.clone();
    new.task.id = TaskId::from_number(ids.u128(..));
    new.task.incarnation += 1;
    new.task.desired = TaskState::Ready;
    new.task.node = None;
    new.task.attachments = Box::default();
    new.status = TaskStatus::new(TaskState::Pending, old.status.at);
    vec![Change::CreateTask(Box::new(new))]
}
