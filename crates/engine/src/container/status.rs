//! What a list says of a container's state, in Docker's words. Pure.

use model::time::Timestamp;

use super::{Condition, Phase};

/// `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`, `Created`.
pub(super) fn text(condition: &Condition, now: Timestamp) -> String {
    let since = |moment: Option<Timestamp>| {
        moment.map_or_else(String::new, |moment| duration(now.since(moment).as_secs()))
    };
    match condition.phase {
        Phase::Created => "Created".to_owned(),
        Phase::Running => {
            let health = condition
                .health
                .as_ref()
                .map(|health| health.status.as_str());
            let health = match health {
                None => String::new(),
                Some("starting") => " (health: starting)".to_owned(),
                Some(status) => format!(" ({status})"),
            };
            format!("Up {}{health}", since(condition.started_at))
        }
        Phase::Paused => format!("Up {} (Paused)", since(condition.started_at)),
        Phase::Restarting => format!(
            "Restarting ({}) {} ago",
            condition.exit_code,
            since(condition.finished_at)
        ),
        Phase::Exited => match condition.finished_at {
            None => format!("Exited ({})", condition.exit_code),
            finished => format!("Exited ({}) {} ago", condition.exit_code, since(finished)),
        },
        Phase::Removing | Phase::Removed => "Removal In Progress".to_owned(),
    }
}

/// A duration as people say it.
fn duration(seconds: u64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::{duration, text};
    use crate::container::{Condition, Phase, health};

    #[track_caller]
    fn check(seconds: u64, expect: &str) {
        assert_eq!(duration(seconds), expect, "{seconds}");
    }

    #[test]
    fn durations_are_said_as_docker_says_them() {
        check(0, "Less than a second");
        check(1, "1 second");
        check(59, "59 seconds");
        check(60, "About a minute");
        check(120, "2 minutes");
        check(3_599, "59 minutes");
        check(3_600, "About an hour");
        check(2 * 3_600, "2 hours");
        check(50 * 3_600, "2 days");
        check(15 * 86_400, "2 weeks");
        check(70 * 86_400, "2 months");
        check(800 * 86_400, "2 years");
    }

    #[test]
    fn states_have_words() {
        let now = Timestamp::from_millis(100_000);
        let mut condition = Condition {
            started_at: Some(Timestamp::from_millis(95_000)),
            finished_at: Some(Timestamp::from_millis(97_000)),
            exit_code: 3,
            ..Condition::default()
        };
        assert_eq!(text(&condition, now), "Created");
        condition.phase = Phase::Running;
        assert_eq!(text(&condition, now), "Up 5 seconds");
        condition.health = Some(health::starting());
        assert_eq!(text(&condition, now), "Up 5 seconds (health: starting)");
        condition.phase = Phase::Paused;
        assert_eq!(text(&condition, now), "Up 5 seconds (Paused)");
        condition.phase = Phase::Exited;
        assert_eq!(text(&condition, now), "Exited (3) 3 seconds ago");
        condition.phase = Phase::Restarting;
        assert_eq!(text(&condition, now), "Restarting (3) 3 seconds ago");
    }
}
