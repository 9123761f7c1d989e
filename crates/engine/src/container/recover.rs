//! Finding the containers of before a restart of the daemon again, however it ended.
//!
//! | what is found | what is done |
//! |---|---|
//! | a folder without a record | made half: deleted |
//! | a record without a folder | removed half: removed |
//! | a shim whose program never ran, or whose start was not recorded | started half: ended |
//! | a shim whose program runs | taken up again |
//! | no shim, recorded as running | ended meanwhile, or its shim was killed: the exit file says |
//! | a step of a build | ended and removed |
//!
//! Then restart policies apply to what does not run.

use std::collections::BTreeSet;
use std::sync::Arc;

use runtime::client::{Phase as ShimPhase, Shim};
use runtime::spec::Exit;

use super::{Condition, Container, Phase, Record, networking, remove};
use crate::Engine;
use crate::error::{Error, Kind, Result};
use crate::policy::starts_with_daemon;
use crate::resolve::spec::Files;
use crate::state::{Change, Loaded, Table};

/// How many containers are looked for, or started, at a time.
const AT_A_TIME: usize = 8;

/// What became of a container while the daemon was away.
enum Found {
    /// Its program runs.
    Runs(Shim),
    /// Its program ended.
    Ended(Exit),
    /// It does not run, and did not.
    Rests,
}

impl Engine {
    /// Enters all containers of the state into the table. Nothing is done with them yet.
    pub(crate) fn enter_recorded(&self, loaded: &Loaded) -> Result<()> {
        let directory = self.settings().data_root.join("containers");
        crate::make_directory(&directory, 0o710)?;
        crate::make_directory(&remove::leaving(self.settings()), 0o700)?;
        let mut conditions: std::collections::BTreeMap<String, Condition> =
            loaded.objects(Table::Conditions).into_iter().collect();
        for (id, record) in loaded.objects::<Record>(Table::Containers) {
            let condition = conditions.remove(&id).unwrap_or_default();
            let name = record.name.clone();
            let layers = record.layers.clone();
            let mut container = Container::new(record, condition);
            match self.hold(&layers) {
                Ok(hold) => container.hold = hold,
                Err(error) => {
                    tracing::error!(id, %error, "the layers of a container are gone; it cannot start");
                }
            }
            if let Err(error) = self.containers().take_name(container.id, Some(&name)) {
                tracing::error!(id, %error, "two containers have one name");
            }
            self.containers().enter(Arc::new(container));
        }
        let forgotten: Vec<Change> = conditions
            .into_keys()
            .map(|id| Change::remove(Table::Conditions, id))
            .collect();
        if !forgotten.is_empty() {
            self.state().commit_soon(forgotten);
        }
        Ok(())
    }

    /// Brings the table and the computer in line, then lets operations begin, then starts what is to run.
    pub(crate) async fn recover(&self) {
        self.sweep_folders().await;
        let mut turns = tokio::task::JoinSet::new();
        let mut waiting = self.containers().all().into_iter();
        loop {
            while turns.len() < AT_A_TIME
                && let Some(container) = waiting.next()
            {
                let engine = self.clone();
                turns.spawn(async move { engine.recover_container(&container).await });
            }
            if turns.join_next().await.is_none() {
                break;
            }
        }
        self.set_ready();
        self.take_up_networks().await;
        self.start_by_policy().await;
        self.sweep_images().await;
    }

