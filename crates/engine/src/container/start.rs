//! Starting a container: its ports, its files, its shim, its networks, its program, in this order; on failure
//! whatever there is of them goes in the reverse one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use model::hex_id::ContainerId;
use runtime::client::{Launch, Shim};
use runtime::spec::ContainerSpec;

use super::{Condition, Container, Phase, Record, files, moment, networking};
use crate::Engine;
use crate::error::with_causes;
use crate::error::{Error, Kind, Result};
use crate::resolve::mounts::{self, Source};
use crate::resolve::network_mode::{NetworkMode, joined};
use crate::resolve::security::{self, Seccomp};
use crate::resolve::spec::{Facts, Files, cgroup, spec};
use crate::state::{Change, Table};

/// What Docker gives a container that could not be started for a reason that has no status of its own.
const NOT_STARTED: i64 = 128;

/// How long a container that could not be started gets to go away.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container that is being started, as far as it is.
struct Started {
    shim: Shim,
    endpoints: Vec<network::Endpoint>,
    network_names: BTreeMap<String, String>,
    ports: Vec<network::PortBinding>,
}

impl Engine {
    /// Starts a container. [`NotModified`](Kind::NotModified) if it runs already.
    pub async fn start_container(&self, name: &str) -> Result<()> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        container.no_restart.notify_waiters();
        container.change(|condition| {
            condition.manually_stopped = false;
            condition.restart_count = 0;
        });
        let started = self.start_in_turn(&container).await;
        drop(turn);
        started
    }

    /// Starts a container whose turn the caller has.
    pub(super) async fn start_in_turn(&self, container: &Arc<Container>) -> Result<()> {
        let condition = container.condition();
        match condition.phase {
            Phase::Running => return Err(Error::not_modified()),
            Phase::Paused => {
                return Err(Error::conflict(
                    "cannot start a paused container, try unpause instead",
                ));
            }
            Phase::Removing => {
                return Err(Error::conflict(
                    "container is marked for removal and cannot be started",
                ));
            }
            Phase::Removed => return Err(Error::no_such_container(container.id)),
            Phase::Created | Phase::Restarting | Phase::Exited => {}
        }
        let record = container.record();
        match Box::pin(self.launch(container, &record)).await {
            Ok((run, shim)) => {
                self.container_event(container, "start", []);
                self.watch_exit(container, run, shim);
                self.watch_health(container);
                Ok(())
            }
            Err(failure) => {
                let Failure { error, exit_code } = failure;
                container.change(|condition| {
                    condition.exit_code = exit_code;
                    condition.error = error.to_string();
                    if condition.phase != Phase::Created {
                        condition.phase = Phase::Exited;
                    }
                    condition.exits += 1;
                });
                self.save_soon(container);
                if record.host_config.auto_remove
                    && let Err(error) = self.remove_in_turn(container, true).await
                {
                    tracing::warn!(id = %container.id, %error, "a container that could not start stays");
                }
                Err(error)
            }
        }
    }

    async fn launch(
        &self,
        container: &Arc<Container>,
        record: &Arc<Record>,
    ) -> Result<(u64, Shim), Failure> {
        let id = container.id.to_string();
        let mut shim = None;
        let launched = self.launch_steps(container, record, &mut shim).await;
        let failure = match launched {
            Ok(started) => {
                let run = container.set_shim(Some(started.shim.clone()));
                return Ok((run, started.shim));
            }
            Err(failure) => failure,
        };
        if let Some(shim) = shim {
            end(&id, &shim).await;
        }
        if let Some(networks) = self.opened_networks() {
            networks.release(&id).await;
        }
        Err(failure)
    }

    async fn launch_steps(
        &self,
        container: &Arc<Container>,
        record: &Arc<Record>,
        launched: &mut Option<Shim>,
    ) -> Result<Started, Failure> {
        let id = container.id.to_string();
        let files = Files::new(self.settings(), &id);
        let facts = self.start_facts(record)?;
        let spec = spec(record, self.settings(), &facts)?;
        make_bind_sources(record)?;
        let plan = self.network_plan(record).await?;
        let reservation = self.reserve_ports(&id, record, &plan).await?;
        files::write(&files, record, self.settings(), &[])?;
        drop(std::fs::remove_file(files.exit()));

        let mut sockets = reservation.sockets;
        let more = sockets.split_off(sockets.len().min(networking::AT_ONCE));
        let shim = self.create_shim(&spec, container.id, sockets).await?;
        *launched = Some(shim.clone());
        keep_ports(&shim, more).await?;
        let endpoints = self.connect_all(container, record, &shim, &plan).await?;
        if !endpoints.is_empty() {
            files::write(&files, record, self.settings(), &endpoints)?;
        }
        self.publish(&id, &reservation.bindings).await?;
        for client in container.take_waiting_clients() {
            client.hand_over(&shim).await;
        }
        let started = Started {
            shim,
            endpoints,
            network_names: plan.names(),
            ports: reservation.bindings,
        };
        // Recorded beside the start, not after it: a container that runs and is not recorded as running when the
        // daemon comes back was never answered for, and is ended.
        let condition = running(&container.condition(), &started);
        let change = Change::put(Table::Conditions, id, &*condition)?;
        let (saved, ran) = tokio::join!(self.state().commit(vec![change]), started.shim.start());
        ran.map_err(|error| Failure::of_runtime(&error))?;
        saved?;
        container.change(|now| *now = condition.as_ref().clone());
        Ok(started)
    }

    async fn create_shim(
        &self,
        spec: &ContainerSpec,
        id: ContainerId,
        sockets: Vec<std::os::fd::OwnedFd>,
    ) -> Result<Shim, Failure> {
        let shim_cgroup = format!("{}/shims", self.settings().cgroup_parent.trim_matches('/'));
        let launch = Launch {
            spec,
            directory: &self.shim_directory(id),
            program: self.shim_program(),
            abilities: self.abilities(),
            shim_cgroup: &shim_cgroup,
            kept: sockets
                .into_iter()
                .map(|socket| (networking::PORTS.to_owned(), socket))
                .collect(),
        };
        Shim::create(launch)
            .await
            .map_err(|error| Failure::of_runtime(&error))
    }

    /// Where a container's shim has its socket.
    pub(super) fn shim_directory(&self, id: ContainerId) -> PathBuf {
        self.settings().exec_root.join(id.short())
    }

    /// What has to be looked up about other containers and the host.
    fn start_facts(&self, record: &Record) -> Result<Facts> {
        let host = &record.host_config;
        let pid_of = |mode: &str| -> Result<Option<u32>> {
            let Some(other) = joined(mode) else {
                return Ok(None);
            };
            let other = self.containers().find(other)?;
            let condition = other.condition();
            if condition.phase.is_running() {
                Ok(Some(condition.pid))
            } else {
                Err(Error::conflict(format!(
                    "cannot join the namespace of a non running container: {}",
                    other.id
                )))
            }
        };
        let network_of = match NetworkMode::of(host) {
            NetworkMode::Container(_) => pid_of(&host.network_mode)?,
            NetworkMode::Default
            | NetworkMode::None
            | NetworkMode::Host
            | NetworkMode::Named(_) => None,
        };
        Ok(Facts {
            network_of,
            pid_of: pid_of(&host.pid_mode)?,
            ipc_of: pid_of(&host.ipc_mode)?,
            seccomp: self.seccomp(record)?,
            layers: self.layer_directories(&record.layers)?,
        })
    }

    /// The compiled filter of system calls for a container.
    pub(super) fn seccomp(&self, record: &Record) -> Result<Option<Arc<[u8]>>> {
        let capabilities = security::capabilities(&record.host_config)?;
        if !self.abilities().seccomp {
            return Ok(None);
        }
        Ok(match security::options(&record.host_config)?.seccomp {
            Seccomp::Unconfined => None,
            Seccomp::Default => Some(runtime::seccomp::default_profile(capabilities)),
            Seccomp::Profile(json) => Some(
                runtime::seccomp::profile(&json, capabilities)
                    .map_err(|error| Error::bad_parameter(error.to_string()))?,
            ),
        })
    }

    /// Clears up what a shim that is no more may have left of a container.
    pub(super) async fn clear_up(
        &self,
        id: ContainerId,
    ) -> Result<runtime::spec::Exit, runtime::client::Error> {
        let text = id.to_string();
        let files = Files::new(self.settings(), &text);
        let cgroup = cgroup(self.settings(), &text);
        runtime::client::kill_leftover(self.abilities(), &cgroup, &files.exit()).await
    }
}

