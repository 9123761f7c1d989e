//! What people ask of a service.
//!
//! A [`ServiceSpec`] has two kinds of parts. Those that make up a [`TaskSpec`] say what a task *is*: changing
//! one of them replaces the tasks. All others say how the service is looked after (how many, where, when to
//! restart, how to update), and changing them restarts nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use model::id::{ConfigId, NetworkId, SecretId, VolumeId};
use model::name::Name;
use model::platform::Platform;
use model::port::Protocol;
use model::size::Resources;
use serde::{Deserialize, Serialize};

use crate::object::constraint::{Attribute, Constraint};

/// A service, as it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Its name, of which there is one.
    pub name: Name,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, String>,
    /// How many tasks, and until when.
    pub mode: ServiceMode,
    /// What a task runs.
    pub task: TaskTemplate,
    /// How the service is reached.
    pub endpoint: EndpointSpec,
    /// Where tasks may run.
    pub placement: Placement,
    /// When an ended task is tried again.
    pub restart: RestartPolicy,
    /// How a change of the task spec is rolled out.
    pub update: UpdatePolicy,
    /// How it is rolled back.
    pub rollback: UpdatePolicy,
}

/// How many tasks a service has, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceMode {
    /// So many, always.
    Replicated {
        /// How many.
        replicas: u32,
    },
    /// One on each node that meets the constraints, always.
    Global,
    /// So many that run to their end.
    ReplicatedJob {
        /// How many must complete.
        completions: u32,
        /// How many may run at a time.
        concurrent: u32,
    },
    /// One on each node that meets the constraints, each run to its end.
    GlobalJob,
}

/// What a task is started from: change any of it, and the tasks are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// What runs.
    pub template: TaskTemplate,
    /// The ports that are published for it.
    pub ports: Vec<PortSpec>,
}

/// What runs in a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskTemplate {
    /// The container.
    pub container: ContainerSpec,
    /// The networks it is attached to, in order.
    pub networks: Vec<NetworkAttachment>,
    /// What its node must have free.
    pub reservations: Resources,
    /// The most it may use; zero is no limit.
    pub limits: Resources,
    /// Changed to have the tasks replaced though nothing else changed.
    pub force_update: u64,
}

/// The container of a task. What decisions don't depend on is passed through in `settings`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The image.
    pub image: String,
    /// Secrets that are put into it.
    pub secrets: Vec<SecretId>,
    /// Configs that are put into it.
    pub configs: Vec<ConfigId>,
    /// Volumes of the cluster that are mounted into it.
    pub volumes: Vec<VolumeId>,
    /// Drivers that its node must have.
    pub plugins: Vec<String>,
    /// All else, for the executor: command, environment, mounts, …
    pub settings: serde_json::Value,
}

/// A network that a task is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAttachment {
    /// The network.
    pub network: NetworkId,
    /// Further names of the service there.
    pub aliases: Vec<Name>,
}

/// How a service is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// What its name resolves to.
    pub mode: EndpointMode,
    /// The ports that are published.
    pub ports: Vec<PortSpec>,
}

/// What a service's name resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointMode {
    /// One address, behind which the tasks take turns.
    #[default]
    Vip,
    /// The addresses of the tasks.
    Dnsrr,
}

/// A port that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortSpec {
    /// The protocol.
    pub protocol: Protocol,
    /// The port that the task listens on.
    pub target: u16,
    /// The port that is reached from outside; chosen for the service if none is given.
    pub published: Option<u16>,
    /// Where it is reached.
    pub mode: PublishMode,
}

/// Where a published port is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishMode {
    /// On every node.
    #[default]
    Ingress,
    /// On the nodes where the tasks run.
    Host,
}

