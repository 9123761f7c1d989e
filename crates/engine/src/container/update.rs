//! Changing a container that is there: its name, its limits, and holding its processes.

use std::sync::Arc;

use model::api::container::{Update, Updated};
use model::api::host_config::Resources;

use super::networking::has_ended;
use super::{Container, Phase};
use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::{host_config, resources};

impl Engine {
    /// Gives a container another name.
    pub async fn rename_container(&self, name: &str, new: &str) -> Result<()> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        if new.is_empty() {
            return Err(Error::bad_parameter(
                "Neither old nor new names may be empty",
            ));
        }
        let mut record = container.record().as_ref().clone();
        let old = record.name.clone();
        if new.strip_prefix('/').unwrap_or(new) == old {
            return Err(Error::bad_parameter(
                "Renaming a container with the same name as its current name",
            ));
        }
        let new = self.containers().take_name(container.id, Some(new))?;
        record.name.clone_from(&new);
        let before = container.record();
        container.set_record(record);
        if let Err(error) = self.save(&container).await {
            container.set_record(before.as_ref().clone());
            self.containers().give_name_back(container.id, &new);
            return Err(error);
        }
        self.containers().give_name_back(container.id, &old);
        self.tell_networks_of_name(&container, &old, &new);
        drop(turn);
        let attributes = [("oldName", format!("/{old}"))];
        self.container_event(&container, "rename", attributes);
        Ok(())
    }

    fn tell_networks_of_name(&self, container: &Container, old: &str, new: &str) {
        let condition = container.condition();
        let Some(networks) = self.opened_networks() else {
            return;
        };
        for endpoint in &condition.endpoints {
            let mut names = endpoint.names.clone();
            for name in names.iter_mut().filter(|name| *name == old) {
                new.clone_into(name);
            }
            if names.is_empty() {
                continue;
            }
            let id = container.id.to_string();
            if let Err(error) = networks.set_names(&id, &endpoint.network, names) {
                tracing::warn!(%id, %error, "others do not find a container by its new name");
            }
        }
        container.change(|condition| {
            for endpoint in &mut condition.endpoints {
                for name in endpoint.names.iter_mut().filter(|name| *name == old) {
                    new.clone_into(name);
                }
            }
        });
        self.save_soon(container);
    }

    /// Holds a container's processes.
    pub async fn pause_container(&self, name: &str) -> Result<()> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        let condition = container.condition();
        match condition.phase {
            Phase::Running => {}
            Phase::Paused => {
                return Err(Error::conflict(format!(
                    "container {} is already paused",
                    container.id
                )));
            }
            Phase::Restarting => {
                return Err(Error::conflict(format!(
                    "container {} is restarting, wait until the container is running",
                    container.id
                )));
            }
            Phase::Created | Phase::Exited | Phase::Removing | Phase::Removed => {
                return Err(Error::not_running(container.id));
            }
        }
        let shim = container
            .shim()
            .ok_or_else(|| Error::not_running(container.id))?;
        let paused = shim.pause().await;
        paused.map_err(|error| failed("pause", &container, &error))?;
        container.change(|condition| condition.phase = Phase::Paused);
        self.save_soon(&container);
        drop(turn);
        self.container_event(&container, "pause", []);
        Ok(())
    }

    /// Lets a held container's processes go on.
    pub async fn unpause_container(&self, name: &str) -> Result<()> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        if container.condition().phase != Phase::Paused {
            return Err(Error::conflict(format!(
                "Container {} is not paused",
                container.id
            )));
        }
        let shim = container
            .shim()
            .ok_or_else(|| Error::not_running(container.id))?;
        let resumed = shim.resume().await;
        resumed.map_err(|error| failed("unpause", &container, &error))?;
        container.change(|condition| condition.phase = Phase::Running);
        self.save_soon(&container);
        drop(turn);
        self.container_event(&container, "unpause", []);
        Ok(())
    }

    /// Changes a container's limits and restart policy; what is not said stays.
    pub async fn update_container(&self, name: &str, update: Update) -> Result<Updated> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        if matches!(
            container.condition().phase,
            Phase::Removing | Phase::Removed
        ) {
            return Err(Error::conflict(
                "container is marked for removal and cannot be \"update\"",
            ));
        }
        let mut record = container.record().as_ref().clone();
        let host = &mut record.host_config;
        if !update.restart_policy.name.is_empty() {
            host_config::restart_policy(&update.restart_policy, host.auto_remove)?;
            host.restart_policy = update.restart_policy.clone();
        }
        overlay(&mut host.resources, &update.resources)?;
        let mut warnings = Vec::new();
        resources::check(&host.resources, self.host(), &mut warnings)?;
        let limits = resources::limits(&host.resources)?;
        if let Some(shim) = container.shim() {
            let updated = shim.update(&limits).await;
            updated.map_err(|error| failed("update", &container, &error))?;
        }
        container.set_record(record);
        self.save(&container).await?;
        drop(turn);
        self.container_event(&container, "update", []);
        Ok(Updated {
            warnings: Some(warnings),
        })
    }

    /// Sets the size of a container's terminal.
    pub async fn resize_container(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        let container = self.container(name).await?;
        let shim = container
            .shim()
            .ok_or_else(|| Error::not_running(container.id))?;
        let resized = shim.resize(rows, columns).await;
        resized.map_err(|error| failed("resize", &container, &error))?;
        let attributes = [("height", rows.to_string()), ("width", columns.to_string())];
        self.container_event(&container, "resize", attributes);
        Ok(())
    }
}

