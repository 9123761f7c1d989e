//! `update`.

use client::Request;
use model::api::container::{Update, Updated};
use model::api::host_config::{Resources, RestartPolicy};

use super::{container_path, each};
use crate::args::create as raw;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &raw::Update) -> Result<(), Failure> {
    let update = Update {
        resources: Resources {
            cpu_shares: raw.cpu_shares.unwrap_or_default(),
            memory: raw.memory.unwrap_or_default(),
            nano_cpus: raw.cpus.unwrap_or_default(),
            blkio_weight: raw.blkio_weight.unwrap_or_default(),
            cpu_period: raw.cpu_period.unwrap_or_default(),
            cpu_quota: raw.cpu_quota.unwrap_or_default(),
            cpuset_cpus: raw.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: raw.cpuset_mems.clone().unwrap_or_default(),
            memory_reservation: raw.memory_reservation.unwrap_or_default(),
            memory_swap: raw.memory_swap.unwrap_or_default(),
            pids_limit: raw.pids_limit,
            ..Resources::default()
        },
        restart_policy: raw.restart.clone().unwrap_or_default(),
    };
    if update.resources == Resources::default() && update.restart_policy == RestartPolicy::default()
    {
        return Err(Failure::message(
            "you must provide one or more flags when using this command",
        ));
    }
    each(&raw.containers, async |name| {
        let request = Request::post(container_path(name, "/update")?).json(&update);
        let updated: Updated = session.client.send(request).await?.json().await?;
        for warning in updated.warnings.unwrap_or_default() {
            output::warn(&warning);
        }
        Ok(name.to_owned())
    })
    .await
}
