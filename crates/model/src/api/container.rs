//! Containers: what is asked for (`Config`, create, update) and what a list, a wait, a change shows.
//! The one container in full is in [`super::inspect`].
#![expect(
    missing_docs,
    reason = "the fields are Docker's own, by their names; its API reference explains them"
)]
#![expect(clippy::struct_excessive_bools, reason = "Docker's own shapes")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::endpoint::{EndpointSettings, NetworkingConfig};
use super::filter::Filters;
use super::host_config::{HostConfig, Resources, RestartPolicy};
use super::inspect::MountPoint;
use super::json;
use super::set::Set;
use super::text_list::TextList;
use super::{Extra, Labels};

/// What runs in the container, whatever the host: `Config` of create and inspect, and of an image.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<Set>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: Option<Vec<String>>,
    pub cmd: Option<TextList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "json::is_default")]
    pub args_escaped: bool,
    pub image: String,
    pub volumes: Option<Set>,
    pub working_dir: String,
    /// `null` takes the image's; an empty list, or one empty text, takes none.
    pub entrypoint: Option<TextList>,
    #[serde(skip_serializing_if = "json::is_default")]
    pub network_disabled: bool,
    /// Before 1.44; later ones have it in the endpoint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    pub on_build: Option<Vec<String>>,
    pub labels: Option<Labels>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds; negative waits for ever.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "json::optional_number"
    )]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<TextList>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the health of a container is looked at. Durations are nanoseconds; 0 takes the image's or Docker's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// Empty inherits; `NONE`; `CMD`, program, …; `CMD-SHELL`, command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    #[serde(
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub interval: i64,
    #[serde(
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub timeout: i64,
    #[serde(
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub start_period: i64,
    #[serde(
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub start_interval: i64,
    #[serde(
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub retries: i64,
}

/// The body of `POST /containers/create`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Create {
    #[serde(rename = "HostConfig")]
    pub host_config: Option<HostConfig>,
    #[serde(rename = "NetworkingConfig")]
    pub networking_config: Option<NetworkingConfig>,
    #[serde(flatten)]
    pub config: Config,
}

/// The query of `POST /containers/create`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateOptions {
    pub name: Option<String>,
    /// `os[/architecture[/variant]]`.
    pub platform: Option<String>,
}

/// The answer to `POST /containers/create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The body of `POST /containers/{id}/update`: 0 and empty leave a setting as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Update {
    #[serde(flatten)]
    pub resources: Resources,
    pub restart_policy: RestartPolicy,
}

/// The answer to `POST /containers/{id}/update`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Updated {
    pub warnings: Option<Vec<String>>,
}

/// The query of `GET /containers/json`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListOptions {
    pub all: bool,
    /// The newest that many, whatever their state.
    pub limit: Option<usize>,
    pub size: bool,
    pub filters: Filters,
}

/// One line of `GET /containers/json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Summary {
    pub id: String,
    pub names: Vec<String>,
    pub image: String,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    pub labels: Labels,
    pub state: String,
    pub status: String,
    pub host_config: SummaryHostConfig,
    pub network_settings: SummaryNetworks,
    pub mounts: Vec<MountPoint>,
}

/// What a list shows of a container's `HostConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryHostConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Labels>,
}

/// What a list shows of a container's networks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryNetworks {
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// An exposed or published port of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Port {
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    pub private_port: u16,
    #[serde(skip_serializing_if = "json::is_default")]
    pub public_port: u16,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type")]
    pub protocol: String,
}

/// The query of `POST /containers/{id}/stop` and `…/restart`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopOptions {
    pub signal: Option<String>,
    /// Seconds before the kill; negative waits for ever; absent takes the container's.
    pub timeout: Option<i64>,
}

/// The query of `DELETE /containers/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Anonymous volumes too.
    pub volumes: bool,
    pub link: bool,
    pub force: bool,
}

/// What `POST /containers/{id}/wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitCondition {
    /// That it does not run: at once, if it does not.
    #[default]
    NotRunning,
    /// That it exits the next time.
    NextExit,
    /// That it is removed.
    Removed,
}

/// The answer to `POST /containers/{id}/wait`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Waited {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
    pub status_code: i64,
}

/// Why waiting failed, or how the container's start did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    pub message: String,
}

/// The query of `POST /containers/{id}/attach`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachOptions {
    /// What was logged, first.
    pub logs: bool,
    /// What comes, then.
    pub stream: bool,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// As `ctrl-p,ctrl-q`; absent takes the default.
    pub detach_keys: Option<String>,
}

/// The query of `GET /containers/{id}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogsOptions {
    pub follow: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub timestamps: bool,
    /// The last that many lines; absent for all.
    pub tail: Option<u64>,
    pub details: bool,
}

/// The answer to `GET /containers/{id}/top`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Top {
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}

/// One line of `GET /containers/{id}/changes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Change {
    /// 0 modified, 1 added, 2 deleted.
    pub kind: u8,
    pub path: String,
}

/// What `X-Docker-Container-Path-Stat` holds, in base 64.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStat {
    pub name: String,
    pub size: i64,
    /// Go's `os.FileMode`: permissions, and type bits of its own.
    pub mode: u32,
    pub mtime: String,
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}

/// The query of `PUT /containers/{id}/archive`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchivePutOptions {
    pub path: String,
    /// A directory may not replace a file, nor the reverse.
    pub no_overwrite_dir_non_dir: bool,
    pub copy_uid_gid: bool,
}

/// The answer to `POST /containers/prune`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Pruned {
    pub containers_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}

/// The query of `POST /commit`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommitOptions {
    pub container: String,
    pub repository: Option<String>,
    pub tag: Option<String>,
    pub author: String,
    pub comment: String,
    /// The container is paused meanwhile.
    pub pause: bool,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// Replaces the container's, if the body has one.
    pub config: Option<Config>,
}
