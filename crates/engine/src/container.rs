//! Containers: what is known of each, and the table of all.
//!
//! A [`Container`] has two halves. The [`Record`] is what it was made to be; it changes seldom (rename, update,
//! networks). The [`Condition`] is what became of it; everything that waits for a container watches it. Whoever
//! changes either holds the container's turn ([`Container::turn`]) while it does; reading takes no turn.
//!
//! What is not here: whatever acts on a container is in the file named for it, below this one.

mod attach;
mod detach;
mod exec;
mod name;
mod pending;
mod step;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use model::api::container::Config;
use model::api::endpoint::EndpointSettings;
use model::api::host_config::HostConfig;
use model::api::inspect::MountPoint;
use model::hex_id::ContainerId;
use model::time::Timestamp;
use runtime::client::Shim;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use attach::Attached;
pub use exec::Execs;
pub use step::Base;
pub use table::Containers;

/// What a container was made to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the slash that the API shows.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// What was asked for, with what the image says where nothing was.
    pub config: Config,
    /// What was asked for of the host.
    pub host_config: HostConfig,
    /// The id of its image, `sha256:…`; empty where a build gave its root.
    pub image: String,
    /// The read-only layers of its root, topmost first; relative to the data root where they lie in it.
    pub layers: Vec<PathBuf>,
    /// What is mounted into it, as resolved when it was made.
    pub mounts: Vec<MountPoint>,
    /// The networks that it is to be in, by name, as asked for.
    pub networks: BTreeMap<String, EndpointSettings>,
    /// Whether it is a step of a build: gone after a crash of the daemon.
    #[serde(default)]
    pub step: bool,
}

/// How far a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Phase {
    /// It was made and never ran.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its program is held.
    Paused,
    /// Its program ended, and is about to be started again.
    Restarting,
    /// Its program ended.
    Exited,
    /// It is being removed, or could not be.
    Removing,
    /// It is no more. Only those who still hold it see this.
    Removed,
}

impl Phase {
    /// The word for it in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing | Self::Removed => "removing",
        }
    }

    /// Whether there is a process.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// What became of a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// How far it is.
    pub phase: Phase,
    /// Its first process; zero while there is none.
    pub pid: u32,
    /// How its program ended last.
    pub exit_code: i64,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started last.
    pub error: String,
    /// When its program began last.
    pub started_at: Option<Timestamp>,
    /// When its program ended last.
    pub finished_at: Option<Timestamp>,
    /// How often its restart policy started it again since somebody did.
    pub restart_count: u64,
    /// Whether somebody stopped it, so that its restart policy leaves it alone.
    pub manually_stopped: bool,
    /// Where it is in its networks, while it runs.
    pub endpoints: Vec<network::Endpoint>,
    /// Which ports of the host lead to it, while it runs.
    pub ports: Vec<network::PortBinding>,
    /// How often its program ended. Waiters count by it.
    pub exits: u64,
    /// What its health checks say.
    #[serde(skip)]
    pub health: Option<model::api::inspect::Health>,
}

/// One container.
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    record: RwLock<Arc<Record>>,
    condition: watch::Sender<Arc<Condition>>,
    turn: tokio::sync::Mutex<()>,
    shim: Mutex<Option<Shim>>,
    waiting_clients: Mutex<Vec<attach::WaitingClient>>,
    /// Told when a wait for the next restart is to end without one.
    no_restart: tokio::sync::Notify,
}

impl Container {
    /// A container that is known and of which nothing runs, as far as we know.
    pub(crate) fn new(record: Record, condition: Condition) -> Self {
        Self {
            id: record.id,
            record: RwLock::new(Arc::new(record)),
            condition: watch::Sender::new(Arc::new(condition)),
            turn: tokio::sync::Mutex::default(),
            shim: Mutex::default(),
            waiting_clients: Mutex::default(),
            no_restart: tokio::sync::Notify::new(),
        }
    }

    /// What it was made to be.
    pub fn record(&self) -> Arc<Record> {
        Arc::clone(&self.record.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What became of it.
    pub fn condition(&self) -> Arc<Condition> {
        Arc::clone(&self.condition.borrow())
    }

    /// What becomes of it from now on.
    pub fn watch(&self) -> watch::Receiver<Arc<Condition>> {
        self.condition.subscribe()
    }

    /// Waits for the turn to change it; nobody else changes it until the answer is dropped.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Its shim, while its program runs.
    pub fn shim(&self) -> Option<Shim> {
        self.shim
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_shim(&self, shim: Option<Shim>) {
        *self.shim.lock().unwrap_or_else(PoisonError::into_inner) = shim;
    }

    pub(crate) fn set_record(&self, record: Record) {
        let record = Arc::new(record);
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = record;
    }

    /// Changes what became of it, in memory; returns what it is now.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Condition)) -> Arc<Condition> {
        self.condition
            .send_modify(|condition| change(Arc::make_mut(condition)));
        self.condition()
    }
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container")
            .field("id", &self.id)
            .field("phase", &self.condition().phase)
            .finish_non_exhaustive()
    }
}
