//! Moments as clients write them: RFC 3339, or seconds since 1970 with a fraction.
//!
//! Pure: the clock is the caller's.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use model::time::Timestamp;

/// A text that is neither of the two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid time {text:?}: RFC 3339 or seconds since 1970 wanted")]
pub struct InvalidMoment {
    /// The text, as it was given.
    pub text: String,
}

/// Reads a moment; an empty text and a plain `0` are none.
pub fn parse(text: &str) -> Result<Option<Timestamp>, InvalidMoment> {
    let invalid = || InvalidMoment {
        text: text.to_owned(),
    };
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    if let Some(moment) = seconds(text) {
        return Ok(Some(moment));
    }
    let moment = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| {
            let civil = text.parse::<DateTime>().ok();
            let civil = civil.or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))?;
            Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })
        .ok_or_else(invalid)?;
    let nanoseconds = u64::try_from(moment.as_nanosecond()).unwrap_or_default();
    Ok(Some(Timestamp::from_nanos(nanoseconds)))
}

/// Reads a moment, or how long before `now` it was, as Go writes durations: `1h30m`, `10s`, `1.5h`.
pub fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(before) = duration(text) {
        let nanoseconds = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
        return Some(Timestamp::from_nanos(
            now.as_nanos().saturating_sub(nanoseconds),
        ));
    }
    parse(text).ok().flatten()
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

/// `1136073600.000000001`; what lies before 1970 is its beginning.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (negative, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: u64 = whole.parse().ok()?;
    let nanoseconds: u64 = format!("{fraction:0<9}").parse().ok()?;
    let moment = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds);
    Some(Timestamp::from_nanos(if negative { 0 } else { moment }))
}

/// `2024-05-01T12:00:00.000000001Z` with as many digits as there are, as Go writes its times.
pub fn rfc3339(moment: Timestamp) -> String {
    jiff_timestamp(moment).to_string()
}

/// The same with all nine digits, so that the texts of a log are of one width.
pub fn rfc3339_fixed(moment: Timestamp) -> String {
    format!("{:.9}", jiff_timestamp(moment))
}

/// The moment now.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::default().after(since)
}

fn jiff_timestamp(moment: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanos())).unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::time::Timestamp;

    use super::{ago, duration, parse, rfc3339, rfc3339_fixed};

    #[track_caller]
    fn check(text: &str, expect: Result<Option<u64>, ()>) {
        let parsed = parse(text)
            .map(|moment| moment.map(Timestamp::as_nanos))
            .map_err(|_| ());
        assert_eq!(parsed, expect, "{text:?}");
    }

    #[test]
    fn clients_write_moments_in_two_ways() {
        check("", Ok(None));
        check("0", Ok(None));
        check("1", Ok(Some(1_000_000_000)));
        check("1136073600.000000001", Ok(Some(1_136_073_600_000_000_001)));
        check("1136073600.5", Ok(Some(1_136_073_600_500_000_000)));
        check("-5", Ok(Some(0)));
        check("2006-01-01T00:00:00Z", Ok(Some(1_136_073_600_000_000_000)));
        check(
            "2006-01-01T01:00:00.5+01:00",
            Ok(Some(1_136_073_600_500_000_000)),
        );
        check("2006-01-01T00:00:00", Ok(Some(1_136_073_600_000_000_000)));
        check("2006-01-01", Ok(Some(1_136_073_600_000_000_000)));
        check("yesterday", Err(()));
        check("1.2.3", Err(()));
        check(".5", Err(()));
    }

    #[test]
    fn moments_are_written_as_go_does() {
        let moment = Timestamp::from_nanos(1_136_073_600_500_000_000);
        assert_eq!(rfc3339(moment), "2006-01-01T00:00:00.5Z");
        assert_eq!(rfc3339_fixed(moment), "2006-01-01T00:00:00.500000000Z");
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("10"), None);
        assert_eq!(duration(""), None);
        assert_eq!(duration("1d"), None);
        let now = Timestamp::from_millis(20_000);
        assert_eq!(ago("10s", now), Some(Timestamp::from_millis(10_000)));
        assert_eq!(ago("1m", now), Some(Timestamp::default()));
        assert_eq!(ago("5", now), Some(Timestamp::from_millis(5_000)));
        assert_eq!(ago("soon", now), None);
    }
}
