//! Ending a container's program: stop, kill, restart.

use std::sync::Arc;
use std::time::Duration;

use model::api::container::StopOptions;

use super::networking::has_ended;
use super::{Container, Phase, Record};
use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::signal;

/// How long a program gets to end when nobody says.
const DEFAULT_TIMEOUT_S: i64 = 10;

/// How long a killed program may take to be gone before that is an error.
const KILL_PATIENCE: Duration = Duration::from_secs(30);

/// How a container is to be stopped.
struct Way {
    signal: i32,
    /// `None` waits for ever.
    timeout: Option<Duration>,
}

impl Way {
    fn of(record: &Record, options: &StopOptions) -> Result<Self> {
        let own = Some(record.config.stop_signal.as_str()).filter(|text| !text.is_empty());
        let asked = options.signal.as_deref().filter(|text| !text.is_empty());
        let signal = asked.or(own).map_or(Ok(signal::TERM), signal::parse)?;
        let seconds = options
            .timeout
            .or(record.config.stop_timeout)
            .unwrap_or(DEFAULT_TIMEOUT_S);
        Ok(Self {
            signal,
            timeout: u64::try_from(seconds).ok().map(Duration::from_secs),
        })
    }
}

impl Engine {
    /// Stops a container: asks, waits, kills. [`NotModified`](crate::error::Kind::NotModified) if it does not run.
    pub async fn stop_container(&self, name: &str, options: &StopOptions) -> Result<()> {
        let container = self.container(name).await?;
        let way = Way::of(&container.record(), options)?;
        match container.condition().phase {
            Phase::Running | Phase::Paused => {}
            Phase::Restarting => return self.leave_ended(&container).await,
            Phase::Created | Phase::Exited | Phase::Removing | Phase::Removed => {
                return Err(Error::not_modified());
            }
        }
        self.mark_stopped(&container);
        self.end_program(&container, &way).await?;
        self.container_event(&container, "stop", []);
        Ok(())
    }

    /// Stops a container if it runs, and starts it.
    pub async fn restart_container(&self, name: &str, options: &StopOptions) -> Result<()> {
        let container = self.container(name).await?;
        let way = Way::of(&container.record(), options)?;
        if container.condition().phase.is_running() {
            // A container that removes itself when it ends must survive this.
            let kept = container.keep_through_restart();
            self.mark_stopped(&container);
            self.end_program(&container, &way).await?;
            drop(kept);
        }
        let turn = container.turn().await;
        container.no_restart.notify_waiters();
        container.change(|condition| {
            condition.manually_stopped = false;
            condition.restart_count = 0;
        });
        match self.start_in_turn(&container).await {
            // Its restart policy was quicker.
            Err(error) if error.kind() == crate::error::Kind::NotModified => {}
            done => done?,
        }
        drop(turn);
        self.container_event(&container, "restart", []);
        Ok(())
    }

    /// Sends a signal to a container; `SIGKILL` where none is named.
    pub async fn kill_container(&self, name: &str, signal: Option<&str>) -> Result<()> {
        let container = self.container(name).await?;
        let asked = signal.filter(|text| !text.is_empty());
        let number = asked.map_or(Ok(signal::KILL), signal::parse)?;
        let not_running = || {
            Error::conflict(format!(
                "cannot kill container: {name}: container {} is not running",
                container.id
            ))
        };
        if container.condition().phase == Phase::Restarting {
            self.leave_ended(&container).await?;
            return Err(not_running());
        }
        let Some(shim) = container.shim() else {
            return Err(not_running());
        };
        let own = Way::of(&container.record(), &StopOptions::default())?.signal;
        let ends = number == signal::KILL || number == own;
        let attributes = [("signal", number.to_string())];
        if ends {
            self.mark_stopped(&container);
        }
        let exits = container.condition().exits;
        self.container_event(&container, "kill", attributes);
        if let Err(error) = shim.signal(number).await
            && container.condition().exits == exits
            && container.condition().phase.is_running()
        {
            // It ended in this very moment, and nobody here has been told yet.
            if has_ended(&shim) || matches!(error, runtime::client::Error::Lost) {
                return Err(not_running());
            }
            return Err(Error::internal(format!(
                "cannot kill container: {name}: {}",
                crate::error::with_causes(&error)
            )));
        }
        if ends {
            self.resume_to_end(&container).await;
        }
        if number == signal::KILL {
            self.await_end(&container, exits, Some(KILL_PATIENCE)).await;
        }
        Ok(())
    }

