//! The engine's side of a shim: starting one, finding it again, asking it for things.
//!
//! A [`Shim`] is a cheap handle. Everything it does for long is the shim's: when this process dies, the container goes
//! on, and [`Shim::reconnect`] finds it. Nothing here decides what a container is to be.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use crate::failure::Failure;
use crate::host::HostAbilities;
use crate::program::ShimProgram;
use crate::spec::{ContainerSpec, ExecSpec, Exit, Resources};
use crate::statistics::Statistics;

/// Why a shim, or something asked of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shim said so: the container or process could not be made, or is not in the right state.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The program of the shim could not be put into memory.
    #[error("cannot hold the shim's program in memory")]
    Program(#[source] std::io::Error),
    /// The shim could not be started.
    #[error("cannot start a shim in {directory:?}")]
    Spawn {
        /// The folder of its socket.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The shim is there and cannot be talked to.
    #[error("cannot talk to the shim")]
    Talk(#[source] std::io::Error),
    /// The shim ended, or was killed, before it answered.
    #[error("the container's shim is gone")]
    Lost,
    /// The shim speaks another version, or nonsense.
    #[error("the shim answered what cannot be understood: {0}")]
    Protocol(String),
    /// A cgroup's file could not be read or written.
    #[error("cannot use the cgroup file {path:?}")]
    Cgroup {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not written yet.
    #[error("not there yet")]
    NotYet,
}

impl Error {
    /// The status that Docker gives a container which failed to start so: 127 or 126, or none.
    pub const fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Failed(failure) => failure.exit_code(),
            _ => None,
        }
    }
}

/// What a new shim is told.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The container.
    pub spec: &'a ContainerSpec,
    /// A folder for the shim's socket, made if it is not there; its path must be short (some 90 bytes).
    pub directory: &'a Path,
    /// The shim's program.
    pub program: &'a ShimProgram,
    /// What the computer can do.
    pub abilities: &'a HostAbilities,
    /// The cgroup that shims live in, relative as the container's: `essaim/shims`.
    pub shim_cgroup: &'a str,
    /// What it is to hold besides: see [`Shim::keep`].
    pub kept: Vec<(String, OwnedFd)>,
}

/// How far a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its namespaces are there, its program does not run yet.
    Created,
    /// Its program runs.
    Running,
    /// It ended.
    Exited(Exit),
}

/// A container's shim.
#[derive(Debug, Clone)]
pub struct Shim {
    pid: u32,
}

impl Shim {
    /// Starts a shim, which makes the container's namespaces, cgroup and mounts and then waits for [`Shim::start`].
    pub async fn create(launch: Launch<'_>) -> Result<Self, Error> {
        std::future::ready(launch).await;
        Err(Error::NotYet)
    }

    /// Finds the shim whose socket is in `directory`; `None` if none answers there any more, be it that the container
    /// ended (its exit file says how) or that the shim was killed (see [`kill_leftover`]).
    pub async fn reconnect(
        directory: &Path,
        abilities: &HostAbilities,
    ) -> Result<Option<Self>, Error> {
        std::future::ready((directory, abilities)).await;
        Err(Error::NotYet)
    }

    /// The id of the container's first process, as this process sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The id of the shim itself.
    pub fn shim_pid(&self) -> u32 {
        self.pid
    }

    /// The file that is the container's network namespace.
    pub fn network_namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid))
    }

    /// How far the container is, as last told.
    pub fn phase(&self) -> Phase {
        Phase::Created
    }

    /// Runs the container's program. An error says that it never ran; the container has then ended.
    pub async fn start(&self) -> Result<(), Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Sends a signal to the container's first process.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        std::future::ready(signal).await;
        Err(Error::NotYet)
    }

    /// Kills every process of the container.
    pub async fn kill_all(&self) -> Result<(), Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Waits until the container has ended, its output is in the log, its cgroup is gone and its exit file is written.
    /// [`Error::Lost`] says that the shim was killed.
    pub async fn wait(&self) -> Result<Exit, Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Attaches to the standard streams from now on. With a terminal the stream is raw; else output comes in Docker's
    /// frames (one byte stream, three zero, four length) and input goes in raw. Shutting down the writing half ends input.
    pub async fn attach(
        &self,
        stdin: bool,
        stdout: bool,
        stderr: bool,
    ) -> Result<UnixStream, Error> {
        std::future::ready((stdin, stdout, stderr)).await;
        Err(Error::NotYet)
    }

    /// Closes the container's standard input.
    pub async fn close_stdin(&self) -> Result<(), Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Sets the size of the container's terminal.
    pub async fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        std::future::ready((rows, columns)).await;
        Err(Error::NotYet)
    }

    /// Runs a process in the container. The stream is as in [`Shim::attach`].
    pub async fn exec(&self, spec: &ExecSpec) -> Result<Exec, Error> {
        std::future::ready(spec).await;
        Err(Error::NotYet)
    }

    /// Freezes every process of the container.
    pub async fn pause(&self) -> Result<(), Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Lets every process of the container go on.
    pub async fn resume(&self) -> Result<(), Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Changes the limits that are said.
    pub async fn update(&self, resources: &Resources) -> Result<(), Error> {
        std::future::ready(resources).await;
        Err(Error::NotYet)
    }

    /// What the container uses now.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        Err(Error::NotYet)
    }

    /// The ids of the container's processes, as this process sees them.
    pub fn processes(&self) -> Result<Vec<u32>, Error> {
        Err(Error::NotYet)
    }

    /// Has the shim hold descriptors under a name for as long as it lives, in place of any it held under that name.
    pub async fn keep(&self, name: &str, descriptors: Vec<OwnedFd>) -> Result<(), Error> {
        std::future::ready((name, descriptors)).await;
        Err(Error::NotYet)
    }

    /// Copies of the descriptors that the shim holds under a name; none if it holds none.
    pub async fn kept(&self, name: &str) -> Result<Vec<OwnedFd>, Error> {
        std::future::ready(name).await;
        Err(Error::NotYet)
    }
}

/// A process that joined a container.
#[derive(Debug)]
pub struct Exec {
    pid: u32,
    stream: Option<UnixStream>,
}

impl Exec {
    /// Its id, as this process sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its standard streams, once.
    pub fn take_stream(&mut self) -> Option<UnixStream> {
        self.stream.take()
    }

    /// Waits until it has ended and all of its output is in the stream.
    pub async fn wait(&self) -> Result<i32, Error> {
        std::future::ready(Err(Error::NotYet)).await
    }

    /// Sets the size of its terminal.
    pub async fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        std::future::ready((rows, columns)).await;
        Err(Error::NotYet)
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        std::future::ready(signal).await;
        Err(Error::NotYet)
    }
}

/// Clears up after a shim that was killed: kills every process in the container's cgroup, removes the cgroup, and
/// writes the exit file with status 137 unless it is there. Does nothing where nothing is left.
pub async fn kill_leftover(
    abilities: &HostAbilities,
    cgroup: &str,
    exit_file: &Path,
) -> Result<Exit, Error> {
    std::future::ready((abilities, cgroup, exit_file)).await;
    Err(Error::NotYet)
}
