//! The objects of a cluster, as they are stored.
//!
//! They are data: what a user asked for (the specs), what was decided (allocations, assignments, desired
//! states) and what was observed (statuses). Whoever decides is in [`crate::plan`]; whoever checks what may be
//! stored is in [`crate::state`]. Start with [`service`] and [`task`].

pub mod constraint;
pub mod network;
pub mod node;
pub mod payload;
pub mod service;
pub mod settings;
pub mod spec;
pub mod task;
pub mod volume;

use model::version::Version;

/// Something stored under an id, with a version.
pub trait Object {
    /// What names it.
    type Id: Copy + Ord;

    /// What names this one.
    fn id(&self) -> Self::Id;

    /// The transaction that last wrote it.
    fn version(&self) -> Version;

    /// Records the transaction that writes it.
    fn stamp(&mut self, version: Version);
}

macro_rules! objects {
    ($($object:ty, $id:ty;)+) => {$(
        impl Object for $object {
            type Id = $id;

            fn id(&self) -> $id {
                self.id
            }

            fn version(&self) -> Version {
                self.version
            }

            fn stamp(&mut self, version: Version) {
                self.version = version;
            }
        }
    )+};
}

objects! {
    network::Network, model::id::NetworkId;
    node::Node, model::id::NodeId;
    payload::Config, model::id::ConfigId;
    payload::Secret, model::id::SecretId;
    service::Service, model::id::ServiceId;
    task::Task, model::id::TaskId;
    volume::Volume, model::id::VolumeId;
}
