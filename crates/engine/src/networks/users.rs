//! Which containers are in which networks.

use super::Record;
use crate::Engine;

impl Engine {
    /// Whether a container is in the network, or will be when it is started.
    pub(super) fn is_network_used(&self, network: &Record) -> bool {
        let containers = self.containers().all();
        containers.iter().any(|container| {
            let record = container.record();
            record.networks.contains_key(&network.name) || record.networks.contains_key(&network.id)
        })
    }

    /// What the container of this id is called.
    pub(super) fn container_name(&self, id: &str) -> Option<String> {
        let container = self.containers().get(id.parse().ok()?)?;
        Some(container.record().name.clone())
    }
}
