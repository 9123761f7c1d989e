//! The texts of single values: sizes, times, mounts, ports. Pure; what is wrong is said in Docker's words.

use std::collections::BTreeMap;

pub(crate) mod environment;
pub(crate) mod mount;
pub(crate) mod port;
pub(crate) mod quantity;
pub(crate) mod time;

pub(crate) use model::api::host_config::{RestartPolicy, ThrottleDevice, Ulimit};
pub(crate) use model::api::mount::Mount;
pub(crate) use mount::mount;
pub(crate) use quantity::{bytes, bytes_or_unlimited, duration, nano_cpus};

/// `true` or `false`, in all the forms that Go's flags take.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {text:?}: invalid syntax"
        )),
    }
}

/// A whole number.
pub(crate) fn integer(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a whole number"))
}

/// A number from 0 to 65535.
pub(crate) fn small_integer(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number from 0 to 65535"))
}

/// A condition of `--filter`.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('=') {
        Ok(text.to_owned())
    } else {
        Err("bad format of filter (expected name=value)".to_owned())
    }
}

/// When `run` pulls its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullPolicy {
    /// Each time.
    Always,
    /// Where the engine has none.
    Missing,
    /// Not at all.
    Never,
}

/// See [`PullPolicy`].
pub(crate) fn pull_policy(text: &str) -> Result<PullPolicy, String> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" | "" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        _ => Err(format!(
            "invalid pull option: '{text}': must be one of \"always\", \"missing\" or \"never\""
        )),
    }
}

/// A stream of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// See [`Attachment`].
pub(crate) fn attachment(text: &str) -> Result<Attachment, String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" => Ok(Attachment::Stdin),
        "stdout" => Ok(Attachment::Stdout),
        "stderr" => Ok(Attachment::Stderr),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// `name[:count]`. The engine judges the name.
pub(crate) fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    if name.is_empty() && count.is_some() {
        return Err("invalid restart policy format: no policy provided before colon".to_owned());
    }
    let maximum_retry_count = count
        .map(|count| {
            count.parse().map_err(|_| {
                "invalid restart policy format: maximum retry count must be an integer".to_owned()
            })
        })
        .transpose()?
        .unwrap_or_default();
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count,
    })
}

/// `name=soft[:hard]`.
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, limits) = text
        .split_once('=')
        .ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    let number = |number: &str| {
        number
            .parse::<i64>()
            .map_err(|_| format!("invalid ulimit argument: {text}: {number:?} is not a number"))
    };
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(limits)?, number(limits)?),
    };
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        ));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        soft,
        hard,
    })
}

/// `PATH:NUMBER`.
pub(crate) fn device_rate(text: &str) -> Result<ThrottleDevice, String> {
    rate(text, |number| number.parse().ok())
}

/// `PATH:BYTES`, where bytes may have a unit.
pub(crate) fn device_rate_bytes(text: &str) -> Result<ThrottleDevice, String> {
    rate(text, |number| {
        bytes(number).ok().and_then(|rate| rate.try_into().ok())
    })
}

fn rate(text: &str, number: impl Fn(&str) -> Option<u64>) -> Result<ThrottleDevice, String> {
    let (path, rate) = text
        .split_once(':')
        .ok_or_else(|| format!("bad format: {text}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    let rate = number(rate).ok_or_else(|| {
        format!("invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer")
    })?;
    Ok(ThrottleDevice {
        path: path.to_owned(),
        rate,
    })
}

/// `key=value` pairs; a key without a value has an empty one. The last one counts.
pub(crate) fn map(texts: &[String]) -> BTreeMap<String, String> {
    texts
        .iter()
        .map(|text| {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{device_rate_bytes, restart_policy, ulimit};

    #[track_caller]
    fn check(policy: &str, expect: Result<(&str, i64), &str>) {
        let found = restart_policy(policy);
        let found = found
            .as_ref()
            .map(|found| (found.name.as_str(), found.maximum_retry_count))
            .map_err(String::as_str);
        assert_eq!(found, expect);
    }

    #[test]
    fn restart_policies_have_a_count_or_none() {
        check("always", Ok(("always", 0)));
        check("on-failure:5", Ok(("on-failure", 5)));
        check(
            ":5",
            Err("invalid restart policy format: no policy provided before colon"),
        );
        check(
            "on-failure:x",
            Err("invalid restart policy format: maximum retry count must be an integer"),
        );
    }

    #[test]
    fn a_soft_limit_is_below_the_hard_one() {
        let limit = ulimit("nofile=1024").unwrap();
        assert_eq!((limit.soft, limit.hard), (1024, 1024));
        assert_eq!(ulimit("nofile=1:2").unwrap().hard, 2);
        assert_eq!(ulimit("core=-1").unwrap().hard, -1);
        assert!(ulimit("nofile=2:1").is_err());
        assert!(ulimit("nofile").is_err());
    }

    #[test]
    fn rates_have_units() {
        assert_eq!(device_rate_bytes("/dev/sda:1mb").unwrap().rate, 1024 * 1024);
        assert!(device_rate_bytes("sda:1mb").is_err());
        assert!(device_rate_bytes("/dev/sda:-1").is_err());
    }
}
