//! Volumes of the cluster: storage that some of the nodes can reach.

use std::collections::BTreeMap;

use model::id::VolumeId;
use model::name::Name;
use model::version::Version;
use serde::{Deserialize, Serialize};

use crate::object::constraint::Constraint;
use crate::object::node::Availability;

/// A volume of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// Its name, of which there is one.
    pub name: Name,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, String>,
    /// Which nodes reach it.
    pub reach: Vec<Constraint>,
    /// How many nodes may use it at a time.
    pub scope: VolumeScope,
    /// Whether new tasks may use it.
    pub availability: Availability,
}

/// How many nodes may use a volume at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeScope {
    /// One.
    #[default]
    SingleNode,
    /// Any number.
    MultiNode,
}
