//! Where a container's output is kept.

use std::path::Path;

use model::api::host_config::HostConfig;
use runtime::spec::LogFile;

use crate::error::{Error, Result};
use crate::settings::Settings;

/// Docker's drivers beside those that are here.
const DOCKERS: [&str; 9] = [
    "awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "local", "splunk", "syslog",
];

/// The file that the output goes to, or none with the driver `none`.
pub fn file(host_config: &HostConfig, settings: &Settings, path: &Path) -> Result<Option<LogFile>> {
    let asked = &host_config.log_config;
    match asked.driver.as_str() {
        "" | "json-file" => {}
        "none" => return Ok(None),
        known if DOCKERS.contains(&known) => {
            return Err(Error::not_implemented(format_args!(
                "logging driver {known}"
            )));
        }
        unknown => {
            return Err(Error::bad_parameter(format!(
                "logger: no log driver named '{unknown}' is registered"
            )));
        }
    }
    let options = if asked.driver.is_empty() {
        Some(&settings.log_options)
    } else {
        asked.config.as_ref()
    };
    let mut log = LogFile {
        path: path.to_owned(),
        max_size: None,
        max_files: 1,
    };
    for (name, value) in options.into_iter().flatten() {
        match name.as_str() {
            "max-size" => log.max_size = size(value)?,
            "max-file" => {
                let files: Option<u32> = value.parse().ok().filter(|files| *files >= 1);
                log.max_files = files.ok_or_else(|| {
                    Error::bad_parameter(format!(
                        "max-file cannot be less than 1, and {value:?} is no number above"
                    ))
                })?;
            }
            "mode" if value == "blocking" => {}
            "compress" if value == "false" => {}
            "mode" | "compress" | "max-buffer-size" | "labels" | "labels-regex" | "env"
            | "env-regex" | "tag" => {
                return Err(Error::not_implemented(format_args!(
                    "log option {name}={value}"
                )));
            }
            _ => {
                return Err(Error::bad_parameter(format!(
                    "unknown log opt '{name}' for json-file log driver"
                )));
            }
        }
    }
    Ok(Some(log))
}

/// A number of bytes: `10m`, `1g`, `512`; -1 is no limit.
fn size(text: &str) -> Result<Option<u64>> {
    if text == "-1" {
        return Ok(None);
    }
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, unit) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 1 << 10),
        Some(b'm') => (&lower[..lower.len() - 1], 1 << 20),
        Some(b'g') => (&lower[..lower.len() - 1], 1 << 30),
        Some(_) | None => (lower, 1),
    };
    let bytes = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0);
    bytes
        .map(Some)
        .ok_or_else(|| Error::bad_parameter(format!("invalid max-size: {text:?}")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::api::host_config::HostConfig;
    use serde_json::json;

    use crate::resolve::testing;

    #[track_caller]
    fn check(log: serde_json::Value, expect: Result<Option<(Option<u64>, u32)>, ()>) {
        let host: HostConfig = serde_json::from_value(json!({"LogConfig": log})).unwrap();
        let file = super::file(&host, &testing::settings(), Path::new("/x"));
        let found = file
            .map(|file| file.map(|file| (file.max_size, file.max_files)))
            .map_err(drop);
        assert_eq!(found, expect, "{host:?}");
    }

    #[test]
    fn logs_are_files_that_rotate() {
        check(json!({}), Ok(Some((None, 1))));
        check(json!({"Type": "none"}), Ok(None));
        check(json!({"Type": "syslog"}), Err(()));
        check(json!({"Type": "asdf"}), Err(()));
        let with = |options| json!({"Type": "json-file", "Config": options});
        check(
            with(json!({"max-size": "10m", "max-file": "3"})),
            Ok(Some((Some(10 << 20), 3))),
        );
        check(with(json!({"max-size": "1kb"})), Ok(Some((Some(1024), 1))));
        check(with(json!({"max-size": "-1"})), Ok(Some((None, 1))));
        check(with(json!({"max-size": "much"})), Err(()));
        check(with(json!({"max-size": "0"})), Err(()));
        check(with(json!({"max-file": "3"})), Ok(Some((None, 3))));
        check(with(json!({"max-file": "0", "max-size": "1m"})), Err(()));
        check(with(json!({"tag": "x"})), Err(()));
        check(with(json!({"bogus": "x"})), Err(()));
    }
}
