//! Decisions as they are made, before they become a transaction.
//!
//! The state stays as it is; a draft holds what will differ. Later phases read through it, so that an address
//! or a place is not given twice in one plan.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use model::id::{NetworkId, NodeId, ServiceId, TaskId};
use model::port::Port;
use model::time::Timestamp;

use crate::object::network::Network;
use crate::object::node::Node;
use crate::object::service::Service;
use crate::object::task::{Attachment, TaskRecord, TaskState, TaskStatus};
use crate::plan::note::{Note, Reason, Subject};
use crate::state::ClusterState;
use crate::state::index::TaskKey;
use crate::state::pool::AddressPool;
use crate::state::transaction::{Change, Transaction};

/// Decisions as they are made.
pub(super) struct Draft<'s> {
    pub(super) state: &'s ClusterState,
    pub(super) now: Timestamp,
    ids: &'s mut dyn FnMut() -> u128,
    networks: BTreeMap<NetworkId, Network>,
    services: BTreeMap<ServiceId, Service>,
    nodes: BTreeMap<NodeId, Node>,
    pools: BTreeMap<NetworkId, AddressPool>,
    ports: BTreeSet<Port>,
    edits: BTreeMap<TaskKey, Edit>,
    created: Vec<TaskRecord>,
    alarms: BTreeMap<ServiceId, Timestamp>,
    notes: Vec<Note>,
}

/// What is to change of a task that exists.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit {
    desired: Option<TaskState>,
    placement: Option<(NodeId, Box<[Attachment]>)>,
    status: Option<TaskStatus>,
    deleted: bool,
}

impl<'s> Draft<'s> {
    pub(super) fn new(
        state: &'s ClusterState,
        now: Timestamp,
        ids: &'s mut dyn FnMut() -> u128,
    ) -> Self {
        Self {
            state,
            now,
            ids,
            networks: BTreeMap::new(),
            services: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pools: BTreeMap::new(),
            ports: BTreeSet::new(),
            edits: BTreeMap::new(),
            created: Vec::new(),
            alarms: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn service(&self, id: ServiceId) -> Option<&Service> {
        self.services
            .get(&id)
            .or_else(|| self.state.services().get(&id))
    }

    pub(super) fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks
            .get(&id)
            .or_else(|| self.state.networks().get(&id))
    }

    pub(super) fn ingress_network(&self) -> Option<&Network> {
        self.state
            .ingress_network()
            .and_then(|network| self.network(network.id))
    }

    pub(super) fn put_network(&mut self, network: Network) {
        self.networks.insert(network.id, network);
    }

    pub(super) fn put_service(&mut self, service: Service) {
        self.services.insert(service.id, service);
    }

    pub(super) fn put_node(&mut self, node: Node) {
        self.nodes.insert(node.id, node);
    }

    /// The networks that were given addresses in this plan.
    pub(super) fn new_subnets(&self) -> impl Iterator<Item = (Ipv4Net, u32)> + '_ {
        self.networks
            .values()
            .filter_map(|it| it.allocation)
            .map(|it| (it.subnet, it.vxlan))
    }

    /// The free addresses of a network.
    pub(super) fn pool(&mut self, id: NetworkId) -> Option<&mut AddressPool> {
        if !self.pools.contains_key(&id) {
            let subnet = self.network(id)?.allocation?.subnet;
            let known = self.state.index().pools().get(&id);
            self.pools.insert(
                id,
                known.cloned().unwrap_or_else(|| AddressPool::new(subnet)),
            );
        }
        self.pools.get_mut(&id)
    }

    /// Whether `port` is somebody's.
    pub(super) fn is_port_taken(&self, port: Port) -> bool {
        self.ports.contains(&port) || self.state.index().owner_of(port).is_some()
    }

    pub(super) fn take_port(&mut self, port: Port) {
        self.ports.insert(port);
    }

    pub(super) fn new_task_id(&mut self) -> TaskId {
        TaskId::from_number((self.ids)())
    }

    pub(super) fn create(&mut self, record: TaskRecord) {
        self.created.push(record);
    }

    pub(super) fn created(&self) -> &[TaskRecord] {
        &self.created
    }

    /// Moves the desired state of a task forward; an earlier one than it has changes nothing.
    pub(super) fn desire(&mut self, record: &TaskRecord, desired: TaskState) {
        if desired > self.desired(record) {
            self.edits.entry(key_of(record)).or_default().desired = Some(desired);
        }
    }

