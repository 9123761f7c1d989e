//! A command: a list, or one text that stands for a list of one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `Cmd`, `Entrypoint`, `Shell` and capability lists: clients send a list, one text, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextList(pub Vec<String>);

impl TextList {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The texts.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl std::ops::Deref for TextList {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for TextList {
    fn from(texts: Vec<String>) -> Self {
        Self(texts)
    }
}

impl FromIterator<String> for TextList {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl Serialize for TextList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TextList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text or a list of texts")]
        enum Form {
            Nothing(()),
            One(String),
            List(Vec<String>),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Nothing(()) => Vec::new(),
            Form::One(text) => vec![text],
            Form::List(texts) => texts,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::TextList;

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let read: TextList = serde_json::from_str(json).unwrap();
        assert_eq!(read.as_slice(), expected);
    }

    #[test]
    fn a_text_is_a_list_of_one() {
        check(r#""sh""#, &["sh"]);
        check(r#"["sh","-c"]"#, &["sh", "-c"]);
        check("[]", &[]);
        check("null", &[]);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let error = serde_json::from_str::<TextList>("7").unwrap_err();
        assert!(error.to_string().contains("a text or a list of texts"));
    }
}
