//! How each kind of object is kept: its table, what must hold before it is written, what follows it.
//!
//! Each check is given the object as stored and as it would be, and looks at the others; none changes
//! anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::{ConfigId, NetworkId, NodeId, SecretId, ServiceId, VolumeId};
use model::name::Name;

use crate::object::Object;
use crate::object::network::{Network, NetworkPurpose};
use crate::object::node::Node;
use crate::object::payload::{CONFIG_LIMIT_BYTES, Config, SECRET_LIMIT_BYTES, Secret};
use crate::object::service::Service;
use crate::object::spec::ContainerSpec;
use crate::object::volume::Volume;
use crate::state::ClusterState;
use crate::state::apply::Undo;
use crate::state::dirty::Dirty;
use crate::state::refusal::Refusal;
use crate::validate;

/// An object with a table of its own.
pub(super) trait Stored: Object<Id: ToString> + Sized + Clone {
    /// What it is called in messages.
    const KIND: &'static str;

    /// Its table.
    fn table(state: &mut ClusterState) -> &mut BTreeMap<Self::Id, Self>;

    /// Whether it may be put in place of `old`.
    fn check_put(&self, old: Option<&Self>, state: &ClusterState) -> Result<(), Refusal>;

    /// Whether it may be deleted.
    fn check_delete(&self, state: &ClusterState) -> Result<(), Refusal>;

    /// Completes it, just before it is stored.
    fn settle(&mut self, _old: Option<&Self>, _state: &mut ClusterState) {}

    /// Has the indexes follow, once it is stored, and marks what to look at again.
    fn follow(id: Self::Id, old: Option<&Self>, state: &mut ClusterState, dirty: &mut Dirty);

    /// What puts `old` back.
    fn undo(id: Self::Id, old: Option<Self>) -> Undo;
}

impl Stored for Node {
    const KIND: &'static str = "node";

    fn table(state: &mut ClusterState) -> &mut BTreeMap<NodeId, Self> {
        &mut state.nodes
    }

    fn check_put(&self, _old: Option<&Self>, _state: &ClusterState) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_delete(&self, _state: &ClusterState) -> Result<(), Refusal> {
        Ok(())
    }

    fn follow(id: NodeId, old: Option<&Self>, state: &mut ClusterState, dirty: &mut Dirty) {
        state.index.node_changed(id, old, state.nodes.get(&id));
        dirty.mark_node(id);
        dirty.mark_room();
    }

    fn undo(id: NodeId, old: Option<Self>) -> Undo {
        Undo::Node(id, old.map(Box::new))
    }
}

impl Stored for Service {
    const KIND: &'static str = "service";

    fn table(state: &mut ClusterState) -> &mut BTreeMap<ServiceId, Self> {
        &mut state.services
    }

    fn check_put(&self, old: Option<&Self>, state: &ClusterState) -> Result<(), Refusal> {
        let spec = &self.spec;
        check_name(
            Self::KIND,
            &spec.name,
            self.id,
            state.index.service_names.get(&spec.name).copied(),
        )?;
        if old.is_none_or(|old| !Arc::ptr_eq(&old.spec, spec)) {
            validate::service_spec(spec).map_err(|error| Refusal::Spec {
                name: spec.name.clone(),
                error,
            })?;
            check_references(self, state)?;
        }
        if old.is_some_and(|old| old.spec.mode.is_job() != spec.mode.is_job()) {
            return Err(Refusal::ModeChange { service: self.id });
        }
        let asked = spec
            .endpoint
            .ports
            .iter()
            .filter_map(super::super::object::spec::PortSpec::ingress_port);
        for port in self.ingress_ports().chain(asked) {
            let owner = state.index.owner_of(port).filter(|owner| *owner != self.id);
            if let Some(owner) = owner.and_then(|owner| state.services.get(&owner)) {
                return Err(Refusal::PortTaken {
                    port,
                    service: owner.spec.name.clone(),
                });
            }
        }
        Ok(())
    }

    fn check_delete(&self, _state: &ClusterState) -> Result<(), Refusal> {
        Ok(())
    }

    fn settle(&mut self, old: Option<&Self>, state: &mut ClusterState) {
        let version = state.register_spec(self, old);
        self.task_version = version;
    }

