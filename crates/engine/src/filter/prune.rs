//! The filters of the prunes: what may be removed. Pure.

use std::collections::BTreeMap;

use model::time::Timestamp;

use super::{Filters, InvalidFilter, invalid};
use crate::moment;

/// Which kind of object is pruned; each knows other filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// Containers that do not run.
    Containers,
    /// Images that no container needs.
    Images,
    /// Networks that no container is on.
    Networks,
    /// Volumes that no container uses.
    Volumes,
}

/// Which objects may be removed.
#[derive(Debug, Clone, Default)]
pub struct PruneFilter {
    filters: Filters,
    until: Option<Timestamp>,
    dangling: Option<bool>,
    all: Option<bool>,
}

impl PruneFilter {
    /// Reads the filters of a request; `until` may be a time ago.
    pub fn of(filters: Filters, pruned: Pruned, now: Timestamp) -> Result<Self, InvalidFilter> {
        filters.expect(match pruned {
            Pruned::Containers | Pruned::Networks => &["label", "label!", "until"],
            Pruned::Images => &["dangling", "label", "label!", "until"],
            Pruned::Volumes => &["all", "label", "label!"],
        })?;
        let until = match filters.single("until")? {
            Some(value) => Some(moment::ago(value, now).ok_or_else(|| invalid("until", value))?),
            None => None,
        };
        Ok(Self {
            until,
            dangling: filters.truth("dangling")?,
            all: filters.truth("all")?,
            filters,
        })
    }

    /// Whether an object with these labels, made then, may go.
    pub fn wants(&self, labels: &BTreeMap<String, String>, created: Timestamp) -> bool {
        let value_of = |key: &str| labels.get(key).map(String::as_str);
        self.until.is_none_or(|until| created < until)
            && self.filters.labels("label", value_of)
            && !self.filters.any_label("label!", value_of)
    }

    /// Whether only images without a tag may go, unless asked otherwise.
    pub fn only_dangling(&self) -> bool {
        self.dangling != Some(false)
    }

    /// Whether volumes with a name of their own may go too.
    pub fn all(&self) -> bool {
        self.all == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::time::Timestamp;

    use super::{PruneFilter, Pruned};
    use crate::filter::Filters;

    #[track_caller]
    fn check(filters: &str, expect: bool) {
        let labels = BTreeMap::from([("keep".to_owned(), String::new())]);
        let now = Timestamp::from_millis(7_200_000);
        let created = Timestamp::from_millis(3_000_000);
        let filters_parsed = Filters::parse(Some(filters)).unwrap();
        let filter = PruneFilter::of(filters_parsed, Pruned::Containers, now).unwrap();
        assert_eq!(filter.wants(&labels, created), expect, "{filters}");
    }

    #[test]
    fn prunes_are_limited() {
        check("{}", true);
        check(r#"{"label!":["keep"]}"#, false);
        check(r#"{"label!":["other"]}"#, true);
        check(r#"{"label":["keep"]}"#, true);
        check(r#"{"until":["1h"]}"#, true);
        check(r#"{"until":["90m"]}"#, false);
        check(r#"{"until":["3000"]}"#, false);
        let filters = Filters::parse(Some(r#"{"until":["1h"]}"#)).unwrap();
        assert!(PruneFilter::of(filters, Pruned::Volumes, Timestamp::default()).is_err());
    }
}
