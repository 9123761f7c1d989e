//! Reading the totals from Redis for many viewers: one connection, and one attempt at a time to make it.
//! It must never let requests pile up behind a Redis that doesn't answer.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::datastore::{Datastore, Totals};
use crate::failure::with_causes;
use crate::log::Log;
use crate::metrics::Readiness;

/// How long an error stands for those who ask after it, so that a Redis that takes seconds to fail does
/// not take them from every viewer in turn.
const ERROR_STANDS: Duration = Duration::from_millis(500);
/// How long a shared reading stands.
const SHARED_STANDS: Duration = Duration::from_millis(100);

/// Whether requests share a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    None,
    Briefly,
}

/// The latest reading and how to get the next.
pub(super) struct Reading {
    state: Mutex<State>,
    sharing: Sharing,
    readiness: Readiness,
    log: Log,
}

struct State {
    datastore: Datastore,
    latest: Option<(Instant, Result<Totals, String>)>,
}

impl Reading {
    pub(super) fn new(
        datastore: Datastore,
        sharing: Sharing,
        readiness: Readiness,
        log: Log,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                datastore,
                latest: None,
            }),
            sharing,
            readiness,
            log,
        }
    }

    /// The totals, or one sentence that says why there are none and what to do.
    pub(super) async fn totals(&self) -> Result<Totals, String> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some((at, latest)) = &state.latest {
            let stands = match (latest, self.sharing) {
                (Err(_), _) => ERROR_STANDS,
                (Ok(_), Sharing::Briefly) => SHARED_STANDS,
                (Ok(_), Sharing::None) => Duration::ZERO,
            };
            // What was read after this request came is as good as a reading of its own.
            if *at > asked || at.elapsed() < stands {
                return latest.clone();
            }
        }
        let totals = state.datastore.totals().await.map_err(|error| {
            let hint = error
                .hint()
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            format!("{}{hint}", with_causes(&error))
        });
        self.tell_change(&state, &totals);
        state.latest = Some((Instant::now(), totals.clone()));
        totals
    }

    /// Logs when Redis goes away and comes back, not each request that finds it so.
    fn tell_change(&self, state: &State, totals: &Result<Totals, String>) {
        let was = state.latest.as_ref().map(|(_, latest)| latest);
        match (was, totals) {
            (None | Some(Ok(_)), Err(error)) => self.log.line(error.clone()),
            (Some(Err(_)), Ok(_)) => {
                self.log
                    .line(format!("Redis at {} answers again", state.datastore.name()));
            }
            (None | Some(Ok(_)), Ok(_)) | (Some(Err(_)), Err(_)) => {}
        }
        self.readiness.set(totals.is_ok());
    }
}
