//! Filters of lists: `{"label":["a","b=c"]}`, or `{"label":{"a":true}}` as clients have sent it since 1.22.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Keys, each with the values asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// A `filters` parameter that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilters {
    /// It is not an object of lists or of sets.
    #[error("invalid filter: {reason}")]
    Form {
        /// Where reading stopped and why.
        reason: String,
    },
    /// A key that this list does not know.
    #[error("invalid filter '{key}'")]
    Key {
        /// The key.
        key: String,
    },
    /// A value that its key does not take.
    #[error("invalid filter '{key}={value}'")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

impl Filters {
    /// Reads the parameter; an empty one filters nothing.
    pub fn parse(text: &str) -> Result<Self, InvalidFilters> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a list of texts or a set of texts")]
        enum Values {
            List(Vec<String>),
            Set(BTreeMap<String, bool>),
        }
        if text.is_empty() {
            return Ok(Self::default());
        }
        let read: BTreeMap<String, Option<Values>> =
            serde_json::from_str(text).map_err(|error| InvalidFilters::Form {
                reason: error.to_string(),
            })?;
        let keys = read.into_iter().map(|(key, values)| {
            let values = match values {
                None => BTreeSet::new(),
                Some(Values::List(values)) => values.into_iter().collect(),
                Some(Values::Set(values)) => values
                    .into_iter()
                    .filter_map(|(value, wanted)| wanted.then_some(value))
                    .collect(),
            };
            (key, values)
        });
        Ok(Self(
            keys.filter(|(_, values)| !values.is_empty()).collect(),
        ))
    }

    /// Fails on a key that is not among `accepted`.
    pub fn accept(&self, accepted: &[&str]) -> Result<(), InvalidFilters> {
        match self.0.keys().find(|key| !accepted.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(InvalidFilters::Key { key: key.clone() }),
        }
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` is asked for at all.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The values asked for under `key`; none if it is not there.
    pub fn values<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Adds a value to what is asked for.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().insert(value.into());
    }

    /// Whether `key` is absent or `matches` holds for one of its values.
    pub fn any(&self, key: &str, matches: impl FnMut(&str) -> bool) -> bool {
        !self.contains(key) || self.values(key).any(matches)
    }

    /// Whether `matches` holds for all values of `key`.
    pub fn all(&self, key: &str, matches: impl FnMut(&str) -> bool) -> bool {
        self.values(key).all(matches)
    }

    /// Whether `key` is absent or `text` is one of its values.
    pub fn exact(&self, key: &str, text: &str) -> bool {
        self.any(key, |value| value == text)
    }

    /// Whether all labels asked for under `key` (`name` or `name=value`) are among `labels`.
    pub fn labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        self.all(key, |wanted| has_label(wanted, labels))
    }

    /// Whether none of the labels named under `key` (as `label!`) is among `labels`.
    pub fn without_labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        self.all(key, |unwanted| !has_label(unwanted, labels))
    }

    /// A yes or no under `key`: `1`, `true`, `0`, `false`; nothing if it is absent.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, InvalidFilters> {
        let mut answer = None;
        for value in self.values(key) {
            let read = match value {
                "1" | "t" | "true" | "True" | "TRUE" => true,
                "0" | "f" | "false" | "False" | "FALSE" => false,
                _ => return Err(invalid(key, value)),
            };
            if answer.is_some_and(|earlier| earlier != read) {
                return Err(invalid(key, value));
            }
            answer = Some(read);
        }
        Ok(answer)
    }
}

fn invalid(key: &str, value: &str) -> InvalidFilters {
    InvalidFilters::Value {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn has_label(wanted: &str, labels: &BTreeMap<String, String>) -> bool {
    match wanted.split_once('=') {
        None => labels.contains_key(wanted),
        Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Filters;

    #[track_caller]
    fn check(text: &str, key: &str, expected: &[&str]) {
        let filters = Filters::parse(text).unwrap();
        assert_eq!(filters.values(key).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lists_and_sets_are_the_same() {
        check("", "label", &[]);
        check(r#"{"label":["b","a"]}"#, "label", &["a", "b"]);
        check(
            r#"{"label":{"b":true,"a":true,"c":false}}"#,
            "label",
            &["a", "b"],
        );
        check(r#"{"label":null}"#, "label", &[]);
    }

    #[test]
    fn other_forms_and_keys_are_refused() {
        for text in ["[]", "x", r#"{"label":7}"#, r#"{"label":[7]}"#] {
            assert!(Filters::parse(text).is_err(), "{text}");
        }
        let filters = Filters::parse(r#"{"labell":["a"]}"#).unwrap();
        let error = filters.accept(&["label"]).unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'labell'");
    }

    #[test]
    fn all_labels_are_wanted() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            (r#"{"label":["a"]}"#, true),
            (r#"{"label":["a=1"]}"#, true),
            (r#"{"label":["a=2"]}"#, false),
            (r#"{"label":["a","b"]}"#, false),
            ("", true),
        ] {
            let filters = Filters::parse(text).unwrap();
            assert_eq!(filters.labels("label", &labels), expected, "{text}");
        }
    }

    #[test]
    fn contradictory_flags_are_refused() {
        assert_eq!(
            Filters::parse(r#"{"dangling":["true"]}"#)
                .unwrap()
                .flag("dangling"),
            Ok(Some(true))
        );
        assert!(
            Filters::parse(r#"{"dangling":["true","0"]}"#)
                .unwrap()
                .flag("dangling")
                .is_err()
        );
        assert!(
            Filters::parse(r#"{"dangling":["maybe"]}"#)
                .unwrap()
                .flag("dangling")
                .is_err()
        );
    }
}
