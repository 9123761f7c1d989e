//! The settings of the cluster.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use model::version::Version;
use serde::{Deserialize, Serialize};

/// The settings of the cluster, of which there is one set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The transaction that last wrote them.
    pub version: Version,
    /// How many tasks are kept per slot, the present one among them.
    pub task_history: u32,
    /// Where networks take their addresses from.
    pub address_pools: Vec<Ipv4Net>,
    /// The prefix length of a network that does not say.
    pub subnet_length: u8,
    /// After how long the tasks of a node that is down are given up for good.
    pub orphan_after: Duration,
}

impl Default for Settings {
    /// Docker's: five tasks a slot, `/24` networks out of `10.0.0.0/8`, and a day.
    fn default() -> Self {
        let pool = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);
        Self {
            version: Version::default(),
            task_history: 5,
            address_pools: vec![pool],
            subnet_length: 24,
            orphan_after: Duration::from_hours(24),
        }
    }
}
