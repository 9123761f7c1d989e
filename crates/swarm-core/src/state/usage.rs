//! What the tasks on a node take up.

use std::collections::BTreeMap;

use model::port::Port;
use model::size::Resources;

use crate::object::spec::TaskSpec;

/// What the tasks on a node take up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeUsage {
    /// How many of them are wanted and not over.
    pub active: u32,
    /// What those that are not over have reserved.
    pub reserved: Resources,
    /// The ports of the node itself that they hold, and how many hold each (one, unless something went wrong).
    pub host_ports: BTreeMap<Port, u32>,
}

impl NodeUsage {
    /// Adds what a task of `spec` holds.
    pub fn hold(&mut self, spec: &TaskSpec) {
        self.reserved = self.reserved.plus(spec.template.reservations);
        for port in spec.host_ports() {
            *self.host_ports.entry(port).or_default() += 1;
        }
    }

    /// Takes away what a task of `spec` held.
    pub fn release(&mut self, spec: &TaskSpec) {
        self.reserved = self.reserved.minus(spec.template.reservations);
        for port in spec.host_ports() {
            decrement(&mut self.host_ports, &port);
        }
    }

    /// Whether nothing is taken up.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Counts one less of `key`, and forgets it at none.
pub(crate) fn decrement<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
