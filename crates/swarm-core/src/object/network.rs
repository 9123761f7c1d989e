//! Networks of the cluster: overlays that span its nodes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::id::NetworkId;
use model::name::Name;
use model::version::Version;
use serde::{Deserialize, Serialize};

/// A network of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// What is asked for.
    pub spec: NetworkSpec,
    /// What was allocated, once it is.
    pub allocation: Option<NetworkAllocation>,
}

/// A network, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Its name, of which there is one.
    pub name: Name,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, String>,
    /// Its addresses, if they are not to be taken from the cluster's pools.
    pub subnet: Option<Ipv4Net>,
    /// What it is for.
    pub purpose: NetworkPurpose,
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkPurpose {
    /// It connects services.
    #[default]
    Services,
    /// It brings what arrives at published ports to the tasks; there is one.
    Ingress,
}

/// What was allocated to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAllocation {
    /// Its addresses.
    pub subnet: Ipv4Net,
    /// The number that tells its packets from others' on the wire.
    pub vxlan: u32,
}

impl NetworkAllocation {
    /// The address of the network's gateway: the first.
    pub fn gateway(self) -> Ipv4Addr {
        self.subnet
            .hosts()
            .next()
            .unwrap_or_else(|| self.subnet.addr())
    }
}
