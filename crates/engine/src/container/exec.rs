//! Further programs in a running container.
//!
//! What is known of them is in memory only: after a restart of the daemon such a program runs on, and its id is no
//! more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::api::IdAnswer;
use model::api::exec::{Create, Inspect, ProcessConfig, Start};
use model::hex_id::{ContainerId, ExecId};
use tokio::sync::watch;

use super::attach::Attached;
use super::create::random_bytes;
use super::detach::Keys;
use super::{Container, Phase};
use crate::Engine;
use crate::error::{Error, Kind, Result};
use crate::resolve::exec;

/// How long a program that ended is still known.
const KEPT: Duration = Duration::from_mins(5);

/// How many programs of one container that never started, or ended, are known at most.
const MOST_IDLE: usize = 256;

/// How long a client that sets the size of a terminal waits for the program to be there: Docker's time.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// What a program has that was killed with its container.
const KILLED: i64 = 137;

/// The further programs of all containers, by id.
#[derive(Debug, Default)]
pub struct Execs {
    by_id: Mutex<BTreeMap<ExecId, Arc<Exec>>>,
}

/// A further program.
#[derive(Debug)]
struct Exec {
    id: ExecId,
    container: ContainerId,
    create: Create,
    keys: Keys,
    stage: watch::Sender<Stage>,
}

/// How far a further program is.
#[derive(Debug, Clone)]
enum Stage {
    Prepared(Instant),
    Starting,
    Running(Arc<runtime::client::Exec>),
    Ended { exit_code: i64, at: Instant },
}

impl Exec {
    fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    fn set_stage(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Whether it was not started before.
    fn begin(&self) -> bool {
        self.stage.send_if_modified(|stage| {
            let is_new = matches!(stage, Stage::Prepared(_));
            if is_new {
                *stage = Stage::Starting;
            }
            is_new
        })
    }

    /// The stage once it has been started; a client may be quicker than a program.
    async fn started(&self) -> Stage {
        let mut stages = self.stage.subscribe();
        let is_up = |stage: &Stage| !matches!(stage, Stage::Prepared(_) | Stage::Starting);
        let waited = tokio::time::timeout(START_TIMEOUT, stages.wait_for(is_up)).await;
        match waited {
            Ok(Ok(stage)) => stage.clone(),
            Ok(Err(_)) | Err(_) => self.stage(),
        }
    }

    fn end(&self, exit_code: i64) {
        self.set_stage(Stage::Ended {
            exit_code,
            at: Instant::now(),
        });
    }

    /// Since when nothing happens with it.
    fn idle_since(&self) -> Option<Instant> {
        match self.stage() {
            Stage::Prepared(at) | Stage::Ended { at, .. } => Some(at),
            Stage::Starting | Stage::Running(_) => None,
        }
    }
}

impl Execs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ExecId, Arc<Exec>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Exec>> {
        let missing = || Error::not_found(format!("No such exec instance: {id}"));
        let id: ExecId = id.parse().map_err(|_| missing())?;
        self.lock().get(&id).cloned().ok_or_else(missing)
    }

    fn add(&self, exec: Arc<Exec>) {
        let mut all = self.lock();
        let mut idle: Vec<(Instant, ExecId)> = all
            .values()
            .filter(|other| other.container == exec.container)
            .filter_map(|other| Some((other.idle_since()?, other.id)))
            .collect();
        idle.sort_unstable();
        let too_many = (idle.len() + 1).saturating_sub(MOST_IDLE);
        for (place, (since, id)) in idle.into_iter().enumerate() {
            if place < too_many || since.elapsed() > KEPT {
                all.remove(&id);
            }
        }
        all.insert(exec.id, exec);
    }

    /// The ids of a container's further programs that have not ended.
    pub(super) fn of(&self, container: ContainerId) -> Vec<String> {
        self.lock()
            .values()
            .filter(|exec| exec.container == container)
            .filter(|exec| !matches!(exec.stage(), Stage::Ended { .. }))
            .map(|exec| exec.id.to_string())
            .collect()
    }

    /// The container's programs ended with it.
    pub(super) fn container_ended(&self, container: ContainerId) {
        for exec in self.lock().values() {
            if exec.container == container && !matches!(exec.stage(), Stage::Ended { .. }) {
                exec.end(KILLED);
            }
        }
    }

    /// Nobody asks for the container's programs any more.
    pub(super) fn container_removed(&self, container: ContainerId) {
        self.lock().retain(|_, exec| exec.container != container);
    }
}

impl Engine {
    /// Prepares a further program in a running container.
    pub async fn create_exec(&self, name: &str, create: Create) -> Result<IdAnswer> {
        let container = self.container(name).await?;
        exec::check(&create)?;
        let keys = Keys::parse(&create.detach_keys)?;
        check_running(&container)?;
        let id = ExecId::from_bytes(random_bytes()?);
        let command = create.cmd.as_deref().unwrap_or_default().join(" ");
        self.execs().add(Arc::new(Exec {
            id,
            container: container.id,
            create,
            keys,
            stage: watch::Sender::new(Stage::Prepared(Instant::now())),
        }));
        let attributes = [("execID", id.to_string())];
        self.container_event(&container, &format!("exec_create: {command}"), attributes);
        Ok(IdAnswer { id: id.to_string() })
    }

