//! Whether, and when, a container is started again. Pure.

use std::time::Duration;

use model::api::host_config::RestartPolicy;

/// The first wait; it doubles with each failure.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest wait.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// Who ran as long as this is not failing: the next wait is the first again.
const STEADY: Duration = Duration::from_secs(10);

/// What is known of a program that ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its status.
    pub exit_code: i64,
    /// How often it was started again already.
    pub restart_count: u64,
    /// Whether somebody wanted it to end.
    pub stopped: bool,
    /// How long it ran.
    pub ran: Duration,
    /// The wait before it was started last, if it was started again.
    pub previous_delay: Option<Duration>,
}

/// How long to wait before it is started again; `None` leaves it ended.
pub fn restart_after(policy: &RestartPolicy, ended: Ended) -> Option<Duration> {
    if ended.stopped || !wants_restart(policy, ended.exit_code, ended.restart_count) {
        return None;
    }
    let delay = match ended.previous_delay {
        Some(previous) if ended.ran < STEADY => previous.saturating_mul(2).min(LONGEST_DELAY),
        Some(_) | None => FIRST_DELAY,
    };
    Some(delay)
}

/// Whether a container that does not run is started when the daemon starts.
pub fn starts_with_daemon(
    policy: &RestartPolicy,
    exit_code: i64,
    restart_count: u64,
    manually_stopped: bool,
) -> bool {
    match policy.name.as_str() {
        "always" => true,
        "on-failure" | "unless-stopped" => {
            !manually_stopped && wants_restart(policy, exit_code, restart_count)
        }
        _ => false,
    }
}

fn wants_restart(policy: &RestartPolicy, exit_code: i64, restart_count: u64) -> bool {
    match policy.name.as_str() {
        "always" | "unless-stopped" => true,
        "on-failure" => {
            let most = u64::try_from(policy.maximum_retry_count).unwrap_or(0);
            exit_code != 0 && (most == 0 || restart_count < most)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::api::host_config::RestartPolicy;

    use super::{Ended, restart_after, starts_with_daemon};

    fn policy(name: &str, most: i64) -> RestartPolicy {
        RestartPolicy {
            name: name.to_owned(),
            maximum_retry_count: most,
        }
    }

    const FAILED: Ended = Ended {
        exit_code: 1,
        restart_count: 0,
        stopped: false,
        ran: Duration::ZERO,
        previous_delay: None,
    };

    #[track_caller]
    fn check(policy: &RestartPolicy, ended: Ended, expect_ms: Option<u128>) {
        let delay = restart_after(policy, ended).map(|delay| delay.as_millis());
        assert_eq!(delay, expect_ms, "{policy:?} {ended:?}");
    }

    #[test]
    fn policies_say_who_is_started_again() {
        let succeeded = Ended {
            exit_code: 0,
            ..FAILED
        };
        let stopped = Ended {
            stopped: true,
            ..FAILED
        };
        for name in ["always", "unless-stopped"] {
            check(&policy(name, 0), FAILED, Some(100));
            check(&policy(name, 0), succeeded, Some(100));
            check(&policy(name, 0), stopped, None);
        }
        for name in ["no", ""] {
            check(&policy(name, 0), FAILED, None);
        }
        check(&policy("on-failure", 0), succeeded, None);
        check(&policy("on-failure", 0), FAILED, Some(100));
        check(
            &policy("on-failure", 2),
            Ended {
                restart_count: 1,
                ..FAILED
            },
            Some(100),
        );
        check(
            &policy("on-failure", 2),
            Ended {
                restart_count: 2,
                ..FAILED
            },
            None,
        );
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew() {
        let after = |seconds: u64, ran: u64| Ended {
            previous_delay: Some(Duration::from_secs(seconds)),
            ran: Duration::from_secs(ran),
            ..FAILED
        };
        check(&policy("always", 0), after(1, 0), Some(2_000));
        check(&policy("always", 0), after(50, 0), Some(60_000));
        check(&policy("always", 0), after(50, 10), Some(100));
    }

    #[test]
    fn the_daemons_start_is_a_reason_too() {
        assert!(starts_with_daemon(&policy("always", 0), 0, 0, true));
        assert!(!starts_with_daemon(
            &policy("unless-stopped", 0),
            0,
            0,
            true
        ));
        assert!(starts_with_daemon(
            &policy("unless-stopped", 0),
            0,
            0,
            false
        ));
        assert!(!starts_with_daemon(&policy("on-failure", 0), 0, 0, false));
        assert!(starts_with_daemon(&policy("on-failure", 0), 1, 0, false));
        assert!(!starts_with_daemon(&policy("no", 0), 1, 0, false));
    }
}
