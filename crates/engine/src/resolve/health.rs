//! What a health check runs, and when.

use std::time::Duration;

use model::api::container::Config;

use crate::error::{Error, Result};

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The time from the end of one to the start of the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// How long failures do not count after the start.
    pub start_period: Duration,
    /// The interval during that time.
    pub start_interval: Duration,
    /// How many failures one after the other make it unhealthy.
    pub retries: u64,
}

/// The health check of a container, if it has one.
pub fn probe(config: &Config) -> Result<Option<Probe>> {
    let Some(health) = &config.healthcheck else {
        return Ok(None);
    };
    let time = |nanoseconds: i64, default: u64, name: &str| match nanoseconds {
        0 => Ok(Duration::from_secs(default)),
        nanoseconds => u64::try_from(nanoseconds)
            .ok()
            .filter(|nanoseconds| *nanoseconds >= 1_000_000)
            .map(Duration::from_nanos)
            .ok_or_else(|| {
                Error::bad_parameter(format!("{name} in Healthcheck cannot be less than 1ms"))
            }),
    };
    // Times that make no sense are told even where the check itself is the image's.
    let interval = time(health.interval, 30, "Interval")?;
    let timeout = time(health.timeout, 30, "Timeout")?;
    let start_period = time(health.start_period, 0, "StartPeriod")?;
    let start_interval = time(health.start_interval, 5, "StartInterval")?;
    if health.retries < 0 {
        return Err(Error::bad_parameter(
            "Retries in Healthcheck cannot be negative",
        ));
    }
    let test = health.test.as_deref().unwrap_or_default();
    let args = match test {
        [] => return Ok(None),
        [kind, ..] if kind == "NONE" || kind.is_empty() => return Ok(None),
        [kind, args @ ..] if kind == "CMD" && !args.is_empty() => args.to_vec(),
        [kind, command] if kind == "CMD-SHELL" => {
            let shell = config.shell.as_deref().unwrap_or_default();
            let mut args = if shell.is_empty() {
                vec!["/bin/sh".to_owned(), "-c".to_owned()]
            } else {
                shell.to_vec()
            };
            args.push(command.clone());
            args
        }
        [kind, ..] => {
            return Err(Error::bad_parameter(format!(
                "unknown type {kind:?} in healthcheck (try 'CMD'), or nothing to run"
            )));
        }
    };
    Ok(Some(Probe {
        args,
        interval,
        timeout,
        start_period,
        start_interval,
        retries: match u64::try_from(health.retries) {
            Ok(0) | Err(_) => 3,
            Ok(retries) => retries,
        },
    }))
}

#[cfg(test)]
mod tests {
    use model::api::container::Config;
    use serde_json::json;

    #[track_caller]
    fn check(test: serde_json::Value, expect: Result<Option<&[&str]>, ()>) {
        let config: Config =
            serde_json::from_value(json!({"Healthcheck": {"Test": test}})).unwrap();
        let found = super::probe(&config)
            .map(|probe| probe.map(|probe| probe.args))
            .map_err(drop);
        let expect = expect.map(|expect| {
            expect.map(|args| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn tests_have_three_forms() {
        check(json!([]), Ok(None));
        check(json!(["NONE"]), Ok(None));
        check(json!(["CMD", "a", "b"]), Ok(Some(&["a", "b"])));
        check(
            json!(["CMD-SHELL", "a && b"]),
            Ok(Some(&["/bin/sh", "-c", "a && b"])),
        );
        check(json!(["CMD"]), Err(()));
        check(json!(["RUN", "a"]), Err(()));
    }

    #[test]
    fn numbers_that_make_no_sense_are_told_without_a_test_too() {
        for health in [
            json!({"Interval": 100}),
            json!({"Timeout": 1}),
            json!({"Retries": -1}),
        ] {
            let config: Config = serde_json::from_value(json!({ "Healthcheck": health })).unwrap();
            assert!(super::probe(&config).is_err(), "{health}");
        }
    }

    #[test]
    fn times_have_defaults_and_a_least() {
        let read = |interval: i64| {
            let config: Config = serde_json::from_value(
                json!({"Healthcheck": {"Test": ["CMD", "a"], "Interval": interval}}),
            )
            .unwrap();
            super::probe(&config)
                .ok()
                .flatten()
                .map(|probe| probe.interval.as_millis())
        };
        assert_eq!(read(0), Some(30_000));
        assert_eq!(read(5_000_000), Some(5));
        assert_eq!(read(5), None);
        assert_eq!(read(-1), None);
    }
}
