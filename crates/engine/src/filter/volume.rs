//! The filters of the list of volumes. Pure: the facts about each volume are handed in.

use std::collections::BTreeMap;

use model::api::filter::{Filters, InvalidFilters};

use super::Patterns;

const KNOWN: &[&str] = &["dangling", "driver", "label", "name"];

/// Which volumes a client wants to see.
#[derive(Debug, Clone, Default)]
pub struct VolumeFilter {
    filters: Filters,
    names: Patterns,
    dangling: Option<bool>,
}

impl VolumeFilter {
    /// Reads the filters of a request.
    pub fn of(filters: Filters) -> Result<Self, InvalidFilters> {
        filters.accept(KNOWN)?;
        Ok(Self {
            names: Patterns::of(&filters, "name")?,
            dangling: filters.flag("dangling")?,
            filters,
        })
    }

    /// Whether the volume with this name, driver and labels, used by a container or not, is wanted.
    pub fn wants(
        &self,
        name: &str,
        driver: &str,
        labels: &BTreeMap<String, String>,
        in_use: bool,
    ) -> bool {
        self.names.matches(name)
            && self.filters.exact("driver", driver)
            && self.filters.labels("label", labels)
            && self.dangling.is_none_or(|wanted| wanted != in_use)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::VolumeFilter;
    use model::api::filter::Filters;

    #[track_caller]
    fn check(filters: &str, expect: bool) {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let filter = VolumeFilter::of(Filters::parse(filters).unwrap()).unwrap();
        assert_eq!(
            filter.wants("data", "local", &labels, false),
            expect,
            "{filters}"
        );
    }

    #[test]
    fn volumes_are_filtered() {
        check("{}", true);
        check(r#"{"name":["dat"]}"#, true);
        check(r#"{"driver":["nfs"]}"#, false);
        check(r#"{"label":["a"]}"#, true);
        check(r#"{"dangling":["true"]}"#, true);
        check(r#"{"dangling":["false"]}"#, false);
    }
}