    /// Starts a further program. Its streams, unless it is to run detached.
    pub async fn start_exec(&self, id: &str, start: &Start) -> Result<Option<Attached>> {
        self.ready().await;
        let exec = self.execs().find(id)?;
        let container = self
            .containers()
            .get(exec.container)
            .ok_or_else(|| Error::no_such_container(exec.container))?;
        check_running(&container)?;
        let shim = container
            .shim()
            .ok_or_else(|| Error::not_running(container.id))?;
        if !exec.begin() {
            return Err(Error::conflict(format!(
                "exec command {id} has already run"
            )));
        }
        let record = container.record();
        let mut create = exec.create.clone();
        if start.console_size.is_some() {
            create.console_size = start.console_size;
        }
        let seccomp = if create.privileged {
            Ok(None)
        } else {
            self.seccomp(&record)
        };
        let spec = seccomp
            .and_then(|seccomp| {
                exec::spec(&record, &create, self.settings(), seccomp, start.detach)
            })
            .inspect_err(|_| exec.end(126))?;
        let mut process = match shim.exec(&spec).await {
            Ok(process) => process,
            Err(error) => return Err(refused(&exec, &error)),
        };
        let stream = process.take_stream();
        let process = Arc::new(process);
        exec.set_stage(Stage::Running(Arc::clone(&process)));
        let command = create.cmd.as_deref().unwrap_or_default().join(" ");
        let attributes = [("execID", exec.id.to_string())];
        self.container_event(&container, &format!("exec_start: {command}"), attributes);
        self.watch_exec(&container, &exec, process);
        let (tty, input) = (create.tty, create.attach_stdin);
        let attached = stream
            .filter(|_| !start.detach)
            .map(|stream| Attached::new(stream, tty, input, tty.then(|| exec.keys.clone())));
        // How output comes is said when the program is started, whatever it was prepared with.
        Ok(if start.tty {
            attached
        } else {
            attached.map(Attached::in_frames)
        })
    }

    fn watch_exec(
        &self,
        container: &Arc<Container>,
        exec: &Arc<Exec>,
        process: Arc<runtime::client::Exec>,
    ) {
        let (engine, container, exec) = (self.clone(), Arc::clone(container), Arc::clone(exec));
        crate::spawn(async move {
            let exit_code = process.wait().await.map_or(KILLED, i64::from);
            drop(process);
            exec.end(exit_code);
            let attributes = [
                ("execID", exec.id.to_string()),
                ("exitCode", exit_code.to_string()),
            ];
            engine.container_event(&container, "exec_die", attributes);
        });
    }

    /// All about a further program.
    pub async fn inspect_exec(&self, id: &str) -> Result<Inspect> {
        self.ready().await;
        let exec = self.execs().find(id)?;
        let (running, exit_code, pid) = match exec.stage() {
            Stage::Prepared(_) | Stage::Starting => (false, None, 0),
            Stage::Running(process) => (true, None, process.pid()),
            Stage::Ended { exit_code, .. } => (false, Some(exit_code), 0),
        };
        let create = &exec.create;
        let command = create.cmd.as_deref().unwrap_or_default();
        Ok(Inspect {
            id: exec.id.to_string(),
            running,
            exit_code,
            process_config: ProcessConfig {
                tty: create.tty,
                entrypoint: command.first().cloned().unwrap_or_default(),
                arguments: command.iter().skip(1).cloned().collect(),
                privileged: create.privileged,
                user: create.user.clone(),
            },
            open_stdin: create.attach_stdin,
            open_stderr: create.attach_stderr,
            open_stdout: create.attach_stdout,
            can_remove: false,
            container_id: exec.container.to_string(),
            detach_keys: create.detach_keys.clone(),
            pid,
        })
    }

    /// Sets the size of a further program's terminal.
    pub async fn resize_exec(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        self.ready().await;
        let exec = self.execs().find(id)?;
        match exec.started().await {
            Stage::Running(process) => {
                let resized = process.resize(rows, columns).await;
                resized.map_err(|error| {
                    Error::internal(format!(
                        "resize exec {id}: {}",
                        crate::error::with_causes(&error)
                    ))
                })
            }
            Stage::Prepared(_) | Stage::Starting | Stage::Ended { .. } => {
                Err(Error::conflict(format!("exec {id} is not running")))
            }
        }
    }
}

fn refused(exec: &Exec, error: &runtime::client::Error) -> Error {
    let exit_code = error.exit_code();
    exec.end(i64::from(exit_code.unwrap_or(126)));
    let kind = if exit_code.is_some() {
        Kind::BadParameter
    } else {
        Kind::Internal
    };
    Error::new(
        kind,
        format!(
            "OCI runtime exec failed: exec failed: unable to start container process: {}: unknown",
            crate::error::with_causes(error)
        ),
    )
}

fn check_running(container: &Container) -> Result<()> {
    match container.condition().phase {
        Phase::Running => Ok(()),
        Phase::Paused => Err(Error::conflict(format!(
            "container {} is paused, unpause the container before exec",
            container.id
        ))),
        Phase::Restarting => Err(Error::conflict(format!(
            "container {} is restarting, wait until the container is running",
            container.id
        ))),
        Phase::Created | Phase::Exited | Phase::Removing | Phase::Removed => {
            Err(Error::not_running(container.id))
        }
    }
}