    /// Deletes what was made or removed half.
    async fn sweep_folders(&self) {
        let known: BTreeSet<String> = self
            .containers()
            .all()
            .iter()
            .map(|container| container.id.to_string())
            .collect();
        let settings = self.settings().clone();
        let swept = tokio::task::spawn_blocking(move || {
            let directory = settings.data_root.join("containers");
            let leaving = remove::leaving(&settings);
            for (folder, all) in [(&directory, false), (&leaving, true)] {
                for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                    let name = entry.file_name();
                    let name = name.to_string_lossy();
                    let keep = !all && (known.contains(name.as_ref()) || name.starts_with('.'));
                    if !keep && let Err(error) = std::fs::remove_dir_all(entry.path()) {
                        tracing::warn!(path = %entry.path().display(), %error, "what is left of a container stays");
                    }
                }
            }
            // The folder of a shim goes after its container's record.
            for entry in std::fs::read_dir(&settings.exec_root)
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let is_shims =
                    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                if is_shims && !known.iter().any(|id| id.starts_with(name.as_ref())) {
                    drop(std::fs::remove_dir_all(entry.path()));
                }
            }
        });
        if let Err(error) = swept.await {
            tracing::error!(%error, "sweeping broke off");
        }
    }

    async fn recover_container(&self, container: &Arc<Container>) {
        let turn = container.turn().await;
        let record = container.record();
        let files = Files::new(self.settings(), &record.id.to_string());
        let half_removed =
            container.condition().phase == Phase::Removing || !files.directory.exists();
        let found = self.find(container).await;
        match found {
            _ if half_removed || record.step => {
                if let Found::Runs(shim) = found {
                    drop(shim.kill_all().await);
                    drop(shim.wait().await);
                }
                let volumes = record.host_config.auto_remove || record.step;
                if let Err(error) = self.remove_in_turn(container, volumes).await {
                    tracing::error!(id = %container.id, %error, "a container removed half stays");
                }
            }
            Found::Runs(shim) => {
                container.set_shim(Some(shim.clone()));
                container.change(|condition| {
                    condition.pid = shim.pid();
                    if !condition.phase.is_running() {
                        condition.phase = Phase::Running;
                    }
                });
            }
            Found::Ended(exit) => self.found_ended(container, exit).await,
            Found::Rests => {
                container.change(|condition| {
                    condition.pid = 0;
                    if condition.phase == Phase::Restarting {
                        condition.phase = Phase::Exited;
                    }
                });
            }
        }
        drop(turn);
    }

    /// Looks for the container's shim, and ends what was started half.
    async fn find(&self, container: &Container) -> Found {
        let condition = container.condition();
        let directory = self.shim_directory(container.id);
        let recorded = condition.phase.is_running();
        if !recorded && !directory.exists() {
            return Found::Rests;
        }
        match Shim::reconnect(&directory, self.abilities()).await {
            Ok(Some(shim)) => match shim.phase() {
                ShimPhase::Running if recorded => return Found::Runs(shim),
                ShimPhase::Exited(exit) if recorded => return Found::Ended(exit),
                ShimPhase::Running | ShimPhase::Created | ShimPhase::Exited(_) => {
                    drop(shim.kill_all().await);
                    drop(shim.wait().await);
                }
            },
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(id = %container.id, %error, "a container's shim cannot be talked to");
            }
        }
        let exit = self.exit_without_shim(container).await;
        drop(std::fs::remove_dir_all(&directory));
        if recorded {
            Found::Ended(exit)
        } else {
            Found::Rests
        }
    }

    /// Records an end that nobody saw. What follows from it waits until everything is in line.
    async fn found_ended(&self, container: &Arc<Container>, exit: Exit) {
        let code = i64::from(exit.code);
        container.change(|condition| {
            condition.phase = Phase::Exited;
            condition.pid = 0;
            condition.exit_code = code;
            condition.oom_killed = exit.oom_killed;
            condition.finished_at = Some(model::time::Timestamp::from_nanos(exit.at));
            condition.endpoints.clear();
            condition.ports.clear();
            condition.exits += 1;
        });
        self.container_event(container, "die", [("exitCode", code.to_string())]);
        if container.record().host_config.auto_remove {
            if let Err(error) = self.remove_in_turn(container, true).await {
                tracing::error!(id = %container.id, %error, "a container that was to be removed stays");
            }
        } else {
            self.save_soon(container);
        }
    }

    /// Serves the names of those who run on, and watches them.
    async fn take_up_networks(&self) {
        for container in self.containers().all() {
            let Some(shim) = container.shim() else {
                continue;
            };
            if !container.condition().endpoints.is_empty()
                && let Err(error) = self.take_up_dns(&container, &shim).await
            {
                tracing::error!(id = %container.id, %error, "a container's names are not looked up");
            }
            let run = container.run().number;
            self.watch_exit(&container, run, shim);
            self.watch_health(&container);
        }
    }

    /// Does ahead of the first container what it would have to wait for: opens the networks, and says what of the
    /// computer stands in the way of their traffic.
    pub async fn warm_up(&self) {
        let networks = match self.networks().await {
            Ok(networks) => networks,
            Err(error) => {
                tracing::error!(%error, "containers cannot be connected to networks");
                return;
            }
        };
        for network::Warning { message, remedy } in networks.warnings().await {
            tracing::warn!(remedy, "{message}");
        }
    }

    async fn take_up_dns(&self, container: &Container, shim: &Shim) -> Result<()> {
        // Opening them takes up the endpoints of all containers that run.
        self.networks().await?;
        let kept = shim.kept(networking::DNS).await;
        let kept = kept.map_err(|error| Error::internal(crate::error::with_causes(&error)))?;
        match network::Networks::dns_among(kept) {
            Some(sockets) => self.serve_dns(&container.record(), sockets).await,
            None => Ok(()),
        }
    }

    /// Starts what its restart policy wants to run when the daemon starts.
    async fn start_by_policy(&self) {
        let mut starting = tokio::task::JoinSet::new();
        for container in self.containers().all() {
            let (record, condition) = (container.record(), container.condition());
            // What never ran waits for its first start.
            let wanted = condition.phase == Phase::Exited
                && starts_with_daemon(
                    &record.host_config.restart_policy,
                    condition.exit_code,
                    condition.restart_count,
                    condition.manually_stopped,
                );
            if !wanted {
                continue;
            }
            if starting.len() >= AT_A_TIME {
                starting.join_next().await;
            }
            let engine = self.clone();
            starting.spawn(async move {
                let turn = container.turn().await;
                if container.condition().phase != Phase::Exited {
                    return;
                }
                match engine.start_in_turn(&container).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == Kind::NotModified => {}
                    Err(error) => {
                        tracing::warn!(id = %container.id, %error, "a container cannot be started again");
                        engine.try_again_later(&container);
                    }
                }
                drop(turn);
            });
        }
        while starting.join_next().await.is_some() {}
    }
}
