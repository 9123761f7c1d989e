//! The difference between two assignments of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use model::id::{ConfigId, NetworkId, SecretId, TaskId};
use model::port::Port;
use model::version::Version;
use serde::{Deserialize, Serialize};

use crate::assignment::{
    AddressKey, AssignedNetwork, AssignedTask, Assignment, NameKey, PublishedPort,
};
use crate::object::payload::{Config, Secret};

/// What leads from one generation of an assignment to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The generation it leads from.
    pub from: Version,
    /// The generation it leads to.
    pub to: Version,
    tasks: Delta<TaskId, AssignedTask>,
    networks: Delta<NetworkId, AssignedNetwork>,
    peers: Delta<AddressKey, IpAddr>,
    names: Delta<NameKey, BTreeSet<Ipv4Addr>>,
    services: Delta<AddressKey, BTreeSet<Ipv4Addr>>,
    ports: Delta<Port, PublishedPort>,
    secrets: Delta<SecretId, Secret>,
    configs: Delta<ConfigId, Config>,
}

/// What was put into a map and what is gone from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Delta<K, V> {
    put: Vec<(K, V)>,
    gone: Vec<K>,
}

/// A difference does not lead from where the node is; it needs the whole assignment again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the difference leads from generation {from}, but the assignment is at {at}")]
pub struct OutOfStep {
    /// The generation that the difference leads from.
    pub from: Version,
    /// The generation of the assignment.
    pub at: Version,
}

/// What leads from `old` to `new`.
pub fn between(old: &Assignment, new: &Assignment) -> Difference {
    Difference {
        from: old.generation,
        to: new.generation,
        tasks: Delta::between(&old.tasks, &new.tasks),
        networks: Delta::between(&old.networks, &new.networks),
        peers: Delta::between(&old.peers, &new.peers),
        names: Delta::between(&old.names, &new.names),
        services: Delta::between(&old.services, &new.services),
        ports: Delta::between(&old.ports, &new.ports),
        secrets: Delta::between(&old.secrets, &new.secrets),
        configs: Delta::between(&old.configs, &new.configs),
    }
}

impl Difference {
    /// Whether nothing differs but the generation; then there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.networks.is_empty()
            && self.peers.is_empty()
            && self.names.is_empty()
            && self.services.is_empty()
            && self.ports.is_empty()
            && self.secrets.is_empty()
            && self.configs.is_empty()
    }
}

impl Assignment {
    /// Takes a difference over; refuses one that leads from another generation, and stays as it is.
    pub fn advance(&mut self, difference: Difference) -> Result<(), OutOfStep> {
        if difference.from != self.generation {
            return Err(OutOfStep {
                from: difference.from,
                at: self.generation,
            });
        }
        self.generation = difference.to;
        difference.tasks.apply(&mut self.tasks);
        difference.networks.apply(&mut self.networks);
        difference.peers.apply(&mut self.peers);
        difference.names.apply(&mut self.names);
        difference.services.apply(&mut self.services);
        difference.ports.apply(&mut self.ports);
        difference.secrets.apply(&mut self.secrets);
        difference.configs.apply(&mut self.configs);
        Ok(())
    }
}

impl<K: Ord + Clone, V: PartialEq + Clone> Delta<K, V> {
    fn between(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Self {
        let changed = new
            .iter()
            .filter(|(key, value)| old.get(key) != Some(value));
        let gone = old.keys().filter(|key| !new.contains_key(key));
        Self {
            put: changed
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            gone: gone.cloned().collect(),
        }
    }

    fn apply(self, map: &mut BTreeMap<K, V>) {
        for key in &self.gone {
            map.remove(key);
        }
        map.extend(self.put);
    }
}

impl<K, V> Delta<K, V> {
    const fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }
}
