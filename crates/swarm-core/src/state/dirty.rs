//! What to look at again after a change.
//!
//! A mark says "look", never "do": looking at too much costs time, at too little loses a decision. Marks are
//! not stored; a new leader starts with [`Dirty::everything`].

use std::collections::BTreeSet;

use model::id::{NetworkId, NodeId, ServiceId};

/// What to look at again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    everything: bool,
    services: BTreeSet<ServiceId>,
    nodes: BTreeSet<NodeId>,
    networks: BTreeSet<NetworkId>,
    room: Room,
}

/// Whether something became free that somebody may be waiting for: a place on a node, an address, a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Room {
    /// Nothing did.
    #[default]
    AsBefore,
    /// Something did.
    Freed,
}

impl Dirty {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Everything there is.
    pub fn everything() -> Self {
        Self {
            everything: true,
            room: Room::Freed,
            ..Self::default()
        }
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether everything is to be looked at.
    pub const fn is_everything(&self) -> bool {
        self.everything
    }

    /// The services to look at.
    pub const fn services(&self) -> &BTreeSet<ServiceId> {
        &self.services
    }

    /// The nodes to look at.
    pub const fn nodes(&self) -> &BTreeSet<NodeId> {
        &self.nodes
    }

    /// The networks to look at.
    pub const fn networks(&self) -> &BTreeSet<NetworkId> {
        &self.networks
    }

    /// Whether something became free.
    pub const fn room(&self) -> Room {
        self.room
    }

    /// Marks a service.
    pub fn mark_service(&mut self, service: ServiceId) {
        self.services.insert(service);
    }

    /// Marks a node.
    pub fn mark_node(&mut self, node: NodeId) {
        self.nodes.insert(node);
    }

    /// Marks a network.
    pub fn mark_network(&mut self, network: NetworkId) {
        self.networks.insert(network);
    }

    /// Marks that something became free.
    pub const fn mark_room(&mut self) {
        self.room = Room::Freed;
    }

    /// Marks everything.
    pub fn mark_everything(&mut self) {
        *self = Self::everything();
    }

    /// Adds the marks of another.
    pub fn merge(&mut self, other: Self) {
        self.everything |= other.everything;
        self.services.extend(other.services);
        self.nodes.extend(other.nodes);
        self.networks.extend(other.networks);
        if other.room == Room::Freed {
            self.mark_room();
        }
    }
}
