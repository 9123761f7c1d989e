//! When a process is to end: SIGINT always, SIGTERM as the user chose. It must never end anything itself;
//! whoever holds a [`Stop`] finishes what it has under way.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args::OnSigterm;
use crate::failure::Failure;
use crate::log::Log;

/// Signals this close together are one wish: `timeout`, for one, signals the process and its whole group.
const SAME_WISH: Duration = Duration::from_millis(250);

/// A wish to stop that all parts of a process can wait for.
#[derive(Clone)]
pub(crate) struct Stop {
    wished: watch::Receiver<bool>,
}

/// The side that wishes.
pub(crate) struct Stopper {
    wish: watch::Sender<bool>,
}

impl Stopper {
    pub(crate) fn new() -> (Self, Stop) {
        let (wish, wished) = watch::channel(false);
        (Self { wish }, Stop { wished })
    }

    /// Tells everyone to stop.
    pub(crate) fn stop(&self) {
        self.wish.send_replace(true);
    }
}

impl Stop {
    /// Resolves once stopping is wished, at once if it already is.
    pub(crate) async fn wished(&self) {
        let mut wished = self.wished.clone();
        // An error means that the other side is gone, and with it any reason to go on.
        wished.wait_for(|wish| *wish).await.ok();
    }

    /// Whether stopping is wished.
    pub(crate) fn is_wished(&self) -> bool {
        *self.wished.borrow()
    }
}

/// Watches the signals of this process until it ends. A second SIGINT or SIGTERM ends it at once.
pub(crate) async fn watch_signals(stopper: Stopper, on_sigterm: OnSigterm, log: Log) -> Failure {
    let (mut interrupt, mut terminate) = match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => return Failure::Runtime(error),
    };
    let mut first: Option<Instant> = None;
    loop {
        let terminated = tokio::select! {
            _ = interrupt.recv() => false,
            _ = terminate.recv() => true,
        };
        if terminated && on_sigterm == OnSigterm::Ignore {
            log.line(
                "SIGTERM is ignored, as --on-sigterm ignore asks; only SIGKILL ends this process",
            );
            continue;
        }
        match first {
            None => {
                first = Some(Instant::now());
                stopper.stop();
            }
            Some(at) if at.elapsed() < SAME_WISH => {}
            Some(_) => return Failure::CutShort,
        }
    }
}
