//! Points in time as Docker writes them: RFC 3339 in UTC, as many digits of the second as are needed.

use jiff::Timestamp;

/// What Go writes for "never".
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// The text for `time`.
pub fn text(time: Timestamp) -> String {
    time.to_string()
}

/// The text for `time`, or Go's "never".
pub fn text_or_never(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NEVER.to_owned(), text)
}

/// Reads what [`text_or_never`] writes, and times with an offset; nothing for "never" or for what is no time.
pub fn parse(text: &str) -> Option<Timestamp> {
    if text == NEVER {
        return None;
    }
    text.parse().ok()
}

/// Reads a time of a query: seconds since 1970 with an optional fraction, RFC 3339, or the local forms that
/// Docker takes (`2024-01-02`, `2024-01-02T03:04`, taken as UTC); "0" and "" are no time.
pub fn parse_query(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text == "0" {
        return None;
    }
    if let Some(time) = parse_seconds(text) {
        return Some(time);
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        13 => format!("{text}:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => format!("{text}Z"),
    };
    whole.parse().ok()
}

fn parse_seconds(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(seconds, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let read = super::parse_query(text).map(super::text);
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn queries_name_times_in_many_forms() {
        check("", None);
        check("0", None);
        check("1700000000", Some("2023-11-14T22:13:20Z"));
        check("1700000000.5", Some("2023-11-14T22:13:20.5Z"));
        check(
            "1700000000.000000001",
            Some("2023-11-14T22:13:20.000000001Z"),
        );
        check("2023-11-14T22:13:20+01:00", Some("2023-11-14T21:13:20Z"));
        check("2023-11-14", Some("2023-11-14T00:00:00Z"));
        check("2023-11-14T22:13", Some("2023-11-14T22:13:00Z"));
        check("2023-11-14T22:13:20", Some("2023-11-14T22:13:20Z"));
        check("soon", None);
    }

    #[test]
    fn never_is_no_time() {
        assert_eq!(super::parse(super::NEVER), None);
        assert_eq!(super::text_or_never(None), super::NEVER);
    }
}
