//! Members of JSON that an engine wrote, where a missing one is an empty one: engines differ in what they leave
//! out. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// A text at a JSON pointer, or by the name of a member.
pub(crate) fn text<'json>(json: &'json Value, path: &str) -> &'json str {
    at(json, path).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number.
pub(crate) fn number(json: &Value, path: &str) -> i64 {
    match at(json, path) {
        Some(found) => found
            .as_i64()
            .or_else(|| {
                found
                    .as_u64()
                    .map(|number| i64::try_from(number).unwrap_or(i64::MAX))
            })
            .unwrap_or_default(),
        None => 0,
    }
}

/// A flag.
pub(crate) fn flag(json: &Value, path: &str) -> bool {
    at(json, path).and_then(Value::as_bool).unwrap_or_default()
}

/// The items of a list.
pub(crate) fn list<'json>(json: &'json Value, path: &str) -> &'json [Value] {
    at(json, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub(crate) fn texts(json: &Value, path: &str) -> Vec<String> {
    list(json, path)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// A map of texts.
pub(crate) fn map(json: &Value, path: &str) -> BTreeMap<String, String> {
    let members = at(json, path).and_then(Value::as_object);
    members
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// A map of texts as tables show it: `a=1,b=2`.
pub(crate) fn joined(map: &BTreeMap<String, String>) -> String {
    map.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn at<'json>(json: &'json Value, path: &str) -> Option<&'json Value> {
    if path.starts_with('/') {
        json.pointer(path)
    } else {
        json.get(path)
    }
}
