//! Sizes and times as Docker writes them for people. Pure: the present is handed in.

use jiff::{SignedDuration, Timestamp};

/// A size in powers of 1000 with three significant digits: `187MB`, `4.86kB`.
pub(crate) fn size(bytes: f64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// A size in powers of 1000 with four significant digits: `1.234MB`.
pub(crate) fn precise_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 4)
}

/// A size in powers of 1024 with four significant digits: `1.953GiB`.
pub(crate) fn binary_size(bytes: f64) -> String {
    scaled(
        bytes,
        1024.0,
        &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
        4,
    )
}

fn scaled(mut amount: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while amount >= base && unit + 1 < units.len() {
        amount /= base;
        unit += 1;
    }
    format!("{}{}", significant(amount, digits), units[unit])
}

/// `amount` with so many significant digits, and no zeros at the end of a fraction.
fn significant(amount: f64, digits: usize) -> String {
    let mut whole_digits = 1;
    let mut rest = amount.abs();
    while rest >= 10.0 {
        rest /= 10.0;
        whole_digits += 1;
    }
    let text = format!("{amount:.*}", digits.saturating_sub(whole_digits));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A number for arithmetic on what an engine counts.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is shown has four digits, and a float has fifteen"
)]
pub(crate) fn float(amount: i64) -> f64 {
    amount as f64
}

/// A length of time in the words that Docker uses: `About a minute`, `3 days`.
pub(crate) fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let minutes = seconds / 60;
    // Hours are rounded, all else is cut off.
    let hours = (seconds + 1800) / 3600;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ => match (minutes, hours) {
            (1, _) => "About a minute".to_owned(),
            (..60, _) => format!("{minutes} minutes"),
            (_, 1) => "About an hour".to_owned(),
            (_, ..48) => format!("{hours} hours"),
            (_, ..336) => format!("{} days", hours / 24),
            (_, ..1440) => format!("{} weeks", hours / 24 / 7),
            (_, ..17520) => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", seconds / 3600 / 24 / 365),
        },
    }
}

/// How long ago it was.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", duration(now.duration_since(then)))
}

/// The first `length` characters, the last of them an ellipsis where something is left out.
pub(crate) fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(length.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// An id without its algorithm, cut to twelve digits.
pub(crate) fn short_id(id: &str) -> String {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{binary_size, duration, ellipsis, precise_size, short_id, size};

    #[track_caller]
    fn check(seconds: i64, expect: &str) {
        assert_eq!(
            duration(SignedDuration::from_secs(seconds)),
            expect,
            "{seconds}"
        );
    }

    #[test]
    fn times_are_said_in_words() {
        check(0, "Less than a second");
        check(1, "1 second");
        check(59, "59 seconds");
        check(60, "About a minute");
        check(120, "2 minutes");
        check(3599, "59 minutes");
        check(3600, "About an hour");
        check(5399, "About an hour");
        check(5400, "2 hours");
        check(47 * 3600, "47 hours");
        check(48 * 3600, "2 days");
        check(14 * 86400, "2 weeks");
        check(60 * 86400, "2 months");
        check(730 * 86400, "2 years");
    }

    #[test]
    fn sizes_have_few_digits() {
        assert_eq!(size(0.0), "0B");
        assert_eq!(size(4861.0), "4.86kB");
        assert_eq!(size(187_456_789.0), "187MB");
        assert_eq!(precise_size(1_234_567.0), "1.235MB");
        assert_eq!(precise_size(10_000_000.0), "10MB");
        assert_eq!(binary_size(2_097_152.0), "2MiB");
        assert_eq!(binary_size(1_234_567_890.0), "1.15GiB");
    }

    #[test]
    fn texts_are_shortened() {
        assert_eq!(ellipsis("abcdef", 6), "abcdef");
        assert_eq!(ellipsis("abcdefg", 6), "abcde…");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("0123456789abcdef"), "0123456789ab");
    }
}
