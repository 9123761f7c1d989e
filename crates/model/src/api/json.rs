//! Reading JSON as tolerantly as Go does: `null` is the same as absent, and a number may come as text.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads one document of `T`; whatever is `null` in it counts as left out.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut value = serde_json::from_slice(bytes)?;
    strip_nulls(&mut value);
    T::deserialize(value)
}

/// Maps whose members mean something though they are `null`: a port that is exposed only, a network joined
/// without wishes.
const NULL_COUNTS: [&str; 2] = ["PortBindings", "EndpointsConfig"];

/// Removes the members of objects that are `null`, all the way down, except where they count.
pub fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            for (name, member) in members {
                match member {
                    Value::Object(kept) if NULL_COUNTS.contains(&name.as_str()) => {
                        kept.values_mut().for_each(strip_nulls);
                    }
                    other => strip_nulls(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// For `deserialize_with`: `null` gives the default.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// For `deserialize_with`: a whole number, also as text, a whole float, or `null` for the default.
pub fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + FromStr + TryFrom<i64> + TryFrom<u64>,
{
    deserializer.deserialize_any(NumberVisitor(PhantomData))
}

/// For `deserialize_with`: as [`number`], with `null` for none.
pub fn optional_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + FromStr + TryFrom<i64> + TryFrom<u64>,
{
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => number(value).map(Some).map_err(D::Error::custom),
    }
}

struct NumberVisitor<T>(PhantomData<T>);

impl<T> Visitor<'_> for NumberVisitor<T>
where
    T: Default + FromStr + TryFrom<i64> + TryFrom<u64>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number in range")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        // Some clients compute sizes as floats; a whole one prints without a fraction.
        format!("{number:.0}")
            .parse()
            .ok()
            .filter(|_| number.fract() == 0.0)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if text.is_empty() {
            return Ok(T::default());
        }
        text.parse()
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_none<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

/// For `skip_serializing_if`: whether a value is its type's default, which Go leaves out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "super::number")]
        memory: i64,
        #[serde(deserialize_with = "super::optional_number")]
        limit: Option<i64>,
        name: String,
    }

    #[track_caller]
    fn check(json: &str, memory: i64, limit: Option<i64>) {
        let read: Sample = super::from_slice(json.as_bytes()).unwrap();
        assert_eq!((read.memory, read.limit), (memory, limit));
    }

    #[test]
    fn numbers_come_in_many_forms() {
        check("{}", 0, None);
        check(r#"{"memory":5,"limit":6}"#, 5, Some(6));
        check(r#"{"memory":"5","limit":"-6"}"#, 5, Some(-6));
        check(r#"{"memory":5.0}"#, 5, None);
        check(r#"{"memory":"","limit":null,"name":null}"#, 0, None);
    }

    #[test]
    fn no_number_is_an_error() {
        for json in [
            r#"{"memory":"five"}"#,
            r#"{"memory":5.5}"#,
            r#"{"memory":[]}"#,
            r#"{"memory":18446744073709551615}"#,
        ] {
            assert!(
                super::from_slice::<Sample>(json.as_bytes()).is_err(),
                "{json}"
            );
        }
    }
}