/// What becomes of a container that was just started.
fn running(before: &Condition, started: &Started) -> Arc<Condition> {
    Arc::new(Condition {
        phase: Phase::Running,
        pid: started.shim.pid(),
        exit_code: 0,
        oom_killed: false,
        error: String::new(),
        started_at: Some(moment()),
        addresses: started
            .endpoints
            .iter()
            .map(|endpoint| (endpoint.network.clone(), endpoint.address))
            .collect(),
        endpoints: started.endpoints.clone(),
        network_names: started.network_names.clone(),
        ports: started.ports.clone(),
        health: None,
        ..before.clone()
    })
}

/// Folders of the host that `-v` names and that are not there are made, as Docker does.
fn make_bind_sources(record: &Record) -> Result<()> {
    for plan in mounts::plan(&record.config, &record.host_config)? {
        let Source::Bind { path, create, .. } = plan.source else {
            continue;
        };
        let path = std::path::Path::new(&path);
        if path.exists() {
            continue;
        }
        if !create {
            return Err(Error::bad_parameter(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {}",
                path.display()
            )));
        }
        std::fs::create_dir_all(path).map_err(|cause| {
            Error::io(
                format_args!(
                    "error while creating mount source path '{}'",
                    path.display()
                ),
                cause,
            )
        })?;
    }
    Ok(())
}

