//! Applying a transaction: all of it, or nothing.
//!
//! The changes are made one after the other, each checked against what those before it left. At the first that
//! may not be made, all are undone in reverse.

use model::id::{ConfigId, NetworkId, NodeId, SecretId, ServiceId, VolumeId};
use model::version::Version;

use crate::object::Object;
use crate::object::network::Network;
use crate::object::node::Node;
use crate::object::payload::{Config, Secret};
use crate::object::service::Service;
use crate::object::settings::Settings;
use crate::object::task::{Task, TaskRecord, TaskStatus};
use crate::object::volume::Volume;
use crate::state::ClusterState;
use crate::state::dirty::Dirty;
use crate::state::index::TaskKey;
use crate::state::refusal::Refusal;
use crate::state::stored::Stored;
use crate::state::task_table::conflict;
use crate::state::transaction::{Change, Transaction, Write};

/// What puts a changed object back.
pub(super) enum Undo {
    Settings(Box<Settings>),
    Node(NodeId, Option<Box<Node>>),
    Service(ServiceId, Option<Box<Service>>),
    Network(NetworkId, Option<Box<Network>>),
    Secret(SecretId, Option<Box<Secret>>),
    Config(ConfigId, Option<Box<Config>>),
    Volume(VolumeId, Option<Box<Volume>>),
    Task(TaskKey, Option<Box<TaskRecord>>),
}

impl ClusterState {
    /// Makes the changes of `transaction`, and tells what to look at again; or makes none, and tells why.
    pub fn apply(&mut self, transaction: Transaction) -> Result<Dirty, Refusal> {
        let mut dirty = Dirty::nothing();
        let mut done = Vec::with_capacity(transaction.changes.len());
        for change in transaction.changes {
            match self.change(change, &mut dirty) {
                Ok(undo) => done.push(undo),
                Err(refusal) => {
                    self.undo(done);
                    return Err(refusal);
                }
            }
        }
        self.revision = self.revision.next();
        Ok(dirty)
    }

    fn change(&mut self, change: Change, dirty: &mut Dirty) -> Result<Undo, Refusal> {
        match change {
            Change::Settings(settings) => self.set(*settings, dirty),
            Change::Node(write) => self.write(*write, dirty),
            Change::Service(write) => self.write(*write, dirty),
            Change::Network(write) => self.write(*write, dirty),
            Change::Secret(write) => self.write(*write, dirty),
            Change::Config(write) => self.write(*write, dirty),
            Change::Volume(write) => self.write(*write, dirty),
            Change::CreateTask(record) => self.create_task(*record, dirty),
            Change::UpdateTask(task) => self.update_task(*task, dirty),
            Change::UpdateStatus {
                service,
                task,
                status,
            } => self.update_status((service, task), status, dirty),
            Change::DeleteTask {
                service,
                task,
                version,
            } => self.delete_task((service, task), version, dirty),
        }
    }

    fn set(&mut self, mut settings: Settings, dirty: &mut Dirty) -> Result<Undo, Refusal> {
        if settings.version != self.settings.version {
            return Err(conflict(
                "settings of",
                "cluster",
                settings.version,
                self.settings.version,
            ));
        }
        let length = settings.subnet_length;
        let fits = settings
            .address_pools
            .iter()
            .all(|pool| pool.prefix_len() <= length);
        if !(8..=29).contains(&length) || !fits {
            return Err(Refusal::Pools { length });
        }
        settings.version = self.revision.next();
        dirty.mark_everything();
        Ok(Undo::Settings(Box::new(std::mem::replace(
            &mut self.settings,
            settings,
        ))))
    }

    fn write<T: Stored>(
        &mut self,
        write: Write<T, T::Id>,
        dirty: &mut Dirty,
    ) -> Result<Undo, Refusal> {
        match write {
            Write::Put(object) => self.put(object, dirty),
            Write::Delete { id, version } => self.delete::<T>(id, version, dirty),
        }
    }

    fn put<T: Stored>(&mut self, mut object: T, dirty: &mut Dirty) -> Result<Undo, Refusal> {
        let id = object.id();
        let old = T::table(self).get(&id).cloned();
        let stored = old.as_ref().map(Object::version).unwrap_or_default();
        if object.version() != stored {
            return Err(conflict(
                T::KIND,
                &*id_text::<T>(id),
                object.version(),
                stored,
            ));
        }
        object.check_put(old.as_ref(), self)?;
        object.settle(old.as_ref(), self);
        object.stamp(self.revision.next());
        self.replace(id, Some(object), dirty);
        Ok(T::undo(id, old))
    }

