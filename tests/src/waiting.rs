//! Waiting for a condition, with a deadline. Nothing here, or in a test, sleeps and hopes.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Time between the first looks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Mostly a look is a client's process: more often would take the processor from what is waited for.
const LONGEST_PAUSE: Duration = Duration::from_millis(240);

/// Looks again and again until `look` finds something, and returns that.
///
/// # Panics
/// When it found nothing within `limit`: with `what`, and what the last look saw instead.
#[track_caller]
pub fn wait_for<Found>(
    what: &str,
    limit: Duration,
    look: impl FnMut() -> Result<Found, String>,
) -> Found {
    look_until_found(what, limit, LONGEST_PAUSE, look)
}

/// As [`wait_for`], for a look that costs little and whose moment matters.
#[track_caller]
pub fn watch_for<Found>(
    what: &str,
    limit: Duration,
    look: impl FnMut() -> Result<Found, String>,
) -> Found {
    look_until_found(what, limit, 2 * FIRST_PAUSE, look)
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

#[track_caller]
fn look_until_found<Found>(
    what: &str,
    limit: Duration,
    longest_pause: Duration,
    mut look: impl FnMut() -> Result<Found, String>,
) -> Found {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(
                Instant::now() < deadline,
                "waited {limit:?} in vain for {what}; last seen: {seen}"
            ),
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest_pause);
    }
}
