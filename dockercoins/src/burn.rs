//! Burning CPU on purpose, so that a lesson on limits and scaling has something to show. It must never
//! run on the thread that serves connections.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

/// Keeps a core busy until this much CPU time is used. Time in which the kernel lets others run does not
/// count, so a container with half a core takes twice as long.
pub(crate) async fn burn(amount: Duration) {
    if amount.is_zero() {
        return;
    }
    // The task cannot panic, and is only cancelled when the whole process ends.
    tokio::task::spawn_blocking(move || hash_for(amount))
        .await
        .ok();
}

fn hash_for(amount: Duration) {
    let begin = cpu_time();
    let mut digest = Sha256::digest(b"dockercoins");
    while cpu_time().saturating_sub(begin) < amount {
        for _ in 0..64 {
            digest = Sha256::digest(digest);
        }
        std::hint::black_box(&digest);
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_the_amount_asked_for() {
        let begin = cpu_time();
        hash_for(Duration::from_millis(20));
        assert!(cpu_time() >= begin + Duration::from_millis(20));
    }
}
