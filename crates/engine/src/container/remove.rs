//! Removing containers.
//!
//! ```text
//! containers/<id>  ──rename──▶  containers/.removing/<id>  ──record out of the state──▶  files deleted
//! ```
//!
//! A container whose folder is gone from its place is removed to its end when the daemon comes back, whatever the
//! state says of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::api::container::RemoveOptions;

use super::{Container, Phase};
use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::spec::Files;
use crate::settings::Settings;
use crate::state::{Change, Table};

/// Where folders are on their way out.
pub(super) fn leaving(settings: &Settings) -> PathBuf {
    settings.data_root.join("containers").join(".removing")
}

impl Engine {
    /// Removes a container.
    pub async fn remove_container(&self, name: &str, options: RemoveOptions) -> Result<()> {
        if options.link {
            return Err(Error::not_implemented("removing a link"));
        }
        let container = self.container(name).await?;
        let phase = container.condition().phase;
        if !options.force {
            let why = match phase {
                Phase::Running => {
                    "container is running: stop the container before removing or force remove"
                }
                Phase::Paused => "container is paused and must be unpaused first",
                Phase::Restarting => {
                    "container is restarting: stop the container before removing or force remove"
                }
                Phase::Created | Phase::Exited | Phase::Removing | Phase::Removed => "",
            };
            if !why.is_empty() {
                return Err(Error::conflict(format!(
                    "cannot remove container \"{}\": {why}",
                    container.record().name
                )));
            }
        }
        loop {
            if options.force && container.condition().phase.is_running() {
                container.change(|condition| condition.manually_stopped = true);
                self.end_at_once(&container).await?;
            }
            let turn = container.turn().await;
            let phase = container.condition().phase;
            if phase == Phase::Removed {
                // It removed itself when it ended, or somebody else was quicker.
                return Ok(());
            }
            if !phase.is_running() {
                let removed = self.remove_in_turn(&container, options.volumes).await;
                drop(turn);
                return removed;
            }
            // Somebody started it in between.
            if !options.force {
                return Err(Error::conflict(format!(
                    "cannot remove container \"{}\": container is running: stop the container before removing or \
                     force remove",
                    container.record().name
                )));
            }
        }
    }

    /// Removes a container that does not run. The caller has its turn.
    pub(super) async fn remove_in_turn(
        &self,
        container: &Arc<Container>,
        volumes: bool,
    ) -> Result<()> {
        let id = container.id.to_string();
        container.no_restart.notify_waiters();
        let before = container.condition().phase;
        container.change(|condition| condition.phase = Phase::Removing);
        if let Err(error) = self.remove_parts(container, &id).await {
            container.change(|condition| condition.phase = before);
            return Err(error);
        }
        self.containers().take_out(container);
        self.execs().container_removed(container.id);
        if volumes {
            for point in &container.record().mounts {
                if point.kind == "volume"
                    && let Err(error) = self.remove_anonymous_volume(&point.name).await
                {
                    tracing::warn!(volume = point.name, %error, "a volume that nobody uses stays");
                }
            }
        }
        drop(container.take_waiting_clients());
        self.container_event(container, "destroy", []);
        container.change(|condition| condition.phase = Phase::Removed);
        Ok(())
    }

    async fn remove_parts(&self, container: &Container, id: &str) -> Result<()> {
        let files = Files::new(self.settings(), id);
        let aside = leaving(self.settings()).join(id);
        move_aside(&files.directory, &aside)?;
        self.state()
            .commit(vec![
                Change::remove(Table::Containers, id),
                Change::remove(Table::Conditions, id),
            ])
            .await?;
        let shim_directory = self.shim_directory(container.id);
        let deleted = tokio::task::spawn_blocking(move || {
            drop(std::fs::remove_dir_all(shim_directory));
            match std::fs::remove_dir_all(&aside) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => Err((aside, cause)),
                _ => Ok(()),
            }
        });
        match deleted.await {
            Ok(Ok(())) => {}
            Ok(Err((path, error))) => {
                // The container is gone all the same; the next start of the daemon tries again.
                tracing::warn!(path = %path.display(), %error, "a removed container's files stay");
            }
            Err(error) => tracing::error!(%error, "deleting a container's files broke off"),
        }
        Ok(())
    }
}

fn move_aside(directory: &Path, aside: &Path) -> Result<()> {
    match std::fs::rename(directory, aside) {
        Ok(()) => Ok(()),
        // Removed half, before the daemon was killed.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Error::io(
            format_args!("move {} out of the way", directory.display()),
            cause,
        )),
    }
}
