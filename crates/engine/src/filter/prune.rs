//! The filters of the prunes: what may be removed. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use model::api::filter::{Filters, InvalidFilters};

use super::moment_of;

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
    pub fn of(filters: Filters, pruned: Pruned, now: Timestamp) -> Result<Self, InvalidFilters> {
        filters.accept(match pruned {
            Pruned::Containers | Pruned::Networks => &["label", "label!", "until"],
            Pruned::Images => &["dangling", "label", "label!", "until"],
            Pruned::Volumes => &["all", "label", "label!"],
        })?;
        let until = moment_of(&filters, "until", now)?;
        Ok(Self {
            until,
            dangling: filters.flag("dangling")?,
            all: filters.flag("all")?,
            filters,
        })
    }

    /// Whether an object with these labels, made then, may go.
    pub fn wants(&self, labels: &BTreeMap<String, String>, created: Timestamp) -> bool {
        self.until.is_none_or(|until| created < until)
            && self.filters.labels("label", labels)
            && self.filters.without_labels("label!", labels)
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

    use jiff::Timestamp;

    use super::{PruneFilter, Pruned};
    use model::api::filter::Filters;

    #[track_caller]
    fn check(filters: &str, expect: bool) {
        let labels = BTreeMap::from([("keep".to_owned(), String::new())]);
        let now = Timestamp::from_second(7_200).unwrap();
        let created = Timestamp::from_second(3_000).unwrap();
        let filters_parsed = Filters::parse(filters).unwrap();
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
        let filters = Filters::parse(r#"{"until":["1h"]}"#).unwrap();
        assert!(PruneFilter::of(filters, Pruned::Volumes, Timestamp::UNIX_EPOCH).is_err());
    }
}