    /// Sends the signal and waits; kills what does not end in time, and waits for that.
    async fn end_program(&self, container: &Arc<Container>, way: &Way) -> Result<()> {
        let Some(shim) = container.shim() else {
            return Ok(());
        };
        let exits = container.condition().exits;
        let attributes = [("signal", way.signal.to_string())];
        self.container_event(container, "kill", attributes);
        // Who cannot be asked, because it just ended or its shim is gone, is found to have ended below.
        if let Err(error) = shim.signal(way.signal).await {
            tracing::debug!(id = %container.id, %error, "cannot signal a container");
        }
        self.resume_to_end(container).await;
        if self.await_end(container, exits, way.timeout).await {
            return Ok(());
        }
        self.end_at_once(container).await
    }

    /// Kills the program and waits until its end is recorded.
    pub(super) async fn end_at_once(&self, container: &Arc<Container>) -> Result<()> {
        let Some(shim) = container.shim() else {
            return Ok(());
        };
        let exits = container.condition().exits;
        if let Err(error) = shim.kill_all().await {
            tracing::debug!(id = %container.id, %error, "cannot kill a container");
        }
        self.resume_to_end(container).await;
        if self.await_end(container, exits, Some(KILL_PATIENCE)).await {
            Ok(())
        } else {
            Err(Error::internal(format!(
                "container {} does not end although it was killed",
                container.id
            )))
        }
    }

    /// Waits for the end after the one that `exits` counted; whether it came in time.
    async fn await_end(
        &self,
        container: &Container,
        exits: u64,
        timeout: Option<Duration>,
    ) -> bool {
        let mut watch = container.watch();
        let ended =
            watch.wait_for(|condition| condition.exits != exits || !condition.phase.is_running());
        match timeout {
            None => ended.await.is_ok(),
            Some(timeout) => tokio::time::timeout(timeout, ended).await.is_ok(),
        }
    }

    /// A held program cannot end: it is let go.
    async fn resume_to_end(&self, container: &Container) {
        if container.condition().phase == Phase::Paused
            && let Some(shim) = container.shim()
            && let Err(error) = shim.resume().await
        {
            tracing::debug!(id = %container.id, %error, "cannot let a held container go on");
        }
    }

    /// Its restart policy is to leave it alone from now on.
    fn mark_stopped(&self, container: &Container) {
        container.change(|condition| condition.manually_stopped = true);
        self.save_soon(container);
    }

    /// Ends the wait of a container that is about to be started again.
    async fn leave_ended(&self, container: &Arc<Container>) -> Result<()> {
        let turn = container.turn().await;
        container.change(|condition| {
            condition.manually_stopped = true;
            if condition.phase == Phase::Restarting {
                condition.phase = Phase::Exited;
            }
        });
        container.no_restart.notify_waiters();
        self.save_soon(container);
        let running = container.condition().phase.is_running();
        drop(turn);
        if running {
            // It was started just before we had the turn.
            self.end_at_once(container).await?;
        }
        Ok(())
    }

    /// Ends in good order: stops the containers unless they are to live on, and writes what waits.
    pub async fn shut_down(&self) {
        self.begin_shutdown();
        if !self.settings().live_restore {
            let timeout = Duration::from_secs(self.settings().shutdown_timeout_s);
            let mut stopping = tokio::task::JoinSet::new();
            for container in self.containers().all() {
                if !container.condition().phase.is_running() {
                    continue;
                }
                let engine = self.clone();
                stopping.spawn(async move {
                    let own = Way::of(&container.record(), &StopOptions::default());
                    let Ok(mut way) = own else {
                        return;
                    };
                    way.timeout = Some(way.timeout.map_or(timeout, |own| own.min(timeout)));
                    if let Err(error) = engine.end_program(&container, &way).await {
                        tracing::error!(id = %container.id, %error, "a container cannot be stopped");
                    }
                });
            }
            while stopping.join_next().await.is_some() {}
        }
        if let Some(networks) = self.opened_networks() {
            networks.close().await;
        }
        if let Err(error) = self.state().commit(Vec::new()).await {
            tracing::error!(%error, "what changed last is not on disk");
        }
    }
}