fn failed(tried: &str, container: &Arc<Container>, error: &runtime::client::Error) -> Error {
    if container.shim().is_none_or(|shim| has_ended(&shim)) {
        return Error::not_running(container.id);
    }
    Error::internal(format!(
        "cannot {tried} container {}: {}",
        container.id,
        crate::error::with_causes(error)
    ))
}

/// Takes over the limits that an update names. Those that it cannot change are refused.
fn overlay(resources: &mut Resources, update: &Resources) -> Result<()> {
    if update.nano_cpus > 0 {
        // One says what the other two do.
        (resources.cpu_period, resources.cpu_quota) = (0, 0);
    }
    if update.cpu_period > 0 || update.cpu_quota != 0 {
        resources.nano_cpus = 0;
    }
    let swap = resources.memory_swap;
    if update.memory > 0 && update.memory_swap == 0 && swap > 0 && update.memory > swap {
        return Err(Error::bad_parameter(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    for (value, new) in [
        (&mut resources.cpu_shares, update.cpu_shares),
        (&mut resources.memory, update.memory),
        (&mut resources.memory_swap, update.memory_swap),
        (&mut resources.memory_reservation, update.memory_reservation),
        (&mut resources.nano_cpus, update.nano_cpus),
        (&mut resources.cpu_period, update.cpu_period),
        (&mut resources.cpu_quota, update.cpu_quota),
    ] {
        if new != 0 {
            *value = new;
        }
    }
    for (value, new) in [
        (&mut resources.cpuset_cpus, &update.cpuset_cpus),
        (&mut resources.cpuset_mems, &update.cpuset_mems),
    ] {
        if !new.is_empty() {
            value.clone_from(new);
        }
    }
    if update.blkio_weight != 0 {
        resources.blkio_weight = update.blkio_weight;
    }
    if update.pids_limit.is_some() {
        resources.pids_limit = update.pids_limit;
    }
    let refused = [
        (update.devices.is_some(), "Devices"),
        (
            update.ulimits.as_ref().is_some_and(|list| !list.is_empty()),
            "Ulimits",
        ),
        (update.oom_kill_disable == Some(true), "OomKillDisable"),
        (update.kernel_memory != 0, "KernelMemory"),
        (update.cpu_realtime_period != 0, "CpuRealtimePeriod"),
        (update.cpu_realtime_runtime != 0, "CpuRealtimeRuntime"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, name)) => Err(Error::not_implemented(format_args!("updating {name}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use model::api::host_config::Resources;

    use super::overlay;

    #[test]
    fn only_what_is_said_changes() {
        let mut resources = Resources {
            memory: 64 << 20,
            cpu_quota: 5_000,
            ..Resources::default()
        };
        let update = Resources {
            nano_cpus: 1_000_000_000,
            pids_limit: Some(5),
            ..Resources::default()
        };
        overlay(&mut resources, &update).unwrap();
        assert_eq!((resources.memory, resources.cpu_quota), (64 << 20, 0));
        assert_eq!(
            (resources.nano_cpus, resources.pids_limit),
            (1_000_000_000, Some(5))
        );
        let devices = Resources {
            kernel_memory: 1,
            ..Resources::default()
        };
        assert!(overlay(&mut resources, &devices).is_err());
    }
}
