//! Nodes: the engines that are members of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::Ipv4Net;
use model::id::NodeId;
use model::platform::Platform;
use model::size::Resources;
use model::time::Timestamp;
use model::version::Version;
use serde::{Deserialize, Serialize};

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// What people asked for.
    pub spec: NodeSpec,
    /// What its engine says of itself.
    pub description: NodeDescription,
    /// What the managers observe.
    pub status: NodeStatus,
    /// Its address on the ingress network, from which it enters the published services.
    pub ingress: Option<Ipv4Net>,
}

/// What people asked of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Labels for constraints and preferences.
    pub labels: BTreeMap<String, String>,
    /// Manager or worker.
    pub role: NodeRole,
    /// Whether it takes tasks.
    pub availability: Availability,
}

/// Whether a node takes part in decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Runs tasks.
    #[default]
    Worker,
    /// Runs tasks and keeps the cluster's state.
    Manager,
}

/// Whether a node takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// It takes tasks.
    #[default]
    Active,
    /// It keeps its tasks and takes no more.
    Pause,
    /// Its tasks move away.
    Drain,
}

/// What an engine says of itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeDescription {
    /// Its host's name.
    pub hostname: String,
    /// Its system.
    pub platform: Platform,
    /// All that its tasks may reserve.
    pub resources: Resources,
    /// Labels set in the engine's configuration.
    pub engine_labels: BTreeMap<String, String>,
    /// Drivers it has beyond the built-in ones.
    pub plugins: BTreeSet<String>,
}

/// What the managers observe of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Whether it answers.
    pub state: NodeState,
    /// Since when, by the leader's clock.
    pub since: Timestamp,
    /// Where it connects from.
    pub address: Option<IpAddr>,
    /// Why, in words for people.
    pub message: String,
}

/// Whether a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Not heard of since the leader changed: its tasks are left alone.
    #[default]
    Unknown,
    /// It has not answered for too long: its tasks are replaced.
    Down,
    /// It answers.
    Ready,
    /// It said good-bye: as good as down.
    Disconnected,
}

impl NodeRole {
    /// The word Docker uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Manager => "manager",
        }
    }
}

impl Availability {
    /// The word Docker uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pause => "pause",
            Self::Drain => "drain",
        }
    }
}

impl NodeState {
    /// The word Docker uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Down => "down",
            Self::Ready => "ready",
            Self::Disconnected => "disconnected",
        }
    }

    /// Whether its tasks must be taken for lost.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::Disconnected)
    }
}

impl Node {
    /// Whether it may be given new tasks.
    pub fn takes_tasks(&self) -> bool {
        self.status.state == NodeState::Ready && self.spec.availability == Availability::Active
    }

    /// Whether it may keep the tasks it has.
    pub fn keeps_tasks(&self) -> bool {
        !self.status.state.is_down() && self.spec.availability != Availability::Drain
    }
}
