//! `--filter` as the API takes it.

use std::collections::{BTreeMap, BTreeSet};

/// The filters as the query's JSON; nothing where there are none.
pub(crate) fn query(filters: &[String]) -> Result<Option<String>, String> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for filter in filters.iter().filter(|filter| !filter.is_empty()) {
        let (key, value) = filter
            .split_once('=')
            .ok_or_else(|| "bad format of filter (expected name=value)".to_owned())?;
        let key = key.trim().to_ascii_lowercase();
        found.entry(key).or_default().insert(value.trim());
    }
    if found.is_empty() {
        return Ok(None);
    }
    // A set of values, not a list: it is what engines of all versions take.
    let sets: BTreeMap<&String, BTreeMap<&str, bool>> = found
        .iter()
        .map(|(key, values)| (key, values.iter().map(|&value| (value, true)).collect()))
        .collect();
    Ok(Some(serde_json::json!(sets).to_string()))
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn filters_are_sets() {
        let filters = ["status=exited", "label=a=b", "Status=created"].map(str::to_owned);
        assert_eq!(
            query(&filters).unwrap().unwrap(),
            r#"{"label":{"a=b":true},"status":{"created":true,"exited":true}}"#
        );
        assert_eq!(query(&[]).unwrap(), None);
        assert!(query(&["exited".to_owned()]).is_err());
    }
}