/// Where tasks may run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Placement {
    /// Conditions that the node must meet.
    pub constraints: Vec<Constraint>,
    /// Attributes over whose values tasks are spread evenly, the first first.
    pub preferences: Vec<Attribute>,
    /// Systems that the image runs on; none means any.
    pub platforms: Vec<Platform>,
    /// How many tasks of the service a node may have.
    pub max_replicas: Option<NonZeroU32>,
}

/// When an ended task is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// After which ends.
    pub condition: RestartCondition,
    /// How long to wait before.
    pub delay: Duration,
    /// How often, if there is a limit.
    pub max_attempts: Option<NonZeroU32>,
    /// How far back attempts count; zero is for ever.
    pub window: Duration,
}

/// After which ends a task is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartCondition {
    /// After none.
    None,
    /// After bad ones.
    OnFailure,
    /// After all.
    #[default]
    Any,
}

/// How a change is rolled out, or back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdatePolicy {
    /// How many slots at a time; zero is all at once.
    pub parallelism: u32,
    /// How long to wait after a slot before its successor in the queue.
    pub delay: Duration,
    /// How long a new task is watched for failing.
    pub monitor: Duration,
    /// What to do when too many fail.
    pub failure_action: FailureAction,
    /// The share of slots, from 0 to 1, that may fail.
    pub max_failure_ratio: f32,
    /// Whether the old task stops before or after the new one starts.
    pub order: UpdateOrder,
}

/// What to do when too many new tasks fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureAction {
    /// Go no further.
    #[default]
    Pause,
    /// Go on.
    Continue,
    /// Go back to the spec before.
    Rollback,
}

/// Whether the old task stops before or after the new one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// Before.
    #[default]
    StopFirst,
    /// After.
    StartFirst,
}

impl ServiceSpec {
    /// The part of this that a task is started from.
    pub fn task_spec(&self) -> TaskSpec {
        TaskSpec {
            template: self.task.clone(),
            ports: self.endpoint.ports.clone(),
        }
    }

    /// Whether tasks of this service are started from `spec`.
    pub fn starts_from(&self, spec: &TaskSpec) -> bool {
        self.task == spec.template && self.endpoint.ports == spec.ports
    }

    /// Whether a port is published on every node.
    pub fn publishes_on_ingress(&self) -> bool {
        self.endpoint
            .ports
            .iter()
            .any(|port| port.mode == PublishMode::Ingress)
    }
}

impl ServiceMode {
    /// Whether the tasks belong to nodes.
    pub const fn is_per_node(self) -> bool {
        match self {
            Self::Global | Self::GlobalJob => true,
            Self::Replicated { .. } | Self::ReplicatedJob { .. } => false,
        }
    }

    /// Whether the tasks run to their end.
    pub const fn is_job(self) -> bool {
        match self {
            Self::ReplicatedJob { .. } | Self::GlobalJob => true,
            Self::Replicated { .. } | Self::Global => false,
        }
    }
}

impl TaskSpec {
    /// The ports a task takes on its own node.
    pub fn host_ports(&self) -> impl Iterator<Item = model::port::Port> + '_ {
        self.ports
            .iter()
            .filter(|port| port.mode == PublishMode::Host)
            .filter_map(|port| {
                Some(model::port::Port {
                    protocol: port.protocol,
                    number: port.published?,
                })
            })
    }

    /// Whether a port is published on every node.
    pub fn publishes_on_ingress(&self) -> bool {
        self.ports
            .iter()
            .any(|port| port.mode == PublishMode::Ingress)
    }
}

impl Default for RestartPolicy {
    /// Docker's: always, after five seconds.
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: Duration::from_secs(5),
            max_attempts: None,
            window: Duration::ZERO,
        }
    }
}

impl Default for UpdatePolicy {
    /// Docker's: one after the other, each watched for five seconds, pausing at the first failure.
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Duration::ZERO,
            monitor: Duration::from_secs(5),
            failure_action: FailureAction::Pause,
            max_failure_ratio: 0.0,
            order: UpdateOrder::StopFirst,
        }
    }
}
