//! Containers: what is known of each, and the table of all.
//!
//! A [`Container`] has two halves. The [`Record`] is what it was made to be; it changes seldom (rename, update,
//! networks). The [`Condition`] is what became of it; everything that waits for a container watches it. Whoever
//! changes either holds the container's turn ([`Container::turn`]) while it does; reading takes no turn.
//!
//! What is not here: whatever acts on a container is in the file named for it, below this one.

mod attach;
mod base;
mod create;
mod detach;
mod exec;
mod exit;
mod files;
mod health;
mod list;
mod name;
mod networking;
mod recover;
mod remove;
mod show;
mod start;
mod status;
mod step;
mod stop;
mod table;
mod update;
mod wait;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use model::api::container::Config;
use model::api::endpoint::EndpointSettings;
use model::api::host_config::HostConfig;
use model::api::inspect::MountPoint;
use model::digest::DiffId;
use model::hex_id::ContainerId;
use model::time::Timestamp;
use runtime::client::Shim;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::resolve::log;
use crate::resolve::spec::Files;
use crate::state::{Change, Table};
use crate::{Engine, event};

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
    /// The read-only layers of its root, lowest first.
    pub layers: Vec<DiffId>,
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
    /// What the networks of its endpoints are called, by their ids.
    pub network_names: BTreeMap<String, String>,
    /// The address it had last in each network, by the network's id.
    pub addresses: BTreeMap<String, std::net::Ipv4Addr>,
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
    run: Mutex<Run>,
    waiting_clients: Mutex<Vec<attach::WaitingClient>>,
    /// Told when a wait for the next restart is to end without one.
    no_restart: tokio::sync::Notify,
    /// How many want it to survive its end although it is to remove itself.
    kept: AtomicU32,
    /// Keeps its layers in the store.
    hold: Option<image::Hold>,
}

/// One run of a container's program.
#[derive(Debug, Default)]
struct Run {
    /// Which one, counted since the daemon started.
    number: u64,
    shim: Option<Shim>,
    /// How long its restart policy waited for it.
    restart_delay: Option<Duration>,
}

impl Container {
    /// A container that is known and of which nothing runs, as far as we know.
    pub(crate) fn new(record: Record, condition: Condition) -> Self {
        Self {
            id: record.id,
            record: RwLock::new(Arc::new(record)),
            condition: watch::Sender::new(Arc::new(condition)),
            turn: tokio::sync::Mutex::default(),
            run: Mutex::default(),
            waiting_clients: Mutex::default(),
            no_restart: tokio::sync::Notify::new(),
            kept: AtomicU32::new(0),
            hold: None,
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
        self.run().shim.clone()
    }

    /// Notes the shim of a new run, or that the run is over; which run it is.
    fn set_shim(&self, shim: Option<Shim>) -> u64 {
        let mut run = self.run();
        if shim.is_some() {
            run.number += 1;
        }
        run.shim = shim;
        run.number
    }

    fn restart_delay(&self) -> Option<Duration> {
        self.run().restart_delay
    }

    fn set_restart_delay(&self, delay: Option<Duration>) {
        self.run().restart_delay = delay;
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_record(&self, record: Record) {
        let record = Arc::new(record);
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = record;
    }

    /// Changes what became of it, in memory; returns what it is now.
    fn change(&self, change: impl FnOnce(&mut Condition)) -> Arc<Condition> {
        self.condition
            .send_modify(|condition| change(Arc::make_mut(condition)));
        self.condition()
    }

    /// Whether it is being removed, or is gone: what is read of its files is not to be relied on.
    pub fn is_leaving(&self) -> bool {
        matches!(self.condition().phase, Phase::Removing | Phase::Removed)
    }

    /// What failed because the container is being removed, told as that.
    pub fn unless_leaving<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(_) if self.is_leaving() => Err(Error::no_such_container(self.id)),
            result => result,
        }
    }

    /// Keeps it from removing itself until the answer is dropped.
    fn keep_through_restart(&self) -> Kept<'_> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        Kept(self)
    }

    fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed) > 0
    }
}

/// Keeps a container from removing itself.
struct Kept<'a>(&'a Container);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.kept.fetch_sub(1, Ordering::Relaxed);
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

impl Engine {
    /// The container of this name, id, or beginning of an id, once the containers of before a restart are found.
    async fn container(&self, wanted: &str) -> Result<Arc<Container>> {
        self.ready().await;
        self.containers().find(wanted)
    }

    /// Where a container's output is kept, if it is.
    pub fn log_path(&self, container: &Container) -> Option<PathBuf> {
        let record = container.record();
        let files = Files::new(self.settings(), &record.id.to_string());
        let log = log::file(&record.host_config, self.settings(), &files.log());
        log.ok().flatten().map(|log| log.path)
    }

    /// Writes a container's record and condition; returns when they are on disk.
    async fn save(&self, container: &Container) -> Result<()> {
        // Whoever waited for its turn while it was removed must not bring it back.
        if container.condition().phase == Phase::Removed {
            return Err(Error::no_such_container(container.id));
        }
        let id = container.id.to_string();
        self.state()
            .commit(vec![
                Change::put(Table::Containers, id.clone(), &*container.record())?,
                Change::put(Table::Conditions, id, &*container.condition())?,
            ])
            .await
    }

    /// Writes a container's condition soon.
    fn save_soon(&self, container: &Container) {
        let condition = container.condition();
        if condition.phase == Phase::Removed {
            return;
        }
        match Change::put(Table::Conditions, container.id.to_string(), &*condition) {
            Ok(change) => self.state().commit_soon(vec![change]),
            Err(error) => {
                tracing::error!(id = %container.id, %error, "a container's state is not kept");
            }
        }
    }

    /// Tells that something happened to a container, with its name, image and labels beside what is given.
    fn container_event<const N: usize>(
        &self,
        container: &Container,
        action: &str,
        more: [(&str, String); N],
    ) {
        let record = container.record();
        let mut attributes = record.config.labels.clone().unwrap_or_default();
        attributes.insert("name".to_owned(), record.name.clone());
        attributes.insert("image".to_owned(), record.config.image.clone());
        for (name, value) in more {
            attributes.insert(name.to_owned(), value);
        }
        let id = container.id.to_string();
        self.event_bus()
            .publish(event::Kind::Container, action, id, attributes);
    }
}

/// The moment now.
fn moment() -> Timestamp {
    let now = crate::moment::now().as_nanosecond();
    Timestamp::from_nanos(u64::try_from(now).unwrap_or_default())
}

/// The same moment as the API's types have it.
fn to_jiff(moment: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanos())).unwrap_or(jiff::Timestamp::MAX)
}
