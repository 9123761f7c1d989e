//! The engine's side of a shim: starting one, finding it again, asking it for things.
//!
//! A [`Shim`] is a cheap handle. Everything it does for long is the shim's: when this process dies, the container goes
//! on, and [`Shim::reconnect`] finds it. Nothing here decides what a container is to be.

mod link;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixStream;

use crate::cgroup::{Cgroup, CgroupError};
use crate::failure::Failure;
use crate::host::{CgroupLayout, HostAbilities};
use crate::program::ShimProgram;
use crate::protocol::{self, Answer, Ask, ShimSettings};
use crate::shim::SOCKET;
use crate::spec::{ContainerSpec, ExecSpec, Exit, Resources};
use crate::statistics::Statistics;
use link::Link;

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
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
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
    link: Arc<Link>,
    pid: u32,
    layout: CgroupLayout,
    cgroup: String,
}

impl Shim {
    /// Starts a shim, which makes the container's namespaces, cgroup and mounts, looks its program up, and then waits
    /// for [`Shim::start`]. A failure to find program or user shows here; the shim is then gone again.
    pub async fn create(launch: Launch<'_>) -> Result<Self, Error> {
        let spec = launch.spec;
        let spawn = |source: std::io::Error| Error::Spawn {
            directory: launch.directory.to_owned(),
            source,
        };
        std::fs::create_dir_all(launch.directory).map_err(spawn)?;
        // That of a former life would be taken for this one's.
        match std::fs::remove_file(&spec.exit_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(spawn(error)),
            _ => {}
        }
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| spawn(error.into()))?;
        let child = shim_command(launch.program, &spec.id, theirs)
            .spawn()
            .map_err(spawn)?;
        link::reap_when_over(child.id());
        let link = Link::over(ours).map_err(Error::Talk)?;

