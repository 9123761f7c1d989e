//! Which containers are in which networks.

use network::RestoredContainer;

use super::Record;
use crate::Engine;

impl Engine {
    /// The containers that run and are in networks.
    pub(super) fn connected_containers(&self) -> Vec<RestoredContainer> {
        let running = self.containers().all().into_iter();
        let running = running.filter(|container| container.shim().is_some());
        let connected = running.map(|container| {
            let condition = container.condition();
            RestoredContainer {
                id: container.id.to_string(),
                endpoints: condition.endpoints.clone(),
                ports: condition.ports.clone(),
            }
        });
        let connected = connected.filter(|container| !container.endpoints.is_empty());
        connected.collect()
    }

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
