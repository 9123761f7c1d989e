//! The daemon's file: the flags' names as keys, in TOML.

use std::io;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use toml::{Table, Value};

use super::flags::Options;

/// Names that Docker's own file has in the plural.
const PLURALS: [(&str, &str); 9] = [
    ("hosts", "host"),
    ("labels", "label"),
    ("registry-mirrors", "registry-mirror"),
    ("insecure-registries", "insecure-registry"),
    ("dns-opts", "dns-opt"),
    ("dns-searches", "dns-search"),
    ("default-ulimits", "default-ulimit"),
    ("default-address-pools", "default-address-pool"),
    ("log-opts", "log-opt"),
];

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not TOML, or has a key or value that there is none of.
    #[error("the configuration file {path} is wrong")]
    Content {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// It says what a flag says too.
    #[error(
        "these settings are given both as a flag and in the configuration file {path}: {}",
        keys.join(", ")
    )]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The settings.
        keys: Vec<String>,
    },
}

/// The file's text.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The file's text, if there is a file.
pub(super) fn read_if_there(path: &Path) -> Option<Result<String, FileError>> {
    match read(path) {
        Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        result => Some(result),
    }
}

/// Lays what was `told` by flags and environment over what the file says.
pub(super) fn merge(
    path: &Path,
    text: &str,
    told: Options,
    source: impl Fn(&str) -> Option<ValueSource>,
) -> Result<Options, FileError> {
    let wrong = |source| FileError::Content {
        path: path.to_owned(),
        source,
    };
    let table: Table = text.parse().map_err(wrong)?;
    let mut table: Table = table.into_iter().map(normal).collect();
    let conflicts: Vec<String> = table
        .keys()
        .filter(|key| source(key) == Some(ValueSource::CommandLine))
        .cloned()
        .collect();
    if !conflicts.is_empty() {
        return Err(FileError::Conflict {
            path: path.to_owned(),
            keys: conflicts,
        });
    }
    // What was told is made of texts, truths, numbers and lists, so it is always a table.
    if let Ok(Value::Table(told)) = Value::try_from(told) {
        table.extend(told);
    }
    Value::Table(table).try_into().map_err(wrong)
}

/// The flag's own name; a single value where the flag can be given several times is a list of one, and a table
/// a list of `name=value`.
fn normal((key, value): (String, Value)) -> (String, Value) {
    let plural = PLURALS.iter().find(|(plural, _)| *plural == key);
    let key = plural.map_or(key, |(_, flag)| (*flag).to_owned());
    let many = ["dns"]
        .into_iter()
        .chain(PLURALS.iter().map(|(_, flag)| *flag))
        .any(|flag| flag == key);
    let value = match value {
        Value::String(one) if many => Value::Array(vec![Value::String(one)]),
        Value::Table(pairs) if many => {
            let pairs = pairs.into_iter().map(|(name, value)| {
                let value = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                Value::String(format!("{name}={value}"))
            });
            Value::Array(pairs.collect())
        }
        other => other,
    };
    (key, value)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::parser::ValueSource;

    use super::super::flags::Options;
    use super::merge;

    fn told() -> Options {
        Options {
            debug: Some(true),
            ..Options::default()
        }
    }

    fn read(text: &str, source: Option<ValueSource>) -> Result<Options, String> {
        merge(Path::new("file"), text, told(), |key| {
            (key == "debug").then_some(source).flatten()
        })
        .map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    }

    #[test]
    fn the_file_has_the_flags_names() {
        let text = "data-root = '/d'\nhosts = ['unix:///s']\nlabel = 'a=b'\n[log-opts]\nmax-size = '1m'\nmax-file = 3";
        let options = read(text, None).unwrap();
        assert_eq!(options.data_root.as_deref(), Some(Path::new("/d")));
        assert_eq!(options.host, ["unix:///s"]);
        assert_eq!(options.label, ["a=b"]);
        assert_eq!(options.log_opt, ["max-file=3", "max-size=1m"]);
        assert_eq!(options.debug, Some(true));
    }

    #[test]
    fn flag_and_file_may_not_say_the_same_thing() {
        let error = read("debug = false", Some(ValueSource::CommandLine)).unwrap_err();
        assert!(error.ends_with("file: debug"), "{error}");
        let options = read("debug = false", Some(ValueSource::EnvVariable)).unwrap();
        assert_eq!(options.debug, Some(true));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_named() {
        let error = read("data-rot = '/d'", None).unwrap_err();
        assert!(error.contains("data-rot"), "{error}");
        let error = read("data-root = [1]", None).unwrap_err();
        assert!(error.contains("data-root"), "{error}");
        assert!(read("data-root = ", None).is_err());
    }
}
