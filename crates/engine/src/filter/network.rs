//! The filters of the list of networks. Pure: the facts about each network are handed in.

use std::collections::BTreeMap;

use model::api::filter::{Filters, InvalidFilters};

use super::{Patterns, beginning, invalid};

const KNOWN: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Which networks a client wants to see.
#[derive(Debug, Clone, Default)]
pub struct NetworkFilter {
    filters: Filters,
    names: Patterns,
    dangling: Option<bool>,
}

/// What the filters look at in one network.
#[derive(Debug, Clone)]
pub struct NetworkFacts<'a> {
    /// The whole id.
    pub id: &'a str,
    /// The name.
    pub name: &'a str,
    /// `bridge`, `host`, `null`.
    pub driver: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Whether it is there from the beginning.
    pub predefined: bool,
    /// Whether a container is connected to it.
    pub in_use: bool,
}

impl NetworkFilter {
    /// Reads the filters of a request.
    pub fn of(filters: Filters) -> Result<Self, InvalidFilters> {
        filters.accept(KNOWN)?;
        if let Some(kind) = filters
            .values("type")
            .find(|kind| !matches!(*kind, "custom" | "builtin"))
        {
            return Err(invalid("type", kind));
        }
        Ok(Self {
            names: Patterns::of(&filters, "name")?,
            dangling: filters.flag("dangling")?,
            filters,
        })
    }

    /// Whether this network is wanted.
    pub fn wants(&self, facts: &NetworkFacts<'_>) -> bool {
        let filters = &self.filters;
        let kind = if facts.predefined {
            "builtin"
        } else {
            "custom"
        };
        beginning(filters, "id", facts.id)
            && self.names.matches(facts.name)
            && filters.exact("driver", facts.driver)
            && filters.exact("scope", "local")
            && filters.exact("type", kind)
            && filters.labels("label", facts.labels)
            && self
                .dangling
                .is_none_or(|wanted| wanted == (!facts.in_use && !facts.predefined))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{NetworkFacts, NetworkFilter};
    use model::api::filter::Filters;

    #[track_caller]
    fn check(filters: &str, expect: bool) {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let facts = NetworkFacts {
            id: "c0ffee",
            name: "lab_default",
            driver: "bridge",
            labels: &labels,
            predefined: false,
            in_use: false,
        };
        let filter = NetworkFilter::of(Filters::parse(filters).unwrap()).unwrap();
        assert_eq!(filter.wants(&facts), expect, "{filters}");
    }

    #[test]
    fn networks_are_filtered() {
        check("{}", true);
        check(r#"{"name":["lab"]}"#, true);
        check(r#"{"name":["^lab$"]}"#, false);
        check(r#"{"id":["c0"]}"#, true);
        check(r#"{"driver":["bridge"]}"#, true);
        check(r#"{"driver":["overlay"]}"#, false);
        check(r#"{"type":["custom"]}"#, true);
        check(r#"{"type":["builtin"]}"#, false);
        check(r#"{"scope":["swarm"]}"#, false);
        check(r#"{"dangling":["true"]}"#, true);
        check(r#"{"label":["a=b"]}"#, true);
        assert!(NetworkFilter::of(Filters::parse(r#"{"type":["x"]}"#).unwrap()).is_err());
    }
}
