//! How tasks are kept: grouped by service, their specs stored once.

use std::sync::Arc;

use ipnet::Ipv4Net;
use model::id::{NetworkId, ServiceId, TaskId};
use model::version::Version;

use crate::object::service::Service;
use crate::object::task::{Task, TaskRecord, TaskStatus};
use crate::state::ClusterState;
use crate::state::dirty::{Dirty, Room};
use crate::state::index::TaskKey;
use crate::state::refusal::Refusal;

impl ClusterState {
    /// Puts `record` in the place of the task `key`, or takes that away; returns what was there.
    pub(super) fn replace_task(
        &mut self,
        key: TaskKey,
        record: Option<TaskRecord>,
        dirty: &mut Dirty,
    ) -> Option<TaskRecord> {
        let (service, id) = key;
        let any = record.as_ref().or_else(|| self.task(service, id));
        let spec = any.and_then(|it| self.spec_of(&it.task)).map(Arc::clone);
        let old = match record {
            Some(record) => self.tasks.entry(service).or_default().insert(id, record),
            None => self.take_task(service, id),
        };
        let new = self.tasks.get(&service).and_then(|tasks| tasks.get(&id));
        if self
            .index
            .task_changed(key, old.as_ref(), new, spec.as_deref())
            == Room::Freed
        {
            dirty.mark_room();
        }
        dirty.mark_service(service);
        if let Some(old) = old.as_ref().filter(|_| new.is_none())
            && !self.index.is_spec_used(service, old.task.spec)
        {
            self.drop_unused_specs(service);
        }
        old
    }

    fn take_task(&mut self, service: ServiceId, id: TaskId) -> Option<TaskRecord> {
        let tasks = self.tasks.get_mut(&service)?;
        let taken = tasks.remove(&id);
        if tasks.is_empty() {
            self.tasks.remove(&service);
        }
        taken
    }

    /// Whether the new task names only what is there.
    pub(super) fn check_create(&self, task: &Task) -> Result<(), Refusal> {
        if self.task(task.service, task.id).is_some() {
            return Err(conflict("task", task.id, Version::default(), Version(1)));
        }
        if !self.services.contains_key(&task.service) {
            return Err(Refusal::Unknown {
                kind: "service",
                id: task.service.to_string(),
            });
        }
        if self.spec_of(task).is_none() {
            return Err(Refusal::Unknown {
                kind: "task spec",
                id: task.spec.to_string(),
            });
        }
        for attachment in &task.attachments {
            self.check_attachment(attachment.network, attachment.address)?;
        }
        self.check_node(task)
    }

    /// Whether `task` is what `old` may become.
    pub(super) fn check_update(&self, task: &Task, old: &Task) -> Result<(), Refusal> {
        if task.version != old.version {
            return Err(conflict("task", task.id, task.version, old.version));
        }
        if task.desired < old.desired {
            return Err(Refusal::Backwards {
                task: task.id,
                from: old.desired,
                to: task.desired,
            });
        }
        let identity = |task: &Task| (task.slot, task.incarnation, task.spec, task.born);
        if identity(task) != identity(old) || (old.node.is_some() && task.node != old.node) {
            let what = "the slot, the spec and the node";
            return Err(Refusal::Fixed {
                what,
                kind: "task",
                id: task.id.to_string(),
            });
        }
        for attachment in task
            .attachments
            .iter()
            .filter(|it| !old.attachments.contains(it))
        {
            self.check_attachment(attachment.network, attachment.address)?;
        }
        if task.node == old.node {
            Ok(())
        } else {
            self.check_node(task)
        }
    }

    /// Whether `status` is what `old` may become.
    pub(super) fn check_status(
        task: TaskId,
        status: &TaskStatus,
        old: &TaskStatus,
    ) -> Result<(), Refusal> {
        if status.version != old.version {
            return Err(conflict(
                "status of task",
                task,
                status.version,
                old.version,
            ));
        }
        if status.state < old.state {
            return Err(Refusal::Backwards {
                task,
                from: old.state,
                to: status.state,
            });
        }
        Ok(())
    }

    fn check_node(&self, task: &Task) -> Result<(), Refusal> {
        match task.node {
            Some(node) if !self.nodes.contains_key(&node) => Err(Refusal::NoSuchNode {
                task: task.id,
                node,
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn check_attachment(&self, network: NetworkId, address: Ipv4Net) -> Result<(), Refusal> {
        let allocation = self
            .networks
            .get(&network)
            .and_then(|network| network.allocation);
        match allocation {
            Some(allocation) if allocation.subnet.contains(&address.addr()) => Ok(()),
            Some(_) | None => Err(Refusal::Unknown {
                kind: "network",
                id: network.to_string(),
            }),
        }
    }

    /// The networks, present or just removed, whose addresses overlap `subnet`.
    pub(crate) fn overlapping(&self, subnet: Ipv4Net) -> impl Iterator<Item = NetworkId> + '_ {
        let overlaps = move |other: Ipv4Net| {
            subnet.contains(&other.network()) || other.contains(&subnet.network())
        };
        let held = self
            .index
            .pools()
            .iter()
            .filter(move |(_, pool)| overlaps(pool.subnet()))
            .map(|(id, _)| *id);
        let asked = self
            .networks
            .values()
            .filter(move |it| it.spec.subnet.is_some_and(overlaps))
            .map(|it| it.id);
        held.chain(asked)
    }

    /// The version of the service's task spec: that of an equal one if it is known, or a new one.
    pub(super) fn register_spec(&mut self, service: &Service, old: Option<&Service>) -> Version {
        if let Some(old) = old.filter(|old| Arc::ptr_eq(&old.spec, &service.spec)) {
            return old.task_version;
        }
        let known = self.specs.entry(service.id).or_default();
        let version = known
            .iter()
            .find(|(_, spec)| service.spec.starts_from(spec))
            .map_or_else(|| self.revision.next(), |(version, _)| *version);
        known
            .entry(version)
            .or_insert_with(|| Arc::new(service.spec.task_spec()));
        version
    }

    /// Forgets the task specs of a service that no task runs and that it does not go on to or back to.
    pub(super) fn drop_unused_specs(&mut self, service: ServiceId) {
        let Some(known) = self.specs.get_mut(&service) else {
            return;
        };
        let wanted = self
            .services
            .get(&service)
            .map(|it| [it.task_version, it.previous_task_version]);
        let index = &self.index;
        known.retain(|version, _| {
            wanted.is_some_and(|wanted| wanted.contains(version))
                || index.is_spec_used(service, *version)
        });
        if known.is_empty() {
            self.specs.remove(&service);
        }
    }
}

pub(super) fn conflict(
    kind: &'static str,
    id: impl std::fmt::Display + Copy,
    expected: Version,
    stored: Version,
) -> Refusal {
    Refusal::Conflict {
        kind,
        id: id.to_string(),
        expected,
        stored,
    }
}
