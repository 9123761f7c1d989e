//! What happens in a simulated cluster, and when.

use std::collections::BTreeMap;

use model::id::{NodeId, TaskId};
use model::time::Timestamp;
use swarm_core::assignment::Assignment;
use swarm_core::assignment::difference::Difference;
use swarm_core::state::dirty::Dirty;
use swarm_core::state::index::TaskKey;
use swarm_core::state::transaction::Transaction;
use swarm_core::task_machine::{Outcome, Report};

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The leader looks at what is due.
    Turn,
    /// What the leader proposed reaches the log.
    Commit {
        /// The reign it was proposed in.
        reign: u64,
        /// What was planned from.
        dirty: Dirty,
        /// The plan, in batches.
        batches: Vec<Transaction>,
    },
    /// What a user wrote reaches the log.
    UserWrites(Transaction),
    /// A manager becomes the leader.
    Elected,
    /// The dispatcher looks whether a node has something to be told.
    Dispatch(NodeId),
    /// A node is told something.
    Told {
        /// The node.
        node: NodeId,
        /// The connection over which it was sent.
        connection: u64,
        /// What it is told.
        message: Box<Message>,
    },
    /// A node's report reaches the leader.
    Reported {
        /// The node.
        node: NodeId,
        /// The connection over which it was sent.
        connection: u64,
        /// What it reports.
        reports: Vec<(TaskKey, Report)>,
    },
    /// Something came of what an agent did.
    Outcome {
        /// Its node.
        node: NodeId,
        /// Which time the node is up.
        boot: u64,
        /// The task.
        task: TaskId,
        /// Which of the things it did for the task.
        step: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// The managers have not heard of a node for too long, if that connection is still the last.
    Silence {
        /// The node.
        node: NodeId,
        /// The connection that fell silent.
        connection: u64,
    },
    /// A node that was away tries to connect.
    Connect(NodeId),
}

/// What a node is told.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// All of it.
    Whole(Assignment),
    /// What has changed.
    Difference(Difference),
}

/// Events in the order in which they happen.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(Timestamp, u64), Event>,
    pushed: u64,
}

impl Queue {
    /// Has `event` happen at `at`, after all that is to happen then already.
    pub(crate) fn push(&mut self, at: Timestamp, event: Event) {
        self.events.insert((at, self.pushed), event);
        self.pushed += 1;
    }

    /// The next event, if it happens by `until`.
    pub(crate) fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, Event)> {
        let first = self.events.first_entry()?;
        let ((at, _), ()) = (*first.key(), ());
        (at <= until).then(|| (at, first.remove()))
    }

    /// When the next event happens that is not the leader waking up by itself.
    pub(crate) fn next_activity(&self) -> Option<Timestamp> {
        self.events
            .iter()
            .find(|(_, event)| !matches!(event, Event::Turn))
            .map(|((at, _), _)| *at)
    }
}
