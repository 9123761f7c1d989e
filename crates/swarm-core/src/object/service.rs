//! Services, as they are stored: the spec in force, the one before, what was allocated, and how far the
//! present roll-out has come.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use model::id::{NetworkId, ServiceId};
use model::port::Port;
use model::time::Timestamp;
use model::version::Version;
use serde::{Deserialize, Serialize};

use crate::object::spec::{PortSpec, PublishMode, ServiceSpec};
use crate::object::task::Slot;

/// A service of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// What is asked for.
    pub spec: Arc<ServiceSpec>,
    /// The version of the task spec in it: that of the transaction that first brought it. Set by `apply`.
    pub task_version: Version,
    /// What was asked for before, to go back to.
    pub previous: Option<Arc<ServiceSpec>>,
    /// The version of the task spec in that.
    pub previous_task_version: Version,
    /// What was allocated.
    pub endpoint: Endpoint,
    /// The last change of the task spec, and how far it has come.
    pub rollout: Option<Rollout>,
}

/// What was allocated to a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// The published ports, each with its number.
    pub ports: Vec<PortSpec>,
    /// The service's address on each of its networks.
    pub addresses: Vec<ServiceAddress>,
}

/// The address of a service on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAddress {
    /// The network.
    pub network: NetworkId,
    /// The address, with the length of the network's prefix.
    pub address: Ipv4Net,
}

/// A change of the task spec on its way through the slots.
///
/// Which slots have been changed is not written here: it is seen from their tasks. Only what those do not
/// tell for ever is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Forward or back.
    pub direction: Direction,
    /// Where it stands.
    pub state: RolloutState,
    /// The task spec that the slots are brought to.
    pub target: Version,
    /// Tasks born after this transaction belong to it.
    pub since: Version,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// The slots whose new task failed while it was watched.
    pub failed: BTreeSet<Slot>,
}

/// Whether a roll-out goes to the new spec or back to the old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the new spec.
    Update,
    /// Back to the old.
    Rollback,
}

/// Where a roll-out stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// On its way.
    Updating,
    /// Stopped by failures, until another change.
    Paused,
    /// Through.
    Completed,
}

/// There is no spec to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("service {service} does not have a previous spec")]
pub struct NothingToRollBack {
    /// The service.
    pub service: ServiceId,
}

impl Service {
    /// A service as it is first asked for.
    pub fn new(id: ServiceId, spec: ServiceSpec) -> Self {
        Self {
            id,
            version: Version::default(),
            spec: Arc::new(spec),
            task_version: Version::default(),
            previous: None,
            previous_task_version: Version::default(),
            endpoint: Endpoint::default(),
            rollout: None,
        }
    }

    /// The service with `spec` asked of it instead.
    ///
    /// A change that leaves the task spec alone does not touch the roll-out that may be going on.
    #[must_use]
    pub fn updated(&self, spec: ServiceSpec) -> Self {
        Self {
            spec: Arc::new(spec),
            previous: Some(Arc::clone(&self.spec)),
            previous_task_version: self.task_version,
            ..self.clone()
        }
    }

    /// The service with its previous spec asked of it again.
    pub fn rolled_back(&self, since: Version, now: Timestamp) -> Result<Self, NothingToRollBack> {
        let previous = self
            .previous
            .clone()
            .ok_or(NothingToRollBack { service: self.id })?;
        let rollout = Rollout::new(Direction::Rollback, self.previous_task_version, since, now);
        Ok(Self {
            // A job is not rolled back slot by slot: its earlier spec is run anew.
            rollout: (!previous.mode.is_job()).then_some(rollout),
            spec: previous,
            task_version: self.previous_task_version,
            previous: None,
            previous_task_version: Version::default(),
            ..self.clone()
        })
    }

    /// The ports of this service that every node answers on.
    pub fn ingress_ports(&self) -> impl Iterator<Item = Port> + '_ {
        self.endpoint
            .ports
            .iter()
            .filter_map(PortSpec::ingress_port)
    }

    /// The address of this service on `network`, if it has one.
    pub fn address_on(&self, network: NetworkId) -> Option<Ipv4Addr> {
        let address = self
            .endpoint
            .addresses
            .iter()
            .find(|address| address.network == network)?;
        Some(address.address.addr())
    }
}

impl Rollout {
    /// A roll-out that begins now.
    pub const fn new(
        direction: Direction,
        target: Version,
        since: Version,
        started: Timestamp,
    ) -> Self {
        Self {
            direction,
            state: RolloutState::Updating,
            target,
            since,
            started,
            completed: None,
            failed: BTreeSet::new(),
        }
    }

    /// How Docker shows it.
    pub const fn as_str(&self) -> &'static str {
        match (self.direction, self.state) {
            (Direction::Update, RolloutState::Updating) => "updating",
            (Direction::Update, RolloutState::Paused) => "paused",
            (Direction::Update, RolloutState::Completed) => "completed",
            (Direction::Rollback, RolloutState::Updating) => "rollback_started",
            (Direction::Rollback, RolloutState::Paused) => "rollback_paused",
            (Direction::Rollback, RolloutState::Completed) => "rollback_completed",
        }
    }
}

impl PortSpec {
    /// The port that every node answers on for this, if there is one and it has its number.
    pub fn ingress_port(&self) -> Option<Port> {
        match self.mode {
            PublishMode::Ingress => Some(Port {
                protocol: self.protocol,
                number: self.published?,
            }),
            PublishMode::Host => None,
        }
    }
}
