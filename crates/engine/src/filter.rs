//! The filters of Docker's lists and prunes: what each resource knows, and how values match.
//!
//! Every resource says which names it knows; a name it does not know is refused, because a filter that is
//! silently ignored shows, or removes, too much. Nothing here looks at the state: whoever lists hands in the
//! facts.

pub mod container;
pub mod image;
pub mod network;
pub mod prune;
pub mod volume;

use jiff::Timestamp;
use model::api::filter::{Filters, InvalidFilters};
use regex::Regex;

use crate::error::Error;
use crate::moment;

/// How much a compiled pattern may take: a name's pattern is a few hundred bytes, a hostile one is refused.
const PATTERN_BYTES: usize = 256 * 1024;

/// Patterns that a name may match: texts that are equal, or regular expressions found in it.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    exact: Vec<String>,
    patterns: Vec<Regex>,
}

impl Patterns {
    /// The patterns given for `name`; none means that everything matches.
    pub fn of(filters: &Filters, name: &str) -> Result<Self, InvalidFilters> {
        let mut patterns = Self::default();
        for value in filters.values(name) {
            patterns.exact.push(value.to_owned());
            let pattern = regex::RegexBuilder::new(value)
                .size_limit(PATTERN_BYTES)
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

impl From<InvalidFilters> for Error {
    fn from(error: InvalidFilters) -> Self {
        Self::bad_parameter(error.to_string())
    }
}

/// The one value given for `name`, if any.
fn single<'a>(filters: &'a Filters, name: &str) -> Result<Option<&'a str>, InvalidFilters> {
    let mut values = filters.values(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(second)) => Err(invalid(name, second)),
    }
}

/// The moment given for `name`, which may be a time ago.
fn moment_of(
    filters: &Filters,
    name: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, InvalidFilters> {
    single(filters, name)?
        .map(|value| moment::ago(value, now).ok_or_else(|| invalid(name, value)))
        .transpose()
}

/// Whether `name` was not given, or `source` begins with one of its values.
fn beginning(filters: &Filters, name: &str, source: &str) -> bool {
    filters.any(name, |value| source.starts_with(value))
}

fn invalid(key: &str, value: &str) -> InvalidFilters {
    InvalidFilters::Value {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use model::api::filter::Filters;

    use super::Patterns;

    #[test]
    fn patterns_are_found_anywhere() {
        let patterns = |value: &str| {
            let mut filters = Filters::default();
            filters.add("name", value);
            Patterns::of(&filters, "name")
        };
        let check = |value: &str, source: &str, expect: bool| {
            let patterns = patterns(value).unwrap();
            assert_eq!(patterns.matches(source), expect, "{value} in {source}");
        };
        check("web", "web-1", true);
        check("^web$", "web-1", false);
        check("^/web", "web", false);
        check("w.b", "web", true);
        assert!(patterns("(a{1000}){1000}").is_err());
        assert!(Patterns::default().matches("anything"));
    }
}