    fn follow(id: ServiceId, old: Option<&Self>, state: &mut ClusterState, dirty: &mut Dirty) {
        state
            .index
            .service_changed(id, old, state.services.get(&id));
        state.drop_unused_specs(id);
        dirty.mark_service(id);
        if old.is_some() {
            dirty.mark_room();
        }
    }

    fn undo(id: ServiceId, old: Option<Self>) -> Undo {
        Undo::Service(id, old.map(Box::new))
    }
}

impl Stored for Network {
    const KIND: &'static str = "network";

    fn table(state: &mut ClusterState) -> &mut BTreeMap<NetworkId, Self> {
        &mut state.networks
    }

    fn check_put(&self, old: Option<&Self>, state: &ClusterState) -> Result<(), Refusal> {
        let name = &self.spec.name;
        check_name(
            Self::KIND,
            name,
            self.id,
            state.index.network_names.get(name).copied(),
        )?;
        if let Some(old) = old {
            let fixed = |what| Refusal::Fixed {
                what,
                kind: Self::KIND,
                id: self.id.to_string(),
            };
            if (old.spec.subnet, old.spec.purpose) != (self.spec.subnet, self.spec.purpose) {
                return Err(fixed("the subnet and the purpose"));
            }
            if old.allocation.is_some() && old.allocation != self.allocation {
                return Err(fixed("the allocation"));
            }
        }
        if self.spec.purpose == NetworkPurpose::Ingress
            && let Some(other) = state.index.ingress.filter(|other| *other != self.id)
        {
            return Err(Refusal::SecondIngress { other });
        }
        check_subnets(self, state)
    }

    fn check_delete(&self, state: &ClusterState) -> Result<(), Refusal> {
        match state.index.services_on(self.id).next() {
            Some(service) => Err(Refusal::InUse {
                kind: Self::KIND,
                id: self.id.to_string(),
                service,
            }),
            None => Ok(()),
        }
    }

    fn follow(id: NetworkId, old: Option<&Self>, state: &mut ClusterState, dirty: &mut Dirty) {
        state
            .index
            .network_changed(id, old, state.networks.get(&id));
        dirty.mark_network(id);
        dirty.mark_room();
    }

    fn undo(id: NetworkId, old: Option<Self>) -> Undo {
        Undo::Network(id, old.map(Box::new))
    }
}

impl Stored for Volume {
    const KIND: &'static str = "volume";

    fn table(state: &mut ClusterState) -> &mut BTreeMap<VolumeId, Self> {
        &mut state.volumes
    }

    fn check_put(&self, _old: Option<&Self>, state: &ClusterState) -> Result<(), Refusal> {
        check_name(
            Self::KIND,
            &self.name,
            self.id,
            state.index.volume_names.get(&self.name).copied(),
        )
    }

    fn check_delete(&self, state: &ClusterState) -> Result<(), Refusal> {
        check_unused(Self::KIND, self.id, state, |container| &container.volumes)
    }

    fn follow(id: VolumeId, old: Option<&Self>, state: &mut ClusterState, dirty: &mut Dirty) {
        let new = state.volumes.get(&id);
        rename(
            &mut state.index.volume_names,
            id,
            old.map(|it| &it.name),
            new.map(|it| &it.name),
        );
        dirty.mark_room();
    }

    fn undo(id: VolumeId, old: Option<Self>) -> Undo {
        Undo::Volume(id, old.map(Box::new))
    }
}