/// Has the shim keep those reservations of ports that did not go along when it was made.
async fn keep_ports(shim: &Shim, mut sockets: Vec<std::os::fd::OwnedFd>) -> Result<(), Failure> {
    let mut number = 0;
    while !sockets.is_empty() {
        number += 1;
        let rest = sockets.split_off(sockets.len().min(networking::AT_ONCE));
        let name = format!("{}-{number}", networking::PORTS);
        shim.keep(&name, sockets)
            .await
            .map_err(|error| Failure::of_runtime(&error))?;
        sockets = rest;
    }
    Ok(())
}

/// Ends a container that could not be started.
async fn end(id: &str, shim: &Shim) {
    let ending = async {
        drop(shim.kill_all().await);
        shim.wait().await
    };
    match tokio::time::timeout(PATIENCE, ending).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::debug!(id, %error, "the shim of a container that could not start is gone");
        }
        Err(_) => tracing::error!(id, "a container that could not start does not end"),
    }
}

/// Why a container could not be started, and the status it has for it.
struct Failure {
    error: Error,
    exit_code: i64,
}

impl Failure {
    fn of_runtime(error: &runtime::client::Error) -> Self {
        let exit_code = error.exit_code().map(i64::from);
        // The user asked for what cannot be run; anything else is ours, or the computer's.
        let kind = if exit_code.is_some() {
            Kind::BadParameter
        } else {
            Kind::Internal
        };
        let message = format!(
            "failed to create task for container: {}: unknown",
            with_causes(error)
        );
        Self {
            error: Error::new(kind, message),
            exit_code: exit_code.unwrap_or(NOT_STARTED),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            exit_code: NOT_STARTED,
        }
    }
}

impl Container {
    pub(super) fn take_waiting_clients(&self) -> Vec<super::attach::WaitingClient> {
        std::mem::take(
            &mut *self
                .waiting_clients
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}
