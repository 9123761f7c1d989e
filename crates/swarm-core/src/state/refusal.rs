//! Why a transaction was not applied.

use model::id::{NetworkId, NodeId, ServiceId, TaskId};
use model::name::Name;
use model::port::Port;
use model::version::Version;

use crate::object::task::TaskState;
use crate::validate::SpecError;

/// Why a transaction was not applied. Nothing of it has been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody was faster: read again, decide again.
    #[error("{kind} {id} is at version {stored}, not at {expected}: update out of sequence")]
    Conflict {
        /// What kind of object it is.
        kind: &'static str,
        /// Its id.
        id: String,
        /// The version the writer had read.
        expected: Version,
        /// The version that is stored; zero if there is none.
        stored: Version,
    },
    /// The name is taken.
    #[error("{kind} name {name} is already in use")]
    NameTaken {
        /// What kind of object it is.
        kind: &'static str,
        /// The name.
        name: Name,
    },
    /// An object is named that is not there.
    #[error("{kind} {id} is not there")]
    Unknown {
        /// What kind of object it is.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// An object is to be deleted that others need.
    #[error("{kind} {id} is in use by service {service}")]
    InUse {
        /// What kind of object it is.
        kind: &'static str,
        /// Its id.
        id: String,
        /// A service that needs it.
        service: ServiceId,
    },
    /// The spec contradicts itself.
    #[error("the spec of service {name} is not valid")]
    Spec {
        /// The service.
        name: Name,
        /// What is wrong.
        #[source]
        error: SpecError,
    },
    /// A published port is another service's.
    #[error("port {port} is already in use by service {service} as an ingress port")]
    PortTaken {
        /// The port.
        port: Port,
        /// Whose it is.
        service: Name,
    },
    /// A job cannot become a service that goes on for ever, nor the other way round.
    #[error("service {service} cannot change between a job and a service that runs for ever")]
    ModeChange {
        /// The service.
        service: ServiceId,
    },
    /// What cannot change of an object was changed.
    #[error("{what} of {kind} {id} cannot change")]
    Fixed {
        /// What was to change.
        what: &'static str,
        /// What kind of object it is.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// Two networks would have the same addresses.
    #[error("the subnet of network {network} overlaps that of network {other}")]
    SubnetTaken {
        /// The network.
        network: NetworkId,
        /// The one that has them.
        other: NetworkId,
    },
    /// The subnet is too small to hold a gateway and a task.
    #[error("the subnet of network {network} is smaller than a /29, or larger than a /8")]
    SubnetSize {
        /// The network.
        network: NetworkId,
    },
    /// There is one ingress network.
    #[error("network {other} is the ingress network already")]
    SecondIngress {
        /// The one there is.
        other: NetworkId,
    },
    /// A content is too large.
    #[error("{kind} {name} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What kind of object it is.
        kind: &'static str,
        /// Its name.
        name: Name,
        /// The limit.
        limit_bytes: usize,
    },
    /// The settings make no sense.
    #[error("subnets of length {length} cannot be taken from the address pools")]
    Pools {
        /// The length asked for.
        length: u8,
    },
    /// A task was to go back in its life.
    #[error("task {task} cannot go back from {from} to {to}")]
    Backwards {
        /// The task.
        task: TaskId,
        /// Where it is.
        from: TaskState,
        /// Where it was to go.
        to: TaskState,
    },
    /// A task was to be given to a node that is not there.
    #[error("task {task} cannot be given to node {node}, which is not there")]
    NoSuchNode {
        /// The task.
        task: TaskId,
        /// The node.
        node: NodeId,
    },
}

impl Refusal {
    /// Whether the writer should read again and decide again, rather than give up: the state has moved on
    /// since they read it.
    pub const fn is_stale(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::Unknown { .. }
            | Self::NoSuchNode { .. }
            | Self::Backwards { .. }
            | Self::PortTaken { .. }
            | Self::SubnetTaken { .. } => true,
            Self::NameTaken { .. }
            | Self::InUse { .. }
            | Self::Spec { .. }
            | Self::ModeChange { .. }
            | Self::Fixed { .. }
            | Self::SubnetSize { .. }
            | Self::SecondIngress { .. }
            | Self::TooLarge { .. }
            | Self::Pools { .. } => false,
        }
    }
}
