//! The state of the cluster: all objects, and what is derived from them.
//!
//! ```text
//! Transaction ──apply──▶ ClusterState ──▶ Dirty: what to look at again
//!                   └──▶ Refusal: nothing has changed
//! ```
//!
//! The state is a function of the transactions applied to it, the same on every manager. It decides nothing:
//! it only refuses what contradicts it. Indexes are derived, kept up by [`apply`], and not part of a
//! [`snapshot`]. Start with [`ClusterState`], then [`apply`].

pub mod apply;
pub mod dirty;
pub mod index;
pub mod pool;
pub mod refusal;
pub mod snapshot;
pub mod stored;
pub mod task_table;
pub mod transaction;
pub mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::{ConfigId, NetworkId, NodeId, SecretId, ServiceId, TaskId, VolumeId};
use model::version::Version;

use crate::object::network::{Network, NetworkPurpose};
use crate::object::node::Node;
use crate::object::payload::{Config, Secret};
use crate::object::service::Service;
use crate::object::settings::Settings;
use crate::object::spec::TaskSpec;
use crate::object::task::{Task, TaskRecord};
use crate::object::volume::Volume;
use crate::state::index::Index;

/// All that the managers agree on.
#[derive(Debug, Clone, Default)]
pub struct ClusterState {
    revision: Version,
    settings: Settings,
    nodes: BTreeMap<NodeId, Node>,
    services: BTreeMap<ServiceId, Service>,
    networks: BTreeMap<NetworkId, Network>,
    secrets: BTreeMap<SecretId, Secret>,
    configs: BTreeMap<ConfigId, Config>,
    volumes: BTreeMap<VolumeId, Volume>,
    /// Tasks by service: whoever looks at tasks looks at those of one service, and finds them together.
    tasks: BTreeMap<ServiceId, BTreeMap<TaskId, TaskRecord>>,
    /// The task specs that tasks run, or that services may go on to or back to; each stored once.
    specs: BTreeMap<ServiceId, BTreeMap<Version, Arc<TaskSpec>>>,
    index: Index,
}

impl ClusterState {
    /// The number of the last transaction applied.
    pub const fn revision(&self) -> Version {
        self.revision
    }

    /// The settings of the cluster.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All nodes.
    pub const fn nodes(&self) -> &BTreeMap<NodeId, Node> {
        &self.nodes
    }

    /// All services.
    pub const fn services(&self) -> &BTreeMap<ServiceId, Service> {
        &self.services
    }

    /// All networks.
    pub const fn networks(&self) -> &BTreeMap<NetworkId, Network> {
        &self.networks
    }

    /// All secrets.
    pub const fn secrets(&self) -> &BTreeMap<SecretId, Secret> {
        &self.secrets
    }

    /// All configs.
    pub const fn configs(&self) -> &BTreeMap<ConfigId, Config> {
        &self.configs
    }

    /// All volumes.
    pub const fn volumes(&self) -> &BTreeMap<VolumeId, Volume> {
        &self.volumes
    }

    /// The services that have tasks, removed ones among them.
    pub fn services_with_tasks(&self) -> impl Iterator<Item = ServiceId> + '_ {
        self.tasks.keys().copied()
    }

    /// The tasks of a service, whether the service is still there or not.
    pub fn tasks_of(&self, service: ServiceId) -> impl Iterator<Item = &TaskRecord> {
        self.tasks
            .get(&service)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskRecord> {
        self.tasks.values().flat_map(BTreeMap::values)
    }

    /// One task.
    pub fn task(&self, service: ServiceId, task: TaskId) -> Option<&TaskRecord> {
        self.tasks.get(&service)?.get(&task)
    }

    /// The spec that a task runs.
    pub fn spec_of(&self, task: &Task) -> Option<&Arc<TaskSpec>> {
        self.spec(task.service, task.spec)
    }

    /// One of the task specs of a service.
    pub fn spec(&self, service: ServiceId, version: Version) -> Option<&Arc<TaskSpec>> {
        self.specs.get(&service)?.get(&version)
    }

    /// The service of that name.
    pub fn service_named(&self, name: &str) -> Option<&Service> {
        self.services.get(self.index.service_names.get(name)?)
    }

    /// The network of that name.
    pub fn network_named(&self, name: &str) -> Option<&Network> {
        self.networks.get(self.index.network_names.get(name)?)
    }

    /// The network over which published ports are reached, if there is one.
    pub fn ingress_network(&self) -> Option<&Network> {
        self.networks
            .get(&self.index.ingress?)
            .filter(|it| it.spec.purpose == NetworkPurpose::Ingress)
    }

    /// What is derived from the objects.
    pub const fn index(&self) -> &Index {
        &self.index
    }
}