    /// The desired state of a task, as decided so far.
    pub(super) fn desired(&self, record: &TaskRecord) -> TaskState {
        let edited = self
            .edits
            .get(&key_of(record))
            .and_then(|edit| edit.desired);
        edited.unwrap_or(record.task.desired)
    }

    /// Whether a task is still wanted, as decided so far.
    pub(super) fn is_wanted(&self, record: &TaskRecord) -> bool {
        self.desired(record) <= TaskState::Complete
            && self
                .edits
                .get(&key_of(record))
                .is_none_or(|edit| !edit.deleted)
    }

    /// Records what the leader itself observes of a task: that it can never be heard of again.
    pub(super) fn observe(&mut self, record: &TaskRecord, state: TaskState) {
        if state > record.status.state {
            let status = record.status.moved(state, self.now);
            self.edits.entry(key_of(record)).or_default().status = Some(status);
        }
    }

    pub(super) fn delete(&mut self, record: &TaskRecord) {
        self.edits.entry(key_of(record)).or_default().deleted = true;
    }

    pub(super) fn is_deleted(&self, record: &TaskRecord) -> bool {
        self.edits
            .get(&key_of(record))
            .is_some_and(|edit| edit.deleted)
    }

    /// The tasks that exist and are no longer wanted, as of this plan.
    pub(super) fn newly_unwanted(&self) -> impl Iterator<Item = &'s TaskRecord> + '_ {
        self.edits
            .iter()
            .filter(|(_, edit)| {
                edit.deleted || edit.desired.is_some_and(|it| it > TaskState::Complete)
            })
            .filter_map(|((service, task), _)| self.state.task(*service, *task))
            .filter(|record| record.is_active())
    }

    /// Gives a task that exists to a node.
    pub(super) fn assign(
        &mut self,
        record: &TaskRecord,
        node: NodeId,
        attachments: Box<[Attachment]>,
    ) {
        let status = record.status.moved(TaskState::Assigned, self.now);
        let edit = self.edits.entry(key_of(record)).or_default();
        edit.placement = Some((node, attachments));
        edit.status = Some(status);
    }

    /// Gives the task made as number `position` of this plan to a node.
    pub(super) fn assign_created(
        &mut self,
        position: usize,
        node: NodeId,
        attachments: Box<[Attachment]>,
    ) {
        let record = &mut self.created[position];
        record.task.node = Some(node);
        record.task.attachments = attachments;
        record.status.state = TaskState::Assigned;
    }

    /// Has a service looked at again at `alarm`.
    pub(super) fn wake(&mut self, service: ServiceId, alarm: Timestamp) {
        let earliest = self.alarms.entry(service).or_insert(alarm);
        *earliest = alarm.min(*earliest);
    }

    pub(super) fn note(&mut self, subject: Subject, reason: Reason) {
        self.notes.push(Note { subject, reason });
    }

    /// The transaction, in an order in which it may be cut anywhere: what others refer to first, and new tasks
    /// before the end of those they replace.
    pub(super) fn finish(self) -> (Transaction, BTreeMap<ServiceId, Timestamp>, Vec<Note>) {
        let mut changes: Vec<Change> = Vec::with_capacity(self.created.len() + self.edits.len());
        changes.extend(self.networks.into_values().map(Change::from));
        changes.extend(self.services.into_values().map(Change::from));
        changes.extend(self.nodes.into_values().map(Change::from));
        changes.extend(
            self.created
                .into_iter()
                .map(|record| Change::CreateTask(Box::new(record))),
        );
        for (key, edit) in self.edits {
            if let Some(record) = self.state.task(key.0, key.1) {
                edit.changes(record, &mut changes);
            }
        }
        (Transaction { changes }, self.alarms, self.notes)
    }
}

impl Edit {
    fn changes(self, record: &TaskRecord, changes: &mut Vec<Change>) {
        let (service, task) = key_of(record);
        if self.deleted {
            changes.push(Change::DeleteTask {
                service,
                task,
                version: record.task.version,
            });
            return;
        }
        if self.desired.is_some() || self.placement.is_some() {
            let mut put = record.task.clone();
            put.desired = self.desired.unwrap_or(put.desired);
            if let Some((node, attachments)) = self.placement {
                put.node = Some(node);
                put.attachments = attachments;
            }
            changes.push(Change::UpdateTask(Box::new(put)));
        }
        if let Some(status) = self.status {
            changes.push(Change::UpdateStatus {
                service,
                task,
                status,
            });
        }
    }
}

const fn key_of(record: &TaskRecord) -> TaskKey {
    (record.task.service, record.task.id)
}
