//! Tasks: one attempt to run one unit of a service on one node.
//!
//! The leader owns the [`Task`] and moves its desired state forward; the agent of its node owns the
//! [`TaskStatus`] and moves the observed state forward. Neither ever goes back: whoever wants to try again
//! makes a new task in the same [`Slot`].

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::Ipv4Net;
use model::id::{NetworkId, NodeId, ServiceId, TaskId};
use model::time::Timestamp;
use model::version::Version;
use serde::{Deserialize, Serialize};

/// How far a task has come, or should come. The order is the order of a life: a later state never gives way
/// to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Made, but something that it needs could not be allocated yet.
    New,
    /// Allocated, waiting for a node.
    Pending,
    /// Given to a node, which may not know yet.
    Assigned,
    /// The node's agent has it.
    Accepted,
    /// The agent fetches what the task needs.
    Preparing,
    /// Prepared, waiting to be wanted.
    Ready,
    /// Being started.
    Starting,
    /// Running.
    Running,
    /// Ended by itself, well.
    Complete,
    /// Stopped because it was no longer wanted.
    Shutdown,
    /// Ended by itself, badly.
    Failed,
    /// Could not be prepared on its node.
    Rejected,
    /// Only ever desired: to be stopped, and then forgotten.
    Remove,
    /// On a node that has gone for good.
    Orphaned,
}

impl TaskState {
    /// All states, in order.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::Pending,
        Self::Assigned,
        Self::Accepted,
        Self::Preparing,
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Complete,
        Self::Shutdown,
        Self::Failed,
        Self::Rejected,
        Self::Remove,
        Self::Orphaned,
    ];

    /// Whether nothing of the task runs any more, or ever will.
    pub const fn is_terminal(self) -> bool {
        self as u8 > Self::Running as u8
    }

    /// The word Docker uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Remove => "remove",
            Self::Orphaned => "orphaned",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The place in a service that a task fills: tasks in one slot replace one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The number of a replica, from 1.
    Replica(NonZeroU32),
    /// The node that a global service's task belongs to.
    Node(NodeId),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(number) => number.fmt(f),
            Self::Node(node) => node.fmt(f),
        }
    }
}

/// An address that a task has on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The network.
    pub network: NetworkId,
    /// The address, with the length of the network's prefix.
    pub address: Ipv4Net,
}

/// A task, as the leader decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// The transaction that made it.
    pub born: Version,
    /// The service that it is a unit of.
    pub service: ServiceId,
    /// The place it fills there.
    pub slot: Slot,
    /// How many tasks this slot has had before; the order of a slot's tasks, whatever the clock did.
    pub incarnation: u32,
    /// Which of the service's task specs it runs; the spec itself is stored once, in the state.
    pub spec: Version,
    /// Where it runs, once that is decided; it never changes afterwards.
    pub node: Option<NodeId>,
    /// How far it should come.
    pub desired: TaskState,
    /// When it was made.
    pub created: Timestamp,
    /// How long after `created` it may be started, at the earliest.
    pub delay: Duration,
    /// Its addresses, one per network.
    pub attachments: Box<[Attachment]>,
    /// When earlier tasks of the slot were restarted, as far as the restart policy looks back.
    pub restarts: Box<[Timestamp]>,
}

/// What has been observed of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// The transaction that last wrote it.
    pub version: Version,
    /// How far the task has come.
    pub state: TaskState,
    /// When that was recorded, by the leader's clock.
    pub at: Timestamp,
    /// When it was recorded as running, if it ever was.
    pub started: Option<Timestamp>,
    /// The exit code, once the task ended by itself.
    pub exit_code: Option<i32>,
    /// What went wrong, in words for people.
    pub message: Option<Box<str>>,
}

/// A task with its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The task.
    pub task: Task,
    /// Its status.
    pub status: TaskStatus,
}

impl TaskStatus {
    /// The status of a task that has just come to `state`.
    pub const fn new(state: TaskState, at: Timestamp) -> Self {
        Self {
            version: Version(0),
            state,
            at,
            started: None,
            exit_code: None,
            message: None,
        }
    }

    /// This status, moved on to `state`.
    #[must_use]
    pub fn moved(&self, state: TaskState, at: Timestamp) -> Self {
        Self {
            state,
            at,
            ..self.clone()
        }
    }
}

impl TaskRecord {
    /// Whether the task is meant to run, or to have run to its end.
    pub fn is_wanted(&self) -> bool {
        self.task.desired <= TaskState::Complete
    }

    /// Whether nothing of it runs any more.
    pub const fn is_over(&self) -> bool {
        self.status.state.is_terminal()
    }

    /// Whether it is wanted and not over: what spreading counts.
    pub fn is_active(&self) -> bool {
        self.is_wanted() && !self.is_over()
    }

    /// Whether it is wanted, and still has no node.
    pub fn is_waiting(&self) -> bool {
        self.is_active() && self.status.state < TaskState::Assigned
    }

    /// Whether it is wanted and runs.
    pub fn is_running(&self) -> bool {
        self.is_wanted() && self.status.state == TaskState::Running
    }

    /// Whether it ended in a way that counts as a failure.
    pub const fn has_failed(&self) -> bool {
        matches!(self.status.state, TaskState::Failed | TaskState::Rejected)
    }
}
