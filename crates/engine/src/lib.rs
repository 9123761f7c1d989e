//! One host: containers, exec, logs, events, volumes, build.
//!
//! [`Engine`] is what the API calls. It alone knows the order in which image, runtime and network have to act;
//! none of these knows another. What a request means is decided by pure functions (`resolve`, `policy`), what
//! is done about it by the modules named for it: a file per group of operations, each an `impl Engine` block.
//!
//! Objects live in memory, in the table of their kind, and on disk ([`state`]); an operation returns when what
//! it promises is on disk. Operations on one container follow one another, those on different ones go side by
//! side.
//!
//! It must never speak HTTP, and never read or write a path of a container without `rootfs`.

pub mod build;
pub mod changes;
pub mod container;
pub mod copy;
pub mod error;
pub mod event;
pub mod filter;
mod ground;
pub mod images;
pub mod logs;
pub mod moment;
pub mod networks;
pub mod policy;
pub mod resolve;
pub mod settings;
pub mod state;
pub mod stats;
mod stream;
pub mod system;
pub mod top;
pub mod volumes;

use std::fs::File;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runtime::host::{CgroupLayout, HostAbilities};
pub use runtime::program::ShimProgram;
use tokio::sync::watch;

use crate::container::{Containers, Execs};
use crate::error::{Error, Result};
use crate::event::EventBus;
use crate::images::Images;
use crate::networks::NetworkTable;
use crate::settings::Settings;
use crate::state::State;
use crate::volumes::Volumes;

/// The engine. Clones are handles to the same one.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What the modules of the engine share. Each field has one owner, the module it is named for.
struct Inner {
    /// 36 characters, the same as long as the data root lives.
    id: String,
    settings: Settings,
    state: State,
    abilities: HostAbilities,
    host: resolve::Host,
    program: ShimProgram,
    events: EventBus,
    containers: Containers,
    execs: Execs,
    images: Images,
    volumes: Volumes,
    networks: NetworkTable,
    /// Whether the containers of before a restart are found again.
    ready: watch::Sender<bool>,
    shutting_down: AtomicBool,
    /// Held as long as the engine lives, so that no other uses its data root.
    _lock: File,
}

impl Engine {
    /// Opens the engine's data root and takes it for itself; `program` is what shims run. Answers at once; what
    /// takes time (finding the containers of before a restart again) goes on behind it, and operations that need it
    /// wait for it.
    ///
    /// Fails if another engine has the data root, or if it cannot be read. Must be called within a runtime.
    pub fn open(settings: Settings, program: ShimProgram) -> Result<Self> {
        make_directory(&settings.data_root, 0o710)?;
        make_directory(&settings.exec_root, 0o711)?;
        let lock = lock(&settings)?;
        build::sweep(&settings.data_root);
        let (state, loaded) = State::open(&settings.data_root.join("state.redb"))?;
        let volumes = Volumes::open(settings.data_root.join("volumes"), &loaded)?;
        let images = Images::open(&settings)?;
        let networks = NetworkTable::open(&state, &loaded)?;
        let abilities = HostAbilities::probe();
        let inner = Inner {
            id: system::engine_id(&state, &loaded)?,
            settings,
            state,
            host: host(&abilities),
            abilities,
            program,
            events: EventBus::new(),
            containers: Containers::default(),
            execs: Execs::default(),
            images,
            volumes,
            networks,
            ready: watch::Sender::new(false),
            shutting_down: AtomicBool::new(false),
            _lock: lock,
        };
        let engine = Self {
            inner: Arc::new(inner),
        };
        engine.enter_recorded(&loaded)?;
        let recovering = engine.clone();
        spawn(async move { recovering.recover().await });
        Ok(engine)
    }

    /// Makes sure that containers' file systems can be mounted in the data root; fails with the remedy.
    pub fn check_ground(&self) -> Result<()> {
        ground::check(&self.inner.settings.data_root)
    }

    /// Waits until the containers of before a restart are found again.
    pub async fn ready(&self) {
        let mut ready = self.inner.ready.subscribe();
        // The sender lives as long as this handle.
        drop(ready.wait_for(|ready| *ready).await);
    }

    fn set_ready(&self) {
        self.inner.ready.send_replace(true);
    }

    fn is_shutting_down(&self) -> bool {
        self.inner.shutting_down.load(Ordering::Relaxed)
    }

    fn begin_shutdown(&self) {
        self.inner.shutting_down.store(true, Ordering::Relaxed);
    }

    /// What the engine was told when it started.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What this computer can do.
    pub fn abilities(&self) -> &HostAbilities {
        &self.inner.abilities
    }

    fn host(&self) -> resolve::Host {
        self.inner.host
    }

    fn shim_program(&self) -> &ShimProgram {
        &self.inner.program
    }

    /// All containers. Those of before a restart are there at once, and found again a little later.
    pub fn containers(&self) -> &Containers {
        &self.inner.containers
    }

    fn execs(&self) -> &Execs {
        &self.inner.execs
    }

    /// Where what happens is told.
    pub fn event_bus(&self) -> &EventBus {
        &self.inner.events
    }

    /// The way to the disk.
    pub fn state(&self) -> &State {
        &self.inner.state
    }
}

/// What of the computer bears on requests.
fn host(abilities: &HostAbilities) -> resolve::Host {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    resolve::Host {
        processors: u32::try_from(processors).unwrap_or(u32::MAX),
        last_processor: system::host::last_processor(),
        private_cgroups: matches!(abilities.cgroups, CgroupLayout::V2 { .. }),
    }
}

fn make_directory(path: &std::path::Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|cause| Error::io(format_args!("make {}", path.display()), cause))
}

fn lock(settings: &Settings) -> Result<File> {
    let path = settings.data_root.join("lock");
    let failed = |cause| Error::io(format_args!("lock {}", path.display()), cause);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::unavailable(format!(
            "the data root {} is in use by another daemon",
            settings.data_root.display()
        ))),
        Err(std::fs::TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// Does something beside everything else. It sees to its own failures; a panic is told by the hook for panics.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
