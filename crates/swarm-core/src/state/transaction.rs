//! What is proposed to be written: objects put and deleted, all or none.
//!
//! An object that is put carries, in its own version field, the version it was read at: none (zero) if it is
//! meant to be new. If the stored one has another by then, the transaction is refused.

use model::id::{ConfigId, NetworkId, NodeId, SecretId, ServiceId, TaskId, VolumeId};
use model::version::Version;
use serde::{Deserialize, Serialize};

use crate::object::Object;
use crate::object::network::Network;
use crate::object::node::Node;
use crate::object::payload::{Config, Secret};
use crate::object::service::Service;
use crate::object::settings::Settings;
use crate::object::task::{Task, TaskRecord, TaskStatus};
use crate::object::volume::Volume;

/// Changes that are written together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// The changes, in the order in which they are made.
    pub changes: Vec<Change>,
}

/// One object put or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The settings.
    Settings(Box<Settings>),
    /// A node.
    Node(Box<Write<Node, NodeId>>),
    /// A service.
    Service(Box<Write<Service, ServiceId>>),
    /// A network.
    Network(Box<Write<Network, NetworkId>>),
    /// A secret.
    Secret(Box<Write<Secret, SecretId>>),
    /// A config.
    Config(Box<Write<Config, ConfigId>>),
    /// A volume.
    Volume(Box<Write<Volume, VolumeId>>),
    /// A new task.
    CreateTask(Box<TaskRecord>),
    /// A task, decided anew.
    UpdateTask(Box<Task>),
    /// A task's status, observed anew.
    UpdateStatus {
        /// Its service.
        service: ServiceId,
        /// The task.
        task: TaskId,
        /// The status.
        status: TaskStatus,
    },
    /// A task that is no longer of interest.
    DeleteTask {
        /// Its service.
        service: ServiceId,
        /// The task.
        task: TaskId,
        /// The version it was read at.
        version: Version,
    },
}

/// An object put or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Write<T, Id> {
    /// Put in place of the version that it carries.
    Put(T),
    /// Deleted, if it still has this version.
    Delete {
        /// Its id.
        id: Id,
        /// The version it was read at.
        version: Version,
    },
}

impl Transaction {
    /// One change by itself.
    pub fn of(change: Change) -> Self {
        Self {
            changes: vec![change],
        }
    }

    /// Whether it changes nothing.
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes in the same order, in transactions of at most `limit` changes, so that no entry of the log
    /// grows without bound. What [`crate::plan`] returns may be cut anywhere.
    pub fn batches(self, limit: usize) -> impl Iterator<Item = Self> {
        let mut rest = self.changes.into_iter();
        std::iter::from_fn(move || {
            let changes: Vec<Change> = rest.by_ref().take(limit.max(1)).collect();
            (!changes.is_empty()).then_some(Self { changes })
        })
    }
}

impl<T: Object> Write<T, T::Id> {
    /// Deletes `object` as it was read.
    pub fn delete(object: &T) -> Self {
        Self::Delete {
            id: object.id(),
            version: object.version(),
        }
    }
}

macro_rules! changes_from {
    ($($variant:ident, $object:ty, $id:ty;)+) => {$(
        impl From<Write<$object, $id>> for Change {
            fn from(write: Write<$object, $id>) -> Self {
                Self::$variant(Box::new(write))
            }
        }

        impl From<$object> for Change {
            fn from(object: $object) -> Self {
                Self::$variant(Box::new(Write::Put(object)))
            }
        }
    )+};
}

changes_from! {
    Node, Node, NodeId;
    Service, Service, ServiceId;
    Network, Network, NetworkId;
    Secret, Secret, SecretId;
    Config, Config, ConfigId;
    Volume, Volume, VolumeId;
}
