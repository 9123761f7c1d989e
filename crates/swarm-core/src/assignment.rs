//! What one node is told: all it needs to run its tasks and to reach the others, and nothing else.
//!
//! ```text
//! assignment(state, node) ──▶ the first time: all of it
//!                         └─▶ later: between(old, new) ──▶ Assignment::advance on the node
//! ```
//!
//! An assignment has a generation. A difference leads from one generation to another and is refused by any
//! other, so that a node that missed one asks for all again. A node keeps its last assignment, and goes on
//! with it when no manager can be reached.

pub mod build;
pub mod difference;
mod pairs;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::Ipv4Net;
use model::id::{ConfigId, NetworkId, SecretId, ServiceId, TaskId};
use model::name::Name;
use model::port::Port;
use model::version::Version;
use serde::{Deserialize, Serialize};

use crate::object::network::NetworkAllocation;
use crate::object::payload::{Config, Secret};
use crate::object::spec::TaskSpec;
use crate::object::task::{Attachment, Slot, TaskState};

/// All that one node is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The transaction that it is of.
    pub generation: Version,
    /// Its tasks, over or not: a task's container is kept until the task is gone from here.
    pub tasks: BTreeMap<TaskId, AssignedTask>,
    /// The networks those are on, and the ingress network.
    pub networks: BTreeMap<NetworkId, AssignedNetwork>,
    /// Behind which node each address on those networks is, this one's own excepted.
    #[serde(with = "pairs")]
    pub peers: BTreeMap<AddressKey, IpAddr>,
    /// What each name resolves to.
    #[serde(with = "pairs")]
    pub names: BTreeMap<NameKey, BTreeSet<Ipv4Addr>>,
    /// The tasks that take turns behind each service's address.
    #[serde(with = "pairs")]
    pub services: BTreeMap<AddressKey, BTreeSet<Ipv4Addr>>,
    /// The tasks that take turns behind each published port.
    #[serde(with = "pairs")]
    pub ports: BTreeMap<Port, PublishedPort>,
    /// The secrets that its tasks read.
    pub secrets: BTreeMap<SecretId, Secret>,
    /// The configs that its tasks read.
    pub configs: BTreeMap<ConfigId, Config>,
}

/// A task, as its node is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedTask {
    /// Its service.
    pub service: ServiceId,
    /// The service's name, while there is such a service.
    pub service_name: Option<Name>,
    /// The place it fills there.
    pub slot: Slot,
    /// How far it should come.
    pub desired: TaskState,
    /// What it runs.
    pub spec: Arc<TaskSpec>,
    /// Its addresses.
    pub attachments: Box<[Attachment]>,
}

/// A network, as a node is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedNetwork {
    /// Its name.
    pub name: Name,
    /// Its addresses.
    pub allocation: NetworkAllocation,
    /// The node's own address there, on the ingress network.
    pub own_address: Option<Ipv4Net>,
}

/// A published port, as a node is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The service that answers.
    pub service: ServiceId,
    /// The port its tasks listen on.
    pub target: u16,
    /// The addresses of the tasks that run.
    pub tasks: BTreeSet<Ipv4Addr>,
}

/// An address on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressKey {
    /// The network.
    pub network: NetworkId,
    /// The address.
    pub address: Ipv4Addr,
}

/// A name on a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NameKey {
    /// The network.
    pub network: NetworkId,
    /// The name, as it is asked for.
    pub name: String,
}
