//! Waiting for a container.

use std::future::Future;

use model::api::container::{WaitCondition, Waited};

use super::{Condition, Phase};
use crate::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// Waits for a container. The outer answer comes at once, and from then on nothing is missed; the inner one
    /// when the condition is met.
    pub async fn wait_container(
        &self,
        name: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = Result<Waited>> + Send + use<>> {
        let container = self.container(name).await?;
        let mut watch = container.watch();
        let exits = watch.borrow().exits;
        Ok(async move {
            let is_met = |now: &Condition| match condition {
                // One that its policy starts again has ended all the same for whoever saw it run.
                WaitCondition::NotRunning => {
                    now.exits != exits || !now.phase.is_running() && now.phase != Phase::Restarting
                }
                WaitCondition::NextExit => now.exits != exits || now.phase == Phase::Removed,
                WaitCondition::Removed => now.phase == Phase::Removed,
            };
            let met = watch.wait_for(|now| is_met(now)).await;
            let status_code = match met {
                Ok(now) => now.exit_code,
                Err(_) => return Err(Error::internal("the container is gone")),
            };
            drop(container);
            Ok(Waited {
                error: None,
                status_code,
            })
        })
    }
}
