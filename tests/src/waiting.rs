//! Waiting for a condition, with a deadline. Nothing here, or in a test, sleeps and hopes.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Time between two looks: short beside what is waited for, and long enough to leave the processor to it.
const PAUSE: Duration = Duration::from_millis(40);

/// Looks again and again until `look` finds something, and returns that.
///
/// # Panics
/// When it found nothing within `limit`: with `what`, and what the last look saw instead.
#[track_caller]
pub fn wait_for<Found>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Found, String>,
) -> Found {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(
                Instant::now() < deadline,
                "waited {limit:?} in vain for {what}; last seen: {seen}"
            ),
        }
        thread::sleep(PAUSE);
    }
}

/// As [`wait_for`], for a condition that holds or doesn't.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, limit, || {
        if holds() {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
}
