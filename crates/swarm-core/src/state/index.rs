//! What is derived from the objects, kept up with each change, so that a decision costs what it is about and
//! not what the cluster holds.
//!
//! Everything here can be rebuilt from the objects ([`super::snapshot`] does), and a simulator invariant
//! compares the two.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use model::id::{ConfigId, NetworkId, NodeId, SecretId, ServiceId, TaskId, VolumeId};
use model::name::Name;
use model::port::Port;
use model::version::Version;

use crate::object::network::{Network, NetworkPurpose};
use crate::object::node::Node;
use crate::object::service::Service;
use crate::object::spec::{EndpointMode, PortSpec, PublishMode, TaskSpec};
use crate::object::task::TaskRecord;
use crate::state::dirty::Room;
use crate::state::pool::AddressPool;
use crate::state::usage::{NodeUsage, decrement};

/// A task and its service.
pub type TaskKey = (ServiceId, TaskId);

/// What is derived from the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    pub(super) service_names: BTreeMap<Name, ServiceId>,
    pub(super) network_names: BTreeMap<Name, NetworkId>,
    pub(super) secret_names: BTreeMap<Name, SecretId>,
    pub(super) config_names: BTreeMap<Name, ConfigId>,
    pub(super) volume_names: BTreeMap<Name, VolumeId>,
    pub(super) ingress: Option<NetworkId>,
    networks: BTreeSet<NetworkId>,
    tasks_by_node: BTreeMap<NodeId, BTreeSet<TaskKey>>,
    tasks_by_network: BTreeMap<NetworkId, BTreeSet<TaskKey>>,
    waiting: BTreeSet<TaskKey>,
    usage: BTreeMap<NodeId, NodeUsage>,
    nodes_by_load: BTreeSet<(u32, NodeId)>,
    nodes_without_ingress: BTreeSet<NodeId>,
    pools: BTreeMap<NetworkId, AddressPool>,
    ingress_ports: BTreeMap<Port, ServiceId>,
    services_by_network: BTreeMap<NetworkId, BTreeSet<ServiceId>>,
    services_per_node: BTreeSet<ServiceId>,
    unallocated: BTreeSet<ServiceId>,
    spec_uses: BTreeMap<(ServiceId, Version), u32>,
    volume_uses: BTreeMap<VolumeId, BTreeMap<NodeId, u32>>,
}

