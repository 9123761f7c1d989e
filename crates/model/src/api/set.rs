//! A set of texts as Go writes it: an object whose members are empty objects.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Exposed ports, anonymous volumes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set(pub BTreeSet<String>);

impl std::ops::Deref for Set {
    type Target = BTreeSet<String>;

    fn deref(&self) -> &BTreeSet<String> {
        &self.0
    }
}

impl std::ops::DerefMut for Set {
    fn deref_mut(&mut self) -> &mut BTreeSet<String> {
        &mut self.0
    }
}

impl FromIterator<String> for Set {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl Serialize for Set {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Empty {}
        serializer.collect_map(self.0.iter().map(|text| (text, Empty {})))
    }
}

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an object whose members are empty objects")]
        enum Form {
            Map(BTreeMap<String, serde_json::Value>),
            List(BTreeSet<String>),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Map(members) => members.into_keys().collect(),
            Form::List(texts) => texts,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::Set;

    #[test]
    fn a_set_is_an_object_of_empty_objects() {
        let read: Set = serde_json::from_str(r#"{"80/tcp":{},"53/udp":{}}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            r#"{"53/udp":{},"80/tcp":{}}"#
        );
    }

    #[test]
    fn a_list_does_too() {
        let read: Set = serde_json::from_str(r#"["/data"]"#).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"/data":{}}"#);
    }
}
