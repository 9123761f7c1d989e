//! What is done when a container's program has ended: record it, tell it, and start it again or remove it.

use std::sync::Arc;
use std::time::Duration;

use model::time::Timestamp;
use runtime::client::Shim;
use runtime::spec::Exit;

use super::{Container, Phase, moment};
use crate::Engine;
use crate::policy::{Ended, restart_after};

/// What a container has whose shim was killed: it was killed with it.
const KILLED: i32 = 137;

impl Engine {
    /// Waits, beside everything else, for the container's program to end.
    pub(super) fn watch_exit(&self, container: &Arc<Container>, run: u64, shim: Shim) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        crate::spawn(async move {
            let exit = match shim.wait().await {
                Ok(exit) => exit,
                Err(error) => {
                    tracing::warn!(id = %container.id, %error, "the shim is gone; ending its container");
                    engine.exit_without_shim(&container).await
                }
            };
            let turn = container.turn().await;
            let current = container.run().number == run && container.shim().is_some();
            if current {
                engine.ended_in_turn(&container, exit).await;
            }
            drop(turn);
        });
    }

    /// How a container ended whose shim is no more.
    pub(super) async fn exit_without_shim(&self, container: &Container) -> Exit {
        match self.clear_up(container.id).await {
            Ok(exit) => exit,
            Err(error) => {
                tracing::error!(id = %container.id, %error, "what is left of a container cannot be ended");
                Exit {
                    code: KILLED,
                    oom_killed: false,
                    at: moment().as_nanos(),
                }
            }
        }
    }

    /// Records the end and does what follows from it. The caller has the turn.
    pub(super) async fn ended_in_turn(&self, container: &Arc<Container>, exit: Exit) {
        let id = container.id.to_string();
        let record = container.record();
        if let Some(networks) = self.opened_networks() {
            networks.release(&id).await;
        }
        self.execs().container_ended(container.id);
        let before = container.condition();
        let finished = Timestamp::from_nanos(exit.at);
        let ran = before
            .started_at
            .map_or(Duration::ZERO, |started| finished.since(started));
        let delay = restart_after(
            &record.host_config.restart_policy,
            Ended {
                exit_code: i64::from(exit.code),
                restart_count: before.restart_count,
                stopped: before.manually_stopped || self.is_shutting_down(),
                ran,
                previous_delay: container.restart_delay(),
            },
        );
        container.set_restart_delay(delay);
        container.set_shim(None);
        container.change(|condition| {
            condition.phase = if delay.is_some() {
                Phase::Restarting
            } else {
                Phase::Exited
            };
            condition.pid = 0;
            condition.exit_code = i64::from(exit.code);
            condition.oom_killed = exit.oom_killed;
            condition.finished_at = Some(finished);
            condition.endpoints.clear();
            condition.ports.clear();
            condition.exits += 1;
            if let Some(health) = &mut condition.health {
                "unhealthy".clone_into(&mut health.status);
            }
        });
        if exit.oom_killed {
            self.container_event(container, "oom", []);
        }
        let attributes = [("exitCode", exit.code.to_string())];
        self.container_event(container, "die", attributes);
        if record.host_config.auto_remove && !container.is_kept() {
            if let Err(error) = self.remove_in_turn(container, true).await {
                tracing::error!(%id, %error, "a container that was to be removed stays");
            }
            return;
        }
        self.save_soon(container);
        if let Some(delay) = delay {
            self.restart_later(container, delay);
        }
    }

    /// Starts the container again after a while, unless somebody does something else with it.
    fn restart_later(&self, container: &Arc<Container>, delay: Duration) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        crate::spawn(async move {
            let exits = container.condition().exits;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = container.no_restart.notified() => {}
            }
            let turn = container.turn().await;
            let condition = container.condition();
            if condition.phase != Phase::Restarting
                || condition.exits != exits
                || engine.is_shutting_down()
            {
                return;
            }
            container.change(|condition| condition.restart_count += 1);
            match engine.start_in_turn(&container).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(id = %container.id, %error, "a container cannot be started again");
                    engine.try_again_later(&container);
                }
            }
            drop(turn);
        });
    }

    /// A start that failed counts as an end that came at once.
    pub(super) fn try_again_later(&self, container: &Arc<Container>) {
        let condition = container.condition();
        let delay = restart_after(
            &container.record().host_config.restart_policy,
            Ended {
                exit_code: condition.exit_code,
                restart_count: condition.restart_count,
                stopped: condition.manually_stopped || self.is_shutting_down(),
                ran: Duration::ZERO,
                previous_delay: container.restart_delay(),
            },
        );
        container.set_restart_delay(delay);
        if let Some(delay) = delay {
            container.change(|condition| condition.phase = Phase::Restarting);
            self.restart_later(container, delay);
        }
    }
}
