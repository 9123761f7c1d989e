//! Volumes.
#![expect(
    missing_docs,
    reason = "the fields are Docker's own, by their names; its API reference explains them"
)]

use serde::{Deserialize, Serialize};

use super::{Extra, Labels};

/// One volume: a line of `GET /volumes`, and `GET /volumes/{name}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    pub created_at: String,
    pub driver: String,
    pub labels: Option<Labels>,
    pub mountpoint: String,
    pub name: String,
    pub options: Option<Labels>,
    /// `local` or `global`.
    pub scope: String,
    /// Only in `GET /system/df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// How much a volume holds and how many use it; -1 where that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UsageData {
    pub ref_count: i64,
    pub size: i64,
}

/// The body of `POST /volumes/create`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Create {
    /// Empty makes an anonymous one.
    pub name: String,
    /// Empty is `local`.
    pub driver: String,
    pub driver_opts: Option<Labels>,
    pub labels: Option<Labels>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// The answer to `GET /volumes`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct List {
    pub volumes: Vec<Volume>,
    pub warnings: Option<Vec<String>>,
}

/// The answer to `POST /volumes/prune`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Pruned {
    pub volumes_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}