        let payload =
            protocol::payload(spec, spec.process.seccomp.as_deref()).map_err(Error::Talk)?;
        let settings = ShimSettings {
            id: spec.id.clone(),
            directory: launch.directory.to_owned(),
            tty: spec.process.tty,
            open_stdin: spec.open_stdin,
            stdin_once: spec.stdin_once,
            log: spec.log.clone(),
            exit_file: spec.exit_file.clone(),
            cgroup: spec.cgroup.clone(),
            shim_cgroup: launch.shim_cgroup.to_owned(),
            layout: launch.abilities.cgroups.clone(),
            kept: launch.kept.iter().map(|(name, _)| name.clone()).collect(),
        };
        let mut beside: Vec<BorrowedFd<'_>> = vec![payload.as_fd()];
        beside.extend(launch.kept.iter().map(|(_, descriptor)| descriptor.as_fd()));
        let (answer, _) = link.ask(Ask::Create(Box::new(settings)), &beside).await?;
        let Answer::Made { pid, .. } = answer else {
            return Err(unexpected(&answer));
        };
        Ok(Self {
            link,
            pid,
            layout: launch.abilities.cgroups.clone(),
            cgroup: spec.cgroup.clone(),
        })
    }

    /// Finds the shim whose socket is in `directory`; `None` if none answers there any more, be it that the container
    /// ended (its exit file says how) or that the shim was killed (see [`kill_leftover`]).
    pub async fn reconnect(
        directory: &Path,
        abilities: &HostAbilities,
    ) -> Result<Option<Self>, Error> {
        let socket = match connect(&directory.join(SOCKET)) {
            Ok(socket) => socket,
            Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
            Err(error) => return Err(Error::Talk(error.into())),
        };
        let link = Link::over(socket).map_err(Error::Talk)?;
        let answer = match link
            .ask(
                Ask::Hello {
                    version: protocol::VERSION,
                },
                &[],
            )
            .await
        {
            Ok((answer, _)) => answer,
            Err(Error::Lost) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Answer::State {
            pid,
            cgroup,
            started,
            exit,
            ..
        } = answer
        else {
            return Err(unexpected(&answer));
        };
        if pid == 0 {
            return Ok(None);
        }
        match exit {
            Some(exit) => link.note(Phase::Exited(exit)),
            None if started => link.note(Phase::Running),
            None => {}
        }
        Ok(Some(Self {
            link,
            pid,
            layout: abilities.cgroups.clone(),
            cgroup,
        }))
    }

    /// The id of the container's first process, as this process sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that is the container's network namespace.
    pub fn network_namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid))
    }

    /// How far the container is, as last told; as it was if the shim is gone.
    pub fn phase(&self) -> Phase {
        self.link.state().phase
    }

    /// Runs the container's program. An error says that it never ran; the container has then ended.
    pub async fn start(&self) -> Result<(), Error> {
        self.done(Ask::Start, &[]).await?;
        self.link.note(Phase::Running);
        Ok(())
    }

    /// Sends a signal to the container's first process.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        self.done(Ask::Signal { process: 0, signal }, &[]).await
    }

    /// Kills every process of the container.
    pub async fn kill_all(&self) -> Result<(), Error> {
        let cgroup = self.group();
        blocking(move || cgroup.kill()).await
    }

    /// Waits until the container has ended, its output is in the log, its cgroup is gone and its exit file is written.
    /// [`Error::Lost`] says that the shim was killed.
    pub async fn wait(&self) -> Result<Exit, Error> {
        self.link.exit().await
    }

    /// Attaches to the standard streams from now on. With a terminal the stream is raw; else output comes in Docker's
    /// frames (one byte stream, three zero, four length) and input goes in raw. Shutting down the writing half ends input.
    pub async fn attach(
        &self,
        stdin: bool,
        stdout: bool,
        stderr: bool,
    ) -> Result<UnixStream, Error> {
        let (ours, theirs) = stream_pair()?;
        self.attach_over(theirs, stdin, stdout, stderr).await?;
        Ok(ours)
    }

    /// As [`Shim::attach`], over a stream socket whose other end somebody else has.
    pub async fn attach_over(
        &self,
        stream: impl Into<OwnedFd>,
        stdin: bool,
        stdout: bool,
        stderr: bool,
    ) -> Result<(), Error> {
        let stream: OwnedFd = stream.into();
        let ask = Ask::Attach {
            stdin,
            stdout,
            stderr,
        };
        self.done(ask, &[stream.as_fd()]).await
    }

    /// Closes the container's standard input.
    pub async fn close_stdin(&self) -> Result<(), Error> {
        self.done(Ask::CloseStdin, &[]).await
    }

    /// Sets the size of the container's terminal.
    pub async fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        self.done(
            Ask::Resize {
                process: 0,
                rows,
                columns,
            },
            &[],
        )
        .await
    }

    /// Runs a process in the container; when this returns its program runs. The stream is as in [`Shim::attach`].
    pub async fn exec(&self, spec: &ExecSpec) -> Result<Exec, Error> {
        let payload =
            protocol::payload(spec, spec.process.seccomp.as_deref()).map_err(Error::Talk)?;
        let ask = Ask::Exec {
            tty: spec.process.tty,
            stdin: spec.stdin,
            stdout: spec.stdout,
            stderr: spec.stderr,
        };
        let mut stream = None;
        let (answer, _) = if spec.stdin || spec.stdout || spec.stderr {
            let (ours, theirs) = stream_pair()?;
            stream = Some(ours);
            self.link
                .ask(ask, &[payload.as_fd(), theirs.as_fd()])
                .await?
        } else {
            self.link.ask(ask, &[payload.as_fd()]).await?
        };
        let Answer::Made { process, pid } = answer else {
            return Err(unexpected(&answer));
        };
        Ok(Exec {
            link: Arc::clone(&self.link),
            process,
            pid,
            stream,
        })
    }

    /// Freezes every process of the container.
    pub async fn pause(&self) -> Result<(), Error> {
        let cgroup = self.group();
        Ok(blocking(move || cgroup.freeze(true)).await??)
    }

    /// Lets every process of the container go on.
    pub async fn resume(&self) -> Result<(), Error> {
        let cgroup = self.group();
        Ok(blocking(move || cgroup.freeze(false)).await??)
    }

    /// Changes the limits that are said.
    pub async fn update(&self, resources: &Resources) -> Result<(), Error> {
        let (cgroup, resources) = (self.group(), resources.clone());
        Ok(blocking(move || cgroup.change_limits(&resources)).await??)
    }

    /// What the container uses now.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        Ok(self.group().statistics())
    }

    /// The ids of the container's processes, as this process sees them.
    pub fn processes(&self) -> Result<Vec<u32>, Error> {
        Ok(self.group().processes())
    }

    /// Has the shim hold descriptors under a name for as long as it lives, in place of any it held under that name.
    pub async fn keep(&self, name: &str, descriptors: Vec<OwnedFd>) -> Result<(), Error> {
        let beside: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        self.done(
            Ask::Keep {
                name: name.to_owned(),
            },
            &beside,
        )
        .await
    }

    /// Copies of the descriptors that the shim holds under a name; none if it holds none.
    pub async fn kept(&self, name: &str) -> Result<Vec<OwnedFd>, Error> {
        let (_, descriptors) = self
            .link
            .ask(
                Ask::Kept {
                    name: name.to_owned(),
                },
                &[],
            )
            .await?;
        Ok(descriptors)
    }

    fn group(&self) -> Cgroup {
        Cgroup::new(self.layout.clone(), &self.cgroup)
    }

    async fn done(&self, ask: Ask, beside: &[BorrowedFd<'_>]) -> Result<(), Error> {
        self.link.ask(ask, beside).await.map(|_| ())
    }
}

