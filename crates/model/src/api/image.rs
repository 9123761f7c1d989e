//! Images.
#![expect(
    missing_docs,
    reason = "the fields are Docker's own, by their names; its API reference explains them"
)]

use serde::{Deserialize, Serialize};

use super::container::{Config, HealthConfig};
use super::filter::Filters;
use super::inspect::GraphDriver;
use super::set::Set;
use super::text_list::TextList;
use super::{Extra, Labels, json};

/// One line of `GET /images/json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Summary {
    /// How many containers are made from it; -1 if that was not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    pub id: String,
    pub labels: Option<Labels>,
    pub parent_id: String,
    pub repo_digests: Vec<String>,
    pub repo_tags: Vec<String>,
    /// -1 if that was not computed.
    pub shared_size: i64,
    pub size: i64,
}

/// The query of `GET /images/json`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListOptions {
    pub all: bool,
    pub filters: Filters,
    pub shared_size: bool,
    pub digests: bool,
}

/// The answer to `GET /images/{name}/json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Inspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    pub docker_version: String,
    pub author: String,
    pub config: Option<ImageConfig>,
    pub architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    pub os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    pub size: i64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: Metadata,
}

/// What an image says about the containers made from it: a [`Config`] without what only a container has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<Set>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<TextList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<TextList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Set>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "json::is_default")]
    pub args_escaped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<TextList>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl From<Config> for ImageConfig {
    fn from(config: Config) -> Self {
        Self {
            user: config.user,
            exposed_ports: config.exposed_ports,
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            volumes: config.volumes,
            working_dir: config.working_dir,
            labels: config.labels,
            stop_signal: config.stop_signal,
            args_escaped: config.args_escaped,
            healthcheck: config.healthcheck,
            on_build: config.on_build,
            shell: config.shell,
            extra: Extra::new(),
        }
    }
}

/// The layers, lowest first, by the digests of their contents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// What is known of an image beyond its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Metadata {
    pub last_tag_time: String,
}

/// One line of `GET /images/{name}/history`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HistoryItem {
    pub comment: String,
    pub created: i64,
    pub created_by: String,
    /// `<missing>` where there is no image of that step.
    pub id: String,
    pub size: i64,
    pub tags: Option<Vec<String>>,
}

/// One line of the answers to `DELETE /images/{name}` and prune: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Deleted {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untagged: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
}

/// The query of `DELETE /images/{name}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    pub force: bool,
    /// Keep parents without a name.
    pub no_prune: bool,
}

/// The answer to `POST /images/prune`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Pruned {
    pub images_deleted: Option<Vec<Deleted>>,
    pub space_reclaimed: u64,
}

/// The query of `POST /images/create` that pulls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullOptions {
    /// Name, maybe with a tag or digest in it.
    pub image: String,
    /// Tag or digest; absent takes `latest`.
    pub tag: Option<String>,
    /// All tags.
    pub all: bool,
    pub platform: Option<String>,
}

/// The query of `POST /images/create` that imports the body (or a URL) as an image of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// `-` for the body.
    pub source: String,
    pub repository: Option<String>,
    pub tag: Option<String>,
    pub message: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    pub platform: Option<String>,
}

/// One line of `GET /images/search`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchResult {
    pub star_count: i64,
    pub is_official: bool,
    pub name: String,
    pub is_automated: bool,
    pub description: String,
}

/// The answer to `GET /distribution/{name}/json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Distribution {
    pub descriptor: Descriptor,
    pub platforms: Vec<DescriptorPlatform>,
}

/// What a digest stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: i64,
}

/// A platform that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DescriptorPlatform {
    pub architecture: String,
    pub os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}
