//! Moments relative to now, as filters have them: `1h30m` ago. Absolute ones are `model::api::time`'s to read.
//!
//! Pure but for [`now`].

use std::time::Duration;

use jiff::Timestamp;
use model::api::time::parse_query;

/// Reads a moment, or how long before `now` it was, as Go writes durations: `1h30m`, `10s`, `1.5h`.
pub fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    match duration(text) {
        Some(before) => Some(now.checked_sub(before).unwrap_or(Timestamp::MIN)),
        None => parse_query(text),
    }
}

/// A duration as Go writes it; at least one unit must be there.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    while !rest.is_empty() {
        let number_end = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|next: char| next.is_ascii_digit() || next == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit_seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        let part = Duration::try_from_secs_f64(number * unit_seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// The moment now.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment with all nine digits of its fraction, so that the texts of a log are of one width.
pub fn fixed_width(moment: Timestamp) -> String {
    format!("{moment:.9}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{ago, duration, fixed_width};

    #[test]
    fn moments_in_a_log_are_of_one_width() {
        let moment = Timestamp::new(1_136_073_600, 500_000_000).unwrap();
        assert_eq!(fixed_width(moment), "2006-01-01T00:00:00.500000000Z");
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("10"), None);
        assert_eq!(duration(""), None);
        assert_eq!(duration("1d"), None);
        let now = Timestamp::from_second(20).unwrap();
        assert_eq!(ago("10s", now), Timestamp::from_second(10).ok());
        assert_eq!(ago("5", now), Timestamp::from_second(5).ok());
        assert_eq!(ago("soon", now), None);
    }
}
