//! Starting the program and talking to it, for the tests and the figures. Everything started here dies with
//! the thread that started it: by `Drop`, and by the kernel (a parent-death signal) when that is killed.
//! Nothing here may have a fixed port, or wait by any other clock than that of [`PATIENCE`].
//!
//! Start reading at `process`; `server`, `redis` and `application` are what is started of it.

pub(crate) mod application;
pub(crate) mod folder;
pub(crate) mod http;
pub(crate) mod loopback;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod server;

use std::thread;
use std::time::{Duration, Instant};

/// How long anything that is waited for may take: far longer than it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Tries until there is a value, or patience ends.
pub(crate) fn wait_for<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(
        wait_for(|| condition().then_some(())).is_some(),
        "waited in vain until {what}"
    );
}
