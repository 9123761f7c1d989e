//! The filters of Docker's lists and prunes: what a client sent, read once, and how its values match.
//!
//! A client sends `{"label":{"a=b":true}}`, older ones `{"label":["a=b"]}`. Every resource says which names it
//! knows; a name it does not know is refused, because a filter that is silently ignored shows, or removes, too
//! much. Several values of one filter mean "any of them", except labels, of which all must match. Nothing here
//! looks at the state: whoever lists hands in the facts.

pub mod container;
pub mod image;
pub mod network;
pub mod prune;
pub mod volume;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use regex::Regex;
use serde::Deserialize;

use crate::error::Error;

/// The filters of one request, by name; every name has at least one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// A filter that cannot be used, in the words that Docker has for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// The text is not JSON of one of the two shapes.
    #[error("invalid filter: {0}")]
    Json(String),
    /// The resource does not know this name.
    #[error("invalid filter '{0}'")]
    Name(String),
    /// The name is known, but not this value.
    #[error("invalid filter '{name}={value}'")]
    Value {
        /// The filter.
        name: String,
        /// What was given for it.
        value: String,
    },
    /// The name takes one value, and several were given.
    #[error("only one '{0}' filter can be given")]
    Several(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Map(BTreeMap<String, bool>),
    List(Vec<String>),
    None,
}

impl Filters {
    /// Reads the `filters` parameter; an absent or empty one filters nothing.
    pub fn parse(text: Option<&str>) -> Result<Self, InvalidFilter> {
        let text = text.unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed: BTreeMap<String, Values> = serde_json::from_str(text)
            .map_err(|_| InvalidFilter::Json(text.chars().take(200).collect()))?;
        Ok(parsed
            .into_iter()
            .flat_map(|(name, values)| {
                let values: Vec<String> = match values {
                    Values::Map(map) => map.into_keys().collect(),
                    Values::List(list) => list,
                    Values::None => Vec::new(),
                };
                values.into_iter().map(move |value| (name.clone(), value))
            })
            .collect())
    }

    /// Refuses every name that is not among `known`.
    pub fn expect(&self, known: &[&str]) -> Result<(), InvalidFilter> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(InvalidFilter::Name(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the filter `name` was given.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values given for `name`, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// The one value given for `name`, if any.
    pub fn single(&self, name: &str) -> Result<Option<&str>, InvalidFilter> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(InvalidFilter::Several(name.to_owned())),
        }
    }

    /// A filter that is true or false.
    pub fn truth(&self, name: &str) -> Result<Option<bool>, InvalidFilter> {
        let mut truth = None;
        for value in self.values(name) {
            let one = match value {
                "1" | "true" | "True" | "TRUE" => true,
                "0" | "false" | "False" | "FALSE" => false,
                other => return Err(invalid(name, other)),
            };
            if truth.is_some_and(|truth| truth != one) {
                return Err(invalid(name, "true,false"));
            }
            truth = Some(one);
        }
        Ok(truth)
    }

    /// Whether `name` was not given, or one of its values is `source`.
    pub fn exactly(&self, name: &str, source: &str) -> bool {
        self.any(name, |value| value == source)
    }

    /// Whether `name` was not given, or `source` begins with one of its values.
    pub fn beginning(&self, name: &str, source: &str) -> bool {
        self.any(name, |value| source.starts_with(value))
    }

    /// Whether `name` was not given, or `test` holds for one of its values.
    pub fn any(&self, name: &str, test: impl FnMut(&str) -> bool) -> bool {
        !self.contains(name) || self.values(name).any(test)
    }

    /// Whether all values of `name`, each `key` or `key=value`, are among `labels`.
    pub fn labels<'a>(
        &self,
        name: &str,
        mut value_of: impl FnMut(&str) -> Option<&'a str>,
    ) -> bool {
        self.values(name)
            .all(|wanted| match wanted.split_once('=') {
                Some((key, value)) => value_of(key) == Some(value),
                None => value_of(wanted).is_some(),
            })
    }

    /// Whether any of the values of `name`, each `key` or `key=value`, is among `labels`: for `label!`.
    pub fn any_label<'a>(
        &self,
        name: &str,
        mut value_of: impl FnMut(&str) -> Option<&'a str>,
    ) -> bool {
        self.values(name)
            .any(|wanted| match wanted.split_once('=') {
                Some((key, value)) => value_of(key) == Some(value),
                None => value_of(wanted).is_some(),
            })
    }
}

fn invalid(name: &str, value: &str) -> InvalidFilter {
    InvalidFilter::Value {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

impl FromIterator<(String, String)> for Filters {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut filters = Self::default();
        for (name, value) in pairs {
            filters.0.entry(name).or_default().insert(value);
        }
        filters
    }
}

impl From<InvalidFilter> for Error {
    fn from(error: InvalidFilter) -> Self {
        Self::bad_parameter(error.to_string())
    }
}

/// Patterns that a name or an id may match: texts that are equal, or regular expressions found in it.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    exact: Vec<String>,
    patterns: Vec<Regex>,
}

