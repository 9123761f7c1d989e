//! Notes: why what was asked for is not done. For people; nothing is decided from them.

use std::collections::BTreeMap;
use std::fmt;

use model::id::{NetworkId, ServiceId};
use model::port::Protocol;
use serde::{Deserialize, Serialize};

use crate::state::index::TaskKey;

/// Why something is not as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about.
    pub subject: Subject,
    /// Why.
    pub reason: Reason,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A task.
    Task(TaskKey),
    /// A service.
    Service(ServiceId),
    /// A network.
    Network(NetworkId),
}

/// Why something is not as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// No node can take the task; on how many nodes what stands in the way.
    NoSuitableNode(BTreeMap<Obstacle, u32>),
    /// The task waits until its service has its addresses and ports.
    ServiceNotAllocated,
    /// All addresses of a network are taken.
    NoFreeAddress(NetworkId),
    /// A network of the task has no addresses, or is not there any more.
    NetworkNotAllocated(NetworkId),
    /// All ports that are given out by themselves are taken.
    NoFreePort(Protocol),
    /// The published ports need an ingress network, and there is none.
    NoIngressNetwork,
    /// No subnet is left in the address pools.
    NoFreeSubnet,
    /// Too many new tasks failed, and the roll-out stopped.
    RolloutPaused,
}

/// What stands between a task and a node. The order is that in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// The node is down, drained or paused.
    NotAvailable,
    /// The image is for another system.
    Platform,
    /// A constraint is not met.
    Constraint,
    /// A driver is missing.
    Plugin,
    /// A volume cannot be reached from there, or is in use elsewhere.
    Volume,
    /// Not enough processor time or memory is free.
    Resources,
    /// A port of the node is taken.
    HostPort,
    /// The node has as many tasks of the service as it may.
    MaxReplicas,
}

impl Obstacle {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotAvailable => "not available for new tasks",
            Self::Platform => "unsupported platform",
            Self::Constraint => "scheduling constraints not satisfied",
            Self::Plugin => "missing plugin",
            Self::Volume => "cannot fulfill requested volumes",
            Self::Resources => "insufficient resources",
            Self::HostPort => "host-mode port already in use",
            Self::MaxReplicas => "max replicas per node limit exceed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuitableNode(obstacles) => {
                f.write_str("no suitable node")?;
                for (position, (obstacle, nodes)) in obstacles.iter().enumerate() {
                    let opening = if position == 0 { " (" } else { "; " };
                    let plural = if *nodes == 1 { "" } else { "s" };
                    write!(f, "{opening}{} on {nodes} node{plural}", obstacle.as_str())?;
                }
                if obstacles.is_empty() {
                    f.write_str(" (there are no nodes)")
                } else {
                    f.write_str(")")
                }
            }
            Self::ServiceNotAllocated => {
                f.write_str("waiting for the service's addresses and ports")
            }
            Self::NoFreeAddress(network) => write!(f, "no address is free on network {network}"),
            Self::NetworkNotAllocated(network) => {
                write!(f, "network {network} has no addresses yet")
            }
            Self::NoFreePort(protocol) => {
                write!(f, "no {protocol} port is free between 30000 and 32767")
            }
            Self::NoIngressNetwork => {
                f.write_str("ports are published, but there is no ingress network")
            }
            Self::NoFreeSubnet => f.write_str("no subnet is free in the address pools"),
            Self::RolloutPaused => f.write_str("update paused because too many tasks failed"),
        }
    }
}
