//! Points in time as `--since` and `--until` take them, and as an engine writes them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::quantity::duration;

/// `text` as seconds since 1970 with nanoseconds, `1700000000.000000000`, as the API takes them: an age before
/// `now`, a time in RFC 3339, a local time or date, or such a number already. Anything else is the engine's to
/// judge.
pub(crate) fn api_timestamp(text: &str, now: Timestamp, zone: &TimeZone) -> String {
    let point = match duration(text) {
        Ok(age) if text.ends_with(|character: char| character.is_ascii_alphabetic()) => {
            let age = jiff::SignedDuration::from_nanos(age);
            now.checked_sub(age).ok()
        }
        _ => parse(text, zone),
    };
    match point {
        None => text.to_owned(),
        Some(point) => {
            let nanoseconds = point.as_nanosecond();
            format!(
                "{}.{:09}",
                nanoseconds.div_euclid(1_000_000_000),
                nanoseconds.rem_euclid(1_000_000_000)
            )
        }
    }
}

fn parse(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(point) = text.parse::<Timestamp>() {
        return Some(point);
    }
    let local = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)))
        .ok()?;
    local
        .to_zoned(zone.clone())
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// A time as an engine writes it: RFC 3339, where the first year stands for none.
pub(crate) fn engine_timestamp(text: &str) -> Option<Timestamp> {
    let point: Timestamp = text.parse().ok()?;
    (point > Timestamp::UNIX_EPOCH).then_some(point)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{api_timestamp, engine_timestamp};

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(api_timestamp(text, now, &TimeZone::UTC), expect);
    }

    #[test]
    fn a_time_is_an_age_a_date_or_a_number() {
        check("1m", "1767311940.000000000");
        check("1.5s", "1767311998.500000000");
        check("2026-01-01T00:00:00.5Z", "1767225600.500000000");
        check("2026-01-01T01:00:00+01:00", "1767225600.000000000");
        check("2026-01-01", "1767225600.000000000");
        check("2026-01-01T00:00:01", "1767225601.000000000");
        check("1700000000", "1700000000");
        check("1700000000.5", "1700000000.5");
        check("soon", "soon");
    }

    #[test]
    fn the_first_year_is_no_time() {
        assert_eq!(engine_timestamp("0001-01-01T00:00:00Z"), None);
        assert!(engine_timestamp("2026-01-01T00:00:00.123456789Z").is_some());
    }
}