impl Index {
    /// The tasks on a node, over or not.
    pub fn tasks_on(&self, node: NodeId) -> impl Iterator<Item = TaskKey> + '_ {
        self.tasks_by_node.get(&node).into_iter().flatten().copied()
    }

    /// The nodes that tasks are on, removed ones among them.
    pub fn nodes_with_tasks(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.tasks_by_node.keys().copied()
    }

    /// The tasks that have an address on a network and are not over.
    pub fn tasks_attached_to(&self, network: NetworkId) -> impl Iterator<Item = TaskKey> + '_ {
        self.tasks_by_network
            .get(&network)
            .into_iter()
            .flatten()
            .copied()
    }

    /// The tasks that wait for a node.
    pub const fn waiting(&self) -> &BTreeSet<TaskKey> {
        &self.waiting
    }

    /// What the tasks on a node take up; `None` is nothing.
    pub fn usage(&self, node: NodeId) -> Option<&NodeUsage> {
        self.usage.get(&node)
    }

    /// The nodes, those with the fewest active tasks first.
    pub const fn nodes_by_load(&self) -> &BTreeSet<(u32, NodeId)> {
        &self.nodes_by_load
    }

    /// The nodes that have no address on the ingress network.
    pub const fn nodes_without_ingress(&self) -> &BTreeSet<NodeId> {
        &self.nodes_without_ingress
    }

    /// The addresses of each network.
    pub const fn pools(&self) -> &BTreeMap<NetworkId, AddressPool> {
        &self.pools
    }

    /// Whose a port is that every node answers on.
    pub fn owner_of(&self, port: Port) -> Option<ServiceId> {
        self.ingress_ports.get(&port).copied()
    }

    /// The ports that every node answers on, and whose they are.
    pub const fn ingress_ports(&self) -> &BTreeMap<Port, ServiceId> {
        &self.ingress_ports
    }

    /// The services whose spec names a network.
    pub fn services_on(&self, network: NetworkId) -> impl Iterator<Item = ServiceId> + '_ {
        self.services_by_network
            .get(&network)
            .into_iter()
            .flatten()
            .copied()
    }

    /// The services whose tasks belong to nodes.
    pub const fn services_per_node(&self) -> &BTreeSet<ServiceId> {
        &self.services_per_node
    }

    /// The services that have not been allocated all they need.
    pub const fn unallocated(&self) -> &BTreeSet<ServiceId> {
        &self.unallocated
    }

    /// Whether a task runs that spec.
    pub fn is_spec_used(&self, service: ServiceId, version: Version) -> bool {
        self.spec_uses.contains_key(&(service, version))
    }

    /// The nodes on which a volume is in use, and by how many tasks.
    pub fn users_of(&self, volume: VolumeId) -> Option<&BTreeMap<NodeId, u32>> {
        self.volume_uses.get(&volume)
    }

    pub(super) fn node_changed(&mut self, id: NodeId, old: Option<&Node>, new: Option<&Node>) {
        let load = self.usage.get(&id).map_or(0, |usage| usage.active);
        let ingress = |node: Option<&Node>| node.and_then(|node| node.ingress);
        if ingress(old) != ingress(new) {
            self.follow_ingress(ingress(old), ingress(new));
        }
        keep(&mut self.nodes_by_load, (load, id), new.is_some());
        keep(
            &mut self.nodes_without_ingress,
            id,
            new.is_some_and(|node| node.ingress.is_none()),
        );
    }

    /// Frees and takes a node's address, whichever network it is on: the ingress network may be another by now.
    fn follow_ingress(&mut self, old: Option<Ipv4Net>, new: Option<Ipv4Net>) {
        let pool_of = |pools: &BTreeMap<NetworkId, AddressPool>, address: Ipv4Net| {
            pools
                .iter()
                .find(|(_, pool)| pool.subnet().contains(&address.addr()))
                .map(|(id, _)| *id)
        };
        if let Some((address, network)) = old.and_then(|it| Some((it, pool_of(&self.pools, it)?))) {
            if let Some(pool) = self.pools.get_mut(&network) {
                pool.free(address.addr());
            }
            self.drop_pool_if_unused(network);
        }
        if let Some((address, network)) = new.and_then(|it| Some((it, pool_of(&self.pools, it)?)))
            && let Some(pool) = self.pools.get_mut(&network)
        {
            pool.take(address.addr());
        }
    }

    pub(super) fn network_changed(
        &mut self,
        id: NetworkId,
        old: Option<&Network>,
        new: Option<&Network>,
    ) {
        if let Some(old) = old {
            self.network_names.remove(&old.spec.name);
        }
        if self.ingress == Some(id) && new.is_none() {
            self.ingress = None;
        }
        keep(&mut self.networks, id, new.is_some());
        if let Some(new) = new {
            self.network_names.insert(new.spec.name.clone(), id);
            if new.spec.purpose == NetworkPurpose::Ingress {
                self.ingress = Some(id);
            }
            if let Some(allocation) = new.allocation {
                self.pools
                    .entry(id)
                    .or_insert_with(|| AddressPool::new(allocation.subnet));
            }
        } else {
            self.drop_pool_if_unused(id);
        }
    }

    pub(super) fn service_changed(
        &mut self,
        id: ServiceId,
        old: Option<&Service>,
        new: Option<&Service>,
    ) {
        if let Some(old) = old {
            self.forget_service(old);
        }
        if let Some(new) = new {
            self.remember_service(new);
        }
        let per_node = new.is_some_and(|new| new.spec.mode.is_per_node());
        keep(&mut self.services_per_node, id, per_node);
        let incomplete = new.is_some_and(|new| !is_allocated(new, self.ingress));
        keep(&mut self.unallocated, id, incomplete);
    }

    fn forget_service(&mut self, old: &Service) {
        self.service_names.remove(&old.spec.name);
        for port in claimed_ports(old) {
            if self.ingress_ports.get(&port) == Some(&old.id) {
                self.ingress_ports.remove(&port);
            }
        }
        for attachment in &old.spec.task.networks {
            self.unlink_network(attachment.network, old.id);
        }
        for held in &old.endpoint.addresses {
            if let Some(pool) = self.pools.get_mut(&held.network) {
                pool.free(held.address.addr());
            }
            self.unlink_network(held.network, old.id);
            self.drop_pool_if_unused(held.network);
        }
    }

    fn remember_service(&mut self, new: &Service) {
        self.service_names.insert(new.spec.name.clone(), new.id);
        for port in claimed_ports(new) {
            self.ingress_ports.entry(port).or_insert(new.id);
        }
        for attachment in &new.spec.task.networks {
            self.services_by_network
                .entry(attachment.network)
                .or_default()
                .insert(new.id);
        }
        for held in &new.endpoint.addresses {
            if let Some(pool) = self.pools.get_mut(&held.network) {
                pool.take(held.address.addr());
            }
            self.services_by_network
                .entry(held.network)
                .or_default()
                .insert(new.id);
        }
    }

    fn unlink_network(&mut self, network: NetworkId, service: ServiceId) {
        if let Some(services) = self.services_by_network.get_mut(&network) {
            services.remove(&service);
            if services.is_empty() {
                self.services_by_network.remove(&network);
            }
        }
    }

    fn drop_pool_if_unused(&mut self, network: NetworkId) {
        if !self.networks.contains(&network)
            && self
                .pools
                .get(&network)
                .is_some_and(|pool| pool.held() == 0)
        {
            self.pools.remove(&network);
        }
    }

    /// Follows a task from `old` to `new`, both of which run `spec`; tells whether something became free.
    pub(super) fn task_changed(
        &mut self,
        key: TaskKey,
        old: Option<&TaskRecord>,
        new: Option<&TaskRecord>,
        spec: Option<&TaskSpec>,
    ) -> Room {
        self.count_spec(old, new);
        let (before, after) = (Standing::of(old), Standing::of(new));
        let moved_addresses = self.follow_addresses(key, old, new);
        if before == after {
            return moved_addresses;
        }
        keep(&mut self.waiting, key, after.waiting);
        if let Some(node) = before.node.or(after.node) {
            self.follow_on_node(node, key, before, after, spec);
        }
        let freed = (before.holds && !after.holds) || (before.active && !after.active);
        if freed { Room::Freed } else { moved_addresses }
    }

    fn count_spec(&mut self, old: Option<&TaskRecord>, new: Option<&TaskRecord>) {
        match (old, new) {
            (None, Some(new)) => {
                *self
                    .spec_uses
                    .entry((new.task.service, new.task.spec))
                    .or_default() += 1;
            }
            (Some(old), None) => decrement(&mut self.spec_uses, &(old.task.service, old.task.spec)),
            (Some(_), Some(_)) | (None, None) => (),
        }
    }

    fn follow_addresses(
        &mut self,
        key: TaskKey,
        old: Option<&TaskRecord>,
        new: Option<&TaskRecord>,
    ) -> Room {
        let held = |record: Option<&TaskRecord>| {
            record
                .filter(|it| !it.is_over())
                .map(|it| it.task.attachments.clone())
                .unwrap_or_default()
        };
        let nothing =
            |record: Option<&TaskRecord>| record.is_none_or(|it| it.task.attachments.is_empty());
        if nothing(old) && nothing(new) {
            return Room::AsBefore;
        }
        let (before, after) = (held(old), held(new));
        if before == after {
            return Room::AsBefore;
        }
        for attachment in &before {
            if let Some(pool) = self.pools.get_mut(&attachment.network) {
                pool.free(attachment.address.addr());
            }
            if let Some(tasks) = self.tasks_by_network.get_mut(&attachment.network) {
                tasks.remove(&key);
                if tasks.is_empty() {
                    self.tasks_by_network.remove(&attachment.network);
                }
            }
        }
        for attachment in &after {
            let subnet = attachment.address.trunc();
            let pool = self
                .pools
                .entry(attachment.network)
                .or_insert_with(|| AddressPool::new(subnet));
            pool.take(attachment.address.addr());
            self.tasks_by_network
                .entry(attachment.network)
                .or_default()
                .insert(key);
        }
        for attachment in &before {
            self.drop_pool_if_unused(attachment.network);
        }
        if before.is_empty() {
            Room::AsBefore
        } else {
            Room::Freed
        }
    }

    fn follow_on_node(
        &mut self,
        node: NodeId,
        key: TaskKey,
        before: Standing,
        after: Standing,
        spec: Option<&TaskSpec>,
    ) {
        if before.node != after.node {
            let tasks = self.tasks_by_node.entry(node).or_default();
            keep(tasks, key, after.node.is_some());
            if tasks.is_empty() {
                self.tasks_by_node.remove(&node);
            }
        }
        let usage = self.usage.entry(node).or_default();
        let load = usage.active;
        match (before.active, after.active) {
            (false, true) => usage.active += 1,
            (true, false) => usage.active = usage.active.saturating_sub(1),
            (true, true) | (false, false) => (),
        }
        if usage.active != load && self.nodes_by_load.remove(&(load, node)) {
            self.nodes_by_load.insert((usage.active, node));
        }
        match (before.holds, after.holds, spec) {
            (false, true, Some(spec)) => usage.hold(spec),
            (true, false, Some(spec)) => usage.release(spec),
            (true, true, _) | (false, false, _) | (_, _, None) => (),
        }
        if usage.is_empty() {
            self.usage.remove(&node);
        }
        if before.holds != after.holds {
            self.follow_volumes(node, after, spec);
        }
    }

    fn follow_volumes(&mut self, node: NodeId, after: Standing, spec: Option<&TaskSpec>) {
        for volume in spec
            .into_iter()
            .flat_map(|spec| &spec.template.container.volumes)
        {
            let users = self.volume_uses.entry(*volume).or_default();
            if after.holds {
                *users.entry(node).or_default() += 1;
            } else {
                decrement(users, &node);
            }
            if users.is_empty() {
                self.volume_uses.remove(volume);
            }
        }
    }
}

