//! The whole state as data, to be written down and read back.
//!
//! What is derived is left out and built anew. A snapshot read back plans exactly as the state it was taken
//! of.

use std::sync::Arc;

use model::id::{ServiceId, TaskId};
use model::version::Version;
use serde::{Deserialize, Serialize};

use crate::object::network::Network;
use crate::object::node::Node;
use crate::object::payload::{Config, Secret};
use crate::object::service::Service;
use crate::object::settings::Settings;
use crate::object::spec::TaskSpec;
use crate::object::task::TaskRecord;
use crate::object::volume::Volume;
use crate::state::ClusterState;
use crate::state::dirty::Dirty;
use crate::state::stored::Stored;

/// The whole state as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last transaction in it.
    pub revision: Version,
    /// The settings.
    pub settings: Settings,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The services.
    pub services: Vec<Service>,
    /// The networks.
    pub networks: Vec<Network>,
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// The configs.
    pub configs: Vec<Config>,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// The task specs, each once.
    pub specs: Vec<StoredSpec>,
    /// The tasks.
    pub tasks: Vec<TaskRecord>,
}

/// A task spec with what names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSpec {
    /// The service.
    pub service: ServiceId,
    /// The transaction that brought it.
    pub version: Version,
    /// The spec.
    pub spec: Arc<TaskSpec>,
}

/// Why a snapshot is not one of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A task runs a spec that is not in it.
    #[error("task {task} runs a spec of service {service} that the snapshot lacks")]
    SpecMissing {
        /// The task.
        task: TaskId,
        /// Its service.
        service: ServiceId,
    },
}

impl ClusterState {
    /// The whole state as data.
    pub fn snapshot(&self) -> Snapshot {
        let specs = self.specs.iter().flat_map(|(service, specs)| {
            specs.iter().map(|(version, spec)| StoredSpec {
                service: *service,
                version: *version,
                spec: Arc::clone(spec),
            })
        });
        Snapshot {
            revision: self.revision,
            settings: self.settings.clone(),
            nodes: self.nodes.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            networks: self.networks.values().cloned().collect(),
            secrets: self.secrets.values().cloned().collect(),
            configs: self.configs.values().cloned().collect(),
            volumes: self.volumes.values().cloned().collect(),
            specs: specs.collect(),
            tasks: self.tasks().cloned().collect(),
        }
    }

    /// The state that `snapshot` was taken of.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        let mut state = Self {
            revision: snapshot.revision,
            settings: snapshot.settings,
            ..Self::default()
        };
        for stored in snapshot.specs {
            state
                .specs
                .entry(stored.service)
                .or_default()
                .insert(stored.version, stored.spec);
        }
        // Tasks keep their specs alive, and those are in the snapshot because tasks or services do: so tasks
        // before services. Networks come before all that has addresses on them.
        state.fill(snapshot.networks);
        for record in snapshot.tasks {
            let key = (record.task.service, record.task.id);
            if state.spec_of(&record.task).is_none() {
                return Err(RestoreError::SpecMissing {
                    task: key.1,
                    service: key.0,
                });
            }
            state.replace_task(key, Some(record), &mut Dirty::nothing());
        }
        state.fill(snapshot.services);
        state.fill(snapshot.nodes);
        state.fill(snapshot.secrets);
        state.fill(snapshot.configs);
        state.fill(snapshot.volumes);
        Ok(state)
    }

    fn fill<T: Stored>(&mut self, objects: Vec<T>) {
        for object in objects {
            let id = object.id();
            T::table(self).insert(id, object);
            T::follow(id, None, self, &mut Dirty::nothing());
        }
    }
}