macro_rules! stored_payload {
    ($payload:ident, $id:ident, $kind:literal, $table:ident, $names:ident, $uses:ident, $limit:ident) => {
        impl Stored for $payload {
            const KIND: &'static str = $kind;

            fn table(state: &mut ClusterState) -> &mut BTreeMap<$id, Self> {
                &mut state.$table
            }

            fn check_put(&self, old: Option<&Self>, state: &ClusterState) -> Result<(), Refusal> {
                check_name(
                    Self::KIND,
                    &self.name,
                    self.id,
                    state.index.$names.get(&self.name).copied(),
                )?;
                if old.is_some_and(|old| old.data != self.data) {
                    let id = self.id.to_string();
                    return Err(Refusal::Fixed {
                        what: "the content",
                        kind: Self::KIND,
                        id,
                    });
                }
                if self.data.len() >= $limit {
                    let name = self.name.clone();
                    return Err(Refusal::TooLarge {
                        kind: Self::KIND,
                        name,
                        limit_bytes: $limit,
                    });
                }
                Ok(())
            }

            fn check_delete(&self, state: &ClusterState) -> Result<(), Refusal> {
                check_unused(Self::KIND, self.id, state, |container| &container.$uses)
            }

            fn follow(id: $id, old: Option<&Self>, state: &mut ClusterState, _dirty: &mut Dirty) {
                let new = state.$table.get(&id);
                rename(
                    &mut state.index.$names,
                    id,
                    old.map(|it| &it.name),
                    new.map(|it| &it.name),
                );
            }

            fn undo(id: $id, old: Option<Self>) -> Undo {
                Undo::$payload(id, old.map(Box::new))
            }
        }
    };
}

stored_payload!(
    Secret,
    SecretId,
    "secret",
    secrets,
    secret_names,
    secrets,
    SECRET_LIMIT_BYTES
);
stored_payload!(
    Config,
    ConfigId,
    "config",
    configs,
    config_names,
    configs,
    CONFIG_LIMIT_BYTES
);

fn check_name<Id: Eq + Copy>(
    kind: &'static str,
    name: &Name,
    id: Id,
    holder: Option<Id>,
) -> Result<(), Refusal> {
    match holder {
        Some(holder) if holder != id => Err(Refusal::NameTaken {
            kind,
            name: name.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn check_unused<Id: Eq + Copy + ToString>(
    kind: &'static str,
    id: Id,
    state: &ClusterState,
    uses: impl Fn(&ContainerSpec) -> &Vec<Id>,
) -> Result<(), Refusal> {
    let needing = state
        .services
        .values()
        .find(|service| uses(&service.spec.task.container).contains(&id));
    match needing {
        Some(service) => Err(Refusal::InUse {
            kind,
            id: id.to_string(),
            service: service.id,
        }),
        None => Ok(()),
    }
}

/// Whether all that a service names is there.
fn check_references(service: &Service, state: &ClusterState) -> Result<(), Refusal> {
    let unknown = |kind, id: String| Err(Refusal::Unknown { kind, id });
    let template = &service.spec.task;
    for attachment in &template.networks {
        match state
            .networks
            .get(&attachment.network)
            .map(|network| network.spec.purpose)
        {
            Some(NetworkPurpose::Services) => (),
            Some(NetworkPurpose::Ingress) | None => {
                return unknown("network for services", attachment.network.to_string());
            }
        }
    }
    if let Some(id) = template
        .container
        .secrets
        .iter()
        .find(|id| !state.secrets.contains_key(id))
    {
        return unknown("secret", id.to_string());
    }
    if let Some(id) = template
        .container
        .configs
        .iter()
        .find(|id| !state.configs.contains_key(id))
    {
        return unknown("config", id.to_string());
    }
    if let Some(id) = template
        .container
        .volumes
        .iter()
        .find(|id| !state.volumes.contains_key(id))
    {
        return unknown("volume", id.to_string());
    }
    Ok(())
}

/// Whether a network's subnets can be used and are nobody else's, not even a removed network's whose last
/// tasks still run.
fn check_subnets(network: &Network, state: &ClusterState) -> Result<(), Refusal> {
    let allocated = network.allocation.map(|allocation| allocation.subnet);
    for subnet in network.spec.subnet.into_iter().chain(allocated) {
        if !(8..=29).contains(&subnet.prefix_len()) {
            return Err(Refusal::SubnetSize {
                network: network.id,
            });
        }
        if let Some(other) = state.overlapping(subnet).find(|other| *other != network.id) {
            return Err(Refusal::SubnetTaken {
                network: network.id,
                other,
            });
        }
    }
    Ok(())
}

fn rename<Id>(names: &mut BTreeMap<Name, Id>, id: Id, old: Option<&Name>, new: Option<&Name>) {
    if let Some(old) = old {
        names.remove(old);
    }
    if let Some(new) = new {
        names.insert(new.clone(), id);
    }
}
