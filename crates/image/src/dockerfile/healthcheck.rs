//! `HEALTHCHECK`.

use std::time::Duration;

use super::{error::Problem, flags, words};

/// How an image's containers are asked whether they are well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, `CMD` with words, or `CMD-SHELL` with a command line.
    pub test: Vec<String>,
    /// Between two; none where nothing is said.
    pub interval: Option<Duration>,
    /// For one.
    pub timeout: Option<Duration>,
    /// How long failures do not count at first.
    pub start_period: Option<Duration>,
    /// Between two within that.
    pub start_interval: Option<Duration>,
    /// How many failures make a container unhealthy.
    pub retries: Option<u32>,
}

pub(super) fn parse(rest: &str, escape: char) -> Result<Healthcheck, Problem> {
    let (mut flags, rest) = flags::take(rest, escape, "HEALTHCHECK")?;
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    match kind.to_ascii_uppercase().as_str() {
        "" => Err(Problem::NeedsArgument("HEALTHCHECK")),
        "NONE" => {
            if !command.is_empty() {
                return Err(Problem::HealthcheckNone);
            }
            flags.finish(&[])?;
            Ok(Healthcheck {
                test: vec!["NONE".to_owned()],
                ..Healthcheck::default()
            })
        }
        "CMD" => {
            let mut test = vec!["CMD".to_owned()];
            match words::json(command)? {
                Some(words) => test.extend(words),
                None if command.is_empty() => {}
                None => test = vec!["CMD-SHELL".to_owned(), command.to_owned()],
            }
            if test.len() < 2 {
                return Err(Problem::HealthcheckCommand);
            }
            let check = Healthcheck {
                test,
                interval: duration(&mut flags, "interval")?,
                timeout: duration(&mut flags, "timeout")?,
                start_period: duration(&mut flags, "start-period")?,
                start_interval: duration(&mut flags, "start-interval")?,
                retries: retries(&mut flags)?,
            };
            flags.finish(&[])?;
            Ok(check)
        }
        other => Err(Problem::HealthcheckType(other.to_owned())),
    }
}

fn retries(flags: &mut flags::Flags) -> Result<Option<u32>, Problem> {
    let Some(value) = flags.value("retries")? else {
        return Ok(None);
    };
    match value.parse() {
        Ok(count) => Ok(Some(count)),
        Err(_) => Err(Problem::FlagValue {
            flag: "retries",
            value,
        }),
    }
}

fn duration(flags: &mut flags::Flags, flag: &'static str) -> Result<Option<Duration>, Problem> {
    let Some(value) = flags.value(flag)? else {
        return Ok(None);
    };
    // Docker takes nothing shorter than a millisecond, and zero as nothing said.
    match parse_duration(&value) {
        Some(Duration::ZERO) => Ok(None),
        Some(duration) if duration >= Duration::from_millis(1) => Ok(Some(duration)),
        _ => Err(Problem::FlagValue { flag, value }),
    }
}

/// `1m30s`, `1.5h`, `500ms`.
fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    // What Docker keeps it in: nanoseconds, signed.
    (!text.is_empty() && i64::try_from(total.as_nanos()).is_ok()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::parse_duration;
    use std::time::Duration;

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("30s", Some(Duration::from_secs(30))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("1.5h", Some(Duration::from_mins(90))),
            ("500ms", Some(Duration::from_millis(500))),
            ("0", Some(Duration::ZERO)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("99999999999h", None),
            ("1x", None),
            ("..s", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