    fn delete<T: Stored>(
        &mut self,
        id: T::Id,
        version: Version,
        dirty: &mut Dirty,
    ) -> Result<Undo, Refusal> {
        let old = T::table(self).get(&id).cloned();
        let stored = old.as_ref().map(Object::version).unwrap_or_default();
        let Some(old) = old.filter(|_| version == stored) else {
            return Err(conflict(T::KIND, &*id_text::<T>(id), version, stored));
        };
        old.check_delete(self)?;
        self.replace::<T>(id, None, dirty);
        Ok(T::undo(id, Some(old)))
    }

    fn replace<T: Stored>(&mut self, id: T::Id, object: Option<T>, dirty: &mut Dirty) {
        let old = match object {
            Some(object) => T::table(self).insert(id, object),
            None => T::table(self).remove(&id),
        };
        T::follow(id, old.as_ref(), self, dirty);
    }

    fn create_task(&mut self, mut record: TaskRecord, dirty: &mut Dirty) -> Result<Undo, Refusal> {
        self.check_create(&record.task)?;
        let version = self.revision.next();
        record.task.version = version;
        record.task.born = version;
        record.status.version = version;
        let key = (record.task.service, record.task.id);
        self.replace_task(key, Some(record), dirty);
        Ok(Undo::Task(key, None))
    }

    fn update_task(&mut self, mut task: Task, dirty: &mut Dirty) -> Result<Undo, Refusal> {
        let key = (task.service, task.id);
        let old = self.task(key.0, key.1).ok_or_else(|| unknown_task(key))?;
        self.check_update(&task, &old.task)?;
        task.version = self.revision.next();
        let record = TaskRecord {
            task,
            status: old.status.clone(),
        };
        let old = self.replace_task(key, Some(record), dirty);
        Ok(Undo::Task(key, old.map(Box::new)))
    }

    fn update_status(
        &mut self,
        key: TaskKey,
        mut status: TaskStatus,
        dirty: &mut Dirty,
    ) -> Result<Undo, Refusal> {
        let old = self.task(key.0, key.1).ok_or_else(|| unknown_task(key))?;
        Self::check_status(key.1, &status, &old.status)?;
        status.version = self.revision.next();
        let record = TaskRecord {
            task: old.task.clone(),
            status,
        };
        let old = self.replace_task(key, Some(record), dirty);
        Ok(Undo::Task(key, old.map(Box::new)))
    }

    fn delete_task(
        &mut self,
        key: TaskKey,
        version: Version,
        dirty: &mut Dirty,
    ) -> Result<Undo, Refusal> {
        let old = self.task(key.0, key.1).ok_or_else(|| unknown_task(key))?;
        if old.task.version != version {
            return Err(conflict("task", key.1, version, old.task.version));
        }
        let old = self.replace_task(key, None, dirty);
        Ok(Undo::Task(key, old.map(Box::new)))
    }

    fn undo(&mut self, done: Vec<Undo>) {
        let dirty = &mut Dirty::nothing();
        for undo in done.into_iter().rev() {
            match undo {
                Undo::Settings(settings) => self.settings = *settings,
                Undo::Node(id, old) => self.replace(id, old.map(|it| *it), dirty),
                Undo::Service(id, old) => {
                    // The spec may have been forgotten when the newer one came.
                    if let Some(old) = &old {
                        let spec = std::sync::Arc::new(old.spec.task_spec());
                        self.specs
                            .entry(id)
                            .or_default()
                            .entry(old.task_version)
                            .or_insert(spec);
                        if let Some(previous) = &old.previous {
                            let spec = std::sync::Arc::new(previous.task_spec());
                            self.specs
                                .entry(id)
                                .or_default()
                                .entry(old.previous_task_version)
                                .or_insert(spec);
                        }
                    }
                    self.replace(id, old.map(|it| *it), dirty);
                }
                Undo::Network(id, old) => self.replace(id, old.map(|it| *it), dirty),
                Undo::Secret(id, old) => self.replace(id, old.map(|it| *it), dirty),
                Undo::Config(id, old) => self.replace(id, old.map(|it| *it), dirty),
                Undo::Volume(id, old) => self.replace(id, old.map(|it| *it), dirty),
                Undo::Task(key, old) => {
                    self.replace_task(key, old.map(|it| *it), dirty);
                }
            }
        }
    }
}

fn unknown_task((_, task): TaskKey) -> Refusal {
    Refusal::Unknown {
        kind: "task",
        id: task.to_string(),
    }
}

fn id_text<T: Stored>(id: T::Id) -> String {
    id.to_string()
}