/// A process that joined a container.
#[derive(Debug)]
pub struct Exec {
    link: Arc<Link>,
    process: u32,
    pid: u32,
    stream: Option<UnixStream>,
}

impl Exec {
    /// Its id, as this process sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its standard streams, once; none if it was given none.
    pub fn take_stream(&mut self) -> Option<UnixStream> {
        self.stream.take()
    }

    /// Waits until it has ended and all of its output is on its way in the stream.
    pub async fn wait(&self) -> Result<i32, Error> {
        self.link.exec_exit(self.process).await
    }

    /// Sets the size of its terminal.
    pub async fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        self.link
            .ask(
                Ask::Resize {
                    process: self.process,
                    rows,
                    columns,
                },
                &[],
            )
            .await
            .map(|_| ())
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        self.link
            .ask(
                Ask::Signal {
                    process: self.process,
                    signal,
                },
                &[],
            )
            .await
            .map(|_| ())
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.link.forget_exec(self.process);
    }
}

/// Clears up after a shim that was killed: kills every process in the container's cgroup, removes the cgroup, and
/// writes the exit file with status 137 unless it is there. Does nothing where nothing is left.
pub async fn kill_leftover(
    abilities: &HostAbilities,
    cgroup: &str,
    exit_file: &Path,
) -> Result<Exit, Error> {
    let group = Cgroup::new(abilities.cgroups.clone(), cgroup);
    let exit_file = exit_file.to_owned();
    blocking(move || {
        group.kill();
        group.remove()?;
        if let Some(exit) = read_exit(&exit_file) {
            return Ok(exit);
        }
        let exit = Exit {
            code: 137,
            oom_killed: false,
            at: crate::streams::now_ns(),
        };
        crate::shim::course::write_exit(&exit_file, &exit).map_err(|source| {
            Error::Cgroup(CgroupError {
                path: exit_file,
                source,
            })
        })?;
        Ok(exit)
    })
    .await?
}

/// How a container ended, by its exit file; `None` if there is none.
pub fn read_exit(exit_file: &Path) -> Option<Exit> {
    serde_json::from_slice(&std::fs::read(exit_file).ok()?).ok()
}

fn shim_command(program: &ShimProgram, id: &str, line: OwnedFd) -> Command {
    // Found through this process's own table of descriptors, of which the child has a copy until it runs.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_fd().as_raw_fd()));
    command
        .arg0(crate::program::SHIM_NAME)
        .arg(id)
        .env_clear()
        .stdin(Stdio::from(line))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn connect(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn stream_pair() -> Result<(UnixStream, OwnedFd), Error> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(Error::Talk)?;
    ours.set_nonblocking(true).map_err(Error::Talk)?;
    Ok((
        UnixStream::from_std(ours).map_err(Error::Talk)?,
        theirs.into(),
    ))
}

fn unexpected(answer: &Answer) -> Error {
    Error::Protocol(format!("{answer:?}"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Talk(std::io::Error::other(error)))
}
