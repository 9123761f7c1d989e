//! The lines of long work: pull, push, load, import, build.
#![expect(
    missing_docs,
    reason = "the fields are Docker's own, by their names; its API reference explains them"
)]

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line. Only what is set is written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Message {
    /// Text to show as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Detail>,
    /// The detail drawn as a bar, for clients that cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What the status is about: a layer's short id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Value>,
}

/// How far it is, in bytes unless `units` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Why it failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    pub message: String,
}

impl Message {
    /// Text to show as it is.
    pub fn stream(text: impl Into<String>) -> Self {
        Self {
            stream: Some(text.into()),
            ..Self::default()
        }
    }

    /// A status about nothing in particular.
    pub fn status(text: impl Into<String>) -> Self {
        Self {
            status: Some(text.into()),
            ..Self::default()
        }
    }

    /// A status of the layer `id`.
    pub fn layer(id: impl Into<String>, status: impl Into<String>) -> Self {
        Self {
            status: Some(status.into()),
            progress_detail: Some(Detail::default()),
            id: Some(id.into()),
            ..Self::default()
        }
    }

    /// A status of the layer `id`, with how far it is.
    pub fn layer_progress(
        id: impl Into<String>,
        status: impl Into<String>,
        current: u64,
        total: Option<u64>,
    ) -> Self {
        Self {
            progress_detail: Some(Detail {
                current: Some(current),
                total,
            }),
            ..Self::layer(id, status)
        }
    }

    /// The last line of work that failed.
    pub fn error(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error_detail: Some(ErrorDetail {
                code: None,
                message: message.clone(),
            }),
            error: Some(message),
            ..Self::default()
        }
    }

    /// A result for programs.
    pub fn aux(value: Value) -> Self {
        Self {
            aux: Some(value),
            ..Self::default()
        }
    }
}
