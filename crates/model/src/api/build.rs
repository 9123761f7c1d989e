//! Building images by the classic protocol: the query of `POST /build`, and the build cache.
#![expect(
    missing_docs,
    reason = "the fields are Docker's own, by their names; its API reference explains them"
)]
#![expect(clippy::struct_excessive_bools, reason = "Docker's own shapes")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Labels;
use super::filter::Filters;
use super::host_config::Ulimit;
use super::system::AuthConfig;

/// The query of `POST /build`, and the registries' credentials of its header.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// Path in the context; empty is `Dockerfile`.
    pub dockerfile: String,
    /// Names of the result.
    pub tags: Vec<String>,
    /// A URL of the context; empty takes the body.
    pub remote: String,
    pub extra_hosts: Vec<String>,
    /// Say only the id.
    pub quiet: bool,
    pub no_cache: bool,
    pub cache_from: Vec<String>,
    /// Pull base images though they are here.
    pub pull: bool,
    /// Remove the containers of the steps, after success.
    pub remove: bool,
    /// And after failure.
    pub force_remove: bool,
    pub memory: i64,
    pub memory_swap: i64,
    pub cpu_shares: i64,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub cgroup_parent: String,
    pub shm_size: i64,
    pub ulimits: Vec<Ulimit>,
    /// `None` takes the value of the daemon's environment for proxies, else nothing.
    pub arguments: BTreeMap<String, Option<String>>,
    pub labels: Labels,
    /// Network of the `RUN` containers; empty is the default one.
    pub network_mode: String,
    pub squash: bool,
    pub platform: Option<String>,
    pub target: String,
    pub security_options: Vec<String>,
    /// By the registry's name.
    pub registries: BTreeMap<String, AuthConfig>,
}

/// What `aux` of the progress holds at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    #[serde(rename = "ID")]
    pub id: String,
}

/// One line of the build cache in `GET /system/df`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CacheRecord {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "Type")]
    pub kind: String,
    pub description: String,
    pub in_use: bool,
    pub shared: bool,
    pub size: i64,
    pub created_at: String,
    pub last_used_at: Option<String>,
    pub usage_count: i64,
}

/// The query of `POST /build/prune`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneOptions {
    pub all: bool,
    pub keep_storage: i64,
    pub filters: Filters,
}

/// The answer to `POST /build/prune`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Pruned {
    pub caches_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}