/// What the index records of a task.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Standing {
    node: Option<NodeId>,
    active: bool,
    holds: bool,
    waiting: bool,
}

impl Standing {
    fn of(record: Option<&TaskRecord>) -> Self {
        record.map_or_else(Self::default, |record| Self {
            node: record.task.node,
            active: record.task.node.is_some() && record.is_active(),
            holds: record.task.node.is_some() && !record.is_over(),
            waiting: record.is_waiting(),
        })
    }
}

/// The ports that a service has on every node: those it was given, and those it asks for.
fn claimed_ports(service: &Service) -> impl Iterator<Item = Port> + '_ {
    let asked = service
        .spec
        .endpoint
        .ports
        .iter()
        .filter_map(PortSpec::ingress_port);
    service.ingress_ports().chain(asked)
}

/// Whether a service has all that its spec needs allocated.
pub(crate) fn is_allocated(service: &Service, ingress: Option<NetworkId>) -> bool {
    let asked = &service.spec.endpoint.ports;
    let given = &service.endpoint.ports;
    let ports = asked.len() == given.len()
        && asked
            .iter()
            .zip(given)
            .all(|(asked, given)| answers(*asked, *given));
    let mut wanted = networks_with_address(service, ingress);
    let held = &service.endpoint.addresses;
    let same_count = wanted.clone().count() == held.len();
    ports
        && same_count
        && wanted.all(|network| held.iter().any(|address| address.network == network))
}

/// Whether the port `given` is what was `asked` for.
pub(crate) fn answers(asked: PortSpec, given: PortSpec) -> bool {
    let number = match asked.published {
        Some(number) => given.published == Some(number),
        None => given.published.is_some() || asked.mode == PublishMode::Host,
    };
    number
        && (asked.protocol, asked.target, asked.mode) == (given.protocol, given.target, given.mode)
}

/// The networks on which a service should have an address of its own.
pub(crate) fn networks_with_address(
    service: &Service,
    ingress: Option<NetworkId>,
) -> impl Iterator<Item = NetworkId> + Clone + '_ {
    let by_name = match service.spec.endpoint.mode {
        EndpointMode::Vip => service.spec.task.networks.as_slice(),
        EndpointMode::Dnsrr => &[],
    };
    let ingress = ingress.filter(|_| service.spec.publishes_on_ingress());
    by_name
        .iter()
        .map(|attachment| attachment.network)
        .chain(ingress)
}

/// Has `item` in `set`, or not.
fn keep<T: Ord>(set: &mut BTreeSet<T>, item: T, wanted: bool) {
    if wanted {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}