/// How much a compiled pattern may take: a name's pattern is a few hundred bytes, a hostile one is refused.
const PATTERN_LIMIT: usize = 256 * 1024;

impl Patterns {
    /// The patterns given for `name`; none means that everything matches.
    pub fn of(filters: &Filters, name: &str) -> Result<Self, InvalidFilter> {
        let mut patterns = Self::default();
        for value in filters.values(name) {
            patterns.exact.push(value.to_owned());
            // A plain word is found in itself and in longer names alike, so it is a pattern as well.
            let pattern = regex::RegexBuilder::new(value)
                .size_limit(PATTERN_LIMIT)
                .build()
                .map_err(|_| invalid(name, value))?;
            patterns.patterns.push(pattern);
        }
        Ok(patterns)
    }

    /// Whether no pattern was given, or one matches `source`.
    pub fn matches(&self, source: &str) -> bool {
        self.exact.is_empty()
            || self.exact.iter().any(|exact| exact == source)
            || self.patterns.iter().any(|pattern| pattern.is_match(source))
    }
}

#[cfg(test)]
mod tests {
    use super::{Filters, InvalidFilter, Patterns};

    fn filters(text: &str) -> Filters {
        Filters::parse(Some(text)).unwrap()
    }

    #[test]
    fn both_shapes_say_the_same() {
        let map = filters(r#"{"label":{"a=b":true,"c":true},"name":{"web":true}}"#);
        let list = filters(r#"{"label":["c","a=b"],"name":["web"]}"#);
        assert_eq!(map, list);
        assert_eq!(map.values("label").collect::<Vec<_>>(), ["a=b", "c"]);
        assert!(Filters::parse(None).unwrap().is_empty());
        assert!(filters("").is_empty());
        assert!(filters("{}").is_empty());
        assert!(filters(r#"{"label":[]}"#).is_empty());
        assert!(filters(r#"{"label":null}"#).is_empty());
        assert!(matches!(
            Filters::parse(Some("[1]")),
            Err(InvalidFilter::Json(_))
        ));
        assert!(Filters::parse(Some(r#"{"label":"a"}"#)).is_err());
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        let error = filters(r#"{"colour":["red"]}"#)
            .expect(&["label"])
            .unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'colour'");
    }

    #[test]
    fn labels_are_all_wanted() {
        let labels = |key: &str| match key {
            "a" => Some("b"),
            "empty" => Some(""),
            _ => None,
        };
        let check = |text: &str, expect: bool| {
            assert_eq!(filters(text).labels("label", labels), expect, "{text}");
        };
        check(r#"{"label":["a"]}"#, true);
        check(r#"{"label":["a=b","empty"]}"#, true);
        check(r#"{"label":["a=b","c"]}"#, false);
        check(r#"{"label":["a=c"]}"#, false);
        check(r#"{"label":["empty="]}"#, true);
        check("{}", true);
    }

    #[test]
    fn truth_is_one_of_two() {
        let check = |text: &str, expect: Result<Option<bool>, &str>| {
            let truth = filters(text).truth("dangling");
            assert_eq!(
                truth.as_ref().map_err(ToString::to_string),
                expect.map_err(str::to_owned).as_ref().map_err(Clone::clone),
                "{text}"
            );
        };
        check(r#"{"dangling":["1"]}"#, Ok(Some(true)));
        check(r#"{"dangling":["false"]}"#, Ok(Some(false)));
        check("{}", Ok(None));
        check(
            r#"{"dangling":["maybe"]}"#,
            Err("invalid filter 'dangling=maybe'"),
        );
        check(
            r#"{"dangling":["true","false"]}"#,
            Err("invalid filter 'dangling=true,false'"),
        );
    }

    #[test]
    fn patterns_are_found_anywhere() {
        let check = |value: &str, source: &str, expect: bool| {
            let filters: Filters = [("name".to_owned(), value.to_owned())]
                .into_iter()
                .collect();
            let patterns = Patterns::of(&filters, "name").unwrap();
            assert_eq!(patterns.matches(source), expect, "{value} in {source}");
        };
        check("web", "web-1", true);
        check("^web$", "web-1", false);
        check("^/web", "web", false);
        check("w.b", "web", true);
        let hostile: Filters = [("name".to_owned(), "(a{1000}){1000}".to_owned())]
            .into_iter()
            .collect();
        assert!(Patterns::of(&hostile, "name").is_err());
        assert!(Patterns::default().matches("anything"));
    }
}
