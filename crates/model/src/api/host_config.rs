//! `HostConfig`: what a container is given of the host.
#![expect(
    missing_docs,
    reason = "the fields are Docker's own, by their names; its API reference explains them"
)]
#![expect(clippy::struct_excessive_bools, reason = "Docker's own shapes")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json;
use super::mount::Mount;
use super::text_list::TextList;
use super::{Extra, Labels};

/// `80/tcp` to where it is published; `null` for exposed only.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// What a container is given of the host, as create takes it and inspect shows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfig {
    pub binds: Option<Vec<String>>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    /// Empty and `default` are the default network; `bridge`, `host`, `none`, `container:…`, a network.
    pub network_mode: String,
    pub port_bindings: Option<PortMap>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: Option<Vec<String>>,
    /// Rows and columns of the terminal at the start.
    pub console_size: [u16; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Labels>,
    pub cap_add: Option<TextList>,
    pub cap_drop: Option<TextList>,
    /// `private` or `host`.
    pub cgroupns_mode: String,
    pub dns: Option<Vec<String>>,
    pub dns_options: Option<Vec<String>>,
    pub dns_search: Option<Vec<String>>,
    pub extra_hosts: Option<Vec<String>>,
    pub group_add: Option<Vec<String>>,
    /// `private`, `shareable`, `host`, `none`, `container:…`.
    pub ipc_mode: String,
    pub cgroup: String,
    pub links: Option<Vec<String>>,
    #[serde(deserialize_with = "json::number")]
    pub oom_score_adj: i32,
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_opt: Option<Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<Labels>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    pub userns_mode: String,
    /// Bytes; 0 takes the default.
    #[serde(deserialize_with = "json::number")]
    pub shm_size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctls: Option<Labels>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runtime: String,
    pub isolation: String,
    #[serde(flatten)]
    pub resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<Mount>>,
    /// `null` takes the defaults; an empty list masks nothing.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where the output goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LogConfig {
    /// `json-file`, `local`, `none`; empty takes the daemon's.
    #[serde(rename = "Type")]
    pub driver: String,
    pub config: Option<Labels>,
}

/// What happens after an exit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// Empty or `no`, `on-failure`, `always`, `unless-stopped`.
    pub name: String,
    #[serde(deserialize_with = "json::number")]
    pub maximum_retry_count: i64,
}

/// Where a port is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortBinding {
    #[serde(rename = "HostIp")]
    pub host_ip: String,
    /// Empty or `0` takes a free one; `8000-8010` one of these.
    #[serde(rename = "HostPort", deserialize_with = "text_or_number")]
    pub host_port: String,
}

/// Limits and devices: what an update can change, and some that it cannot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Resources {
    #[serde(deserialize_with = "json::number")]
    pub cpu_shares: i64,
    /// Bytes.
    #[serde(deserialize_with = "json::number")]
    pub memory: i64,
    /// Billionths of a CPU.
    #[serde(deserialize_with = "json::number")]
    pub nano_cpus: i64,
    pub cgroup_parent: String,
    #[serde(deserialize_with = "json::number")]
    pub blkio_weight: u16,
    pub blkio_weight_device: Option<Vec<WeightDevice>>,
    pub blkio_device_read_bps: Option<Vec<ThrottleDevice>>,
    pub blkio_device_write_bps: Option<Vec<ThrottleDevice>>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Option<Vec<ThrottleDevice>>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Option<Vec<ThrottleDevice>>,
    /// Microseconds.
    #[serde(deserialize_with = "json::number")]
    pub cpu_period: i64,
    #[serde(deserialize_with = "json::number")]
    pub cpu_quota: i64,
    #[serde(deserialize_with = "json::number")]
    pub cpu_realtime_period: i64,
    #[serde(deserialize_with = "json::number")]
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub devices: Option<Vec<DeviceMapping>>,
    pub device_cgroup_rules: Option<Vec<String>>,
    pub device_requests: Option<Vec<DeviceRequest>>,
    #[serde(
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub kernel_memory: i64,
    #[serde(
        rename = "KernelMemoryTCP",
        skip_serializing_if = "json::is_default",
        deserialize_with = "json::number"
    )]
    pub kernel_memory_tcp: i64,
    #[serde(deserialize_with = "json::number")]
    pub memory_reservation: i64,
    /// Memory and swap together; -1 for no limit of swap.
    #[serde(deserialize_with = "json::number")]
    pub memory_swap: i64,
    #[serde(deserialize_with = "json::optional_number")]
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    /// 0, -1 and `null` are no limit.
    #[serde(deserialize_with = "json::optional_number")]
    pub pids_limit: Option<i64>,
    pub ulimits: Option<Vec<Ulimit>>,
    #[serde(deserialize_with = "json::number")]
    pub cpu_count: i64,
    #[serde(deserialize_with = "json::number")]
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps", deserialize_with = "json::number")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth", deserialize_with = "json::number")]
    pub io_maximum_bandwidth: u64,
}

/// A weight of one block device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

/// A rate of one block device, per second.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ThrottleDevice {
    pub path: String,
    #[serde(deserialize_with = "json::number")]
    pub rate: u64,
}

/// A device of the host, under a path in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    /// Some of `rwm`.
    pub cgroup_permissions: String,
}

/// Devices asked of a driver (GPUs).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceRequest {
    pub driver: String,
    pub count: i64,
    #[serde(rename = "DeviceIDs")]
    pub device_ids: Option<Vec<String>>,
    pub capabilities: Option<Vec<Vec<String>>>,
    pub options: Option<Labels>,
}

/// A resource limit of the processes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    pub name: String,
    /// -1 is no limit.
    #[serde(deserialize_with = "json::number")]
    pub hard: i64,
    #[serde(deserialize_with = "json::number")]
    pub soft: i64,
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a port as a text")]
    enum Form {
        Nothing(()),
        Text(String),
        Number(u16),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::Nothing(()) => String::new(),
        Form::Text(text) => text,
        Form::Number(number) => number.to_string(),
    })
}
