//! What an engine is told when it starts. It never changes while the engine runs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// The settings of one engine; several run side by side when these differ.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything lies that outlives the computer's restart: images, containers, volumes, state.
    pub data_root: PathBuf,
    /// Where everything lies that does not: the shims' sockets.
    pub exec_root: PathBuf,
    /// The cgroup below which the containers' own are made, such as `/essaim`.
    pub cgroup_parent: String,
    /// The limits of a container that asks for none.
    pub default_ulimits: Vec<Ulimit>,
    /// How a container's output is kept when it does not say: options of the `json-file` driver.
    pub log_options: BTreeMap<String, String>,
    /// How big `/dev/shm` is when a container does not say, in bytes.
    pub default_shm_size: u64,
    /// Whether containers get an init of ours as their first process when they do not say.
    pub init: bool,
    /// Servers that containers' names are looked up at, instead of the host's.
    pub dns: Vec<IpAddr>,
    /// Domains that containers' names are looked up in.
    pub dns_search: Vec<String>,
    /// Options for containers' `resolv.conf`.
    pub dns_options: Vec<String>,
    /// Registries to ask before Docker's own, as URLs.
    pub registry_mirrors: Vec<String>,
    /// Registries that may be spoken to without verified TLS: names with ports, or address ranges.
    pub insecure_registries: Vec<String>,
    /// The name of the network devices, tables and default bridge: engines in one network namespace differ in it.
    pub network_name: String,
    /// The addresses of the default bridge in CIDR form, if not chosen freely.
    pub bridge_address: Option<String>,
    /// Ranges that user-defined networks get their subnets from: (range, prefix length of each).
    pub address_pools: Vec<(String, u8)>,
    /// Labels of this engine.
    pub labels: Vec<String>,
    /// How many seconds running containers get to stop when the engine shuts down and stops them.
    pub shutdown_timeout_s: u64,
    /// Whether containers keep running when the daemon ends in good order.
    pub live_restore: bool,
}

/// A limit of a container's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// Its name without `RLIMIT_`, in lower case, such as `nofile`.
    pub name: String,
    /// What it is at first.
    pub soft: i64,
    /// What it can be raised to.
    pub hard: i64,
}

impl Settings {
    /// The settings of an engine that nothing was said to.
    pub fn new(data_root: impl Into<PathBuf>, exec_root: impl Into<PathBuf>) -> Self {
        Self {
            data_root: data_root.into(),
            exec_root: exec_root.into(),
            cgroup_parent: "/essaim".to_owned(),
            default_ulimits: Vec::new(),
            log_options: BTreeMap::new(),
            default_shm_size: 64 * 1024 * 1024,
            init: false,
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            registry_mirrors: Vec::new(),
            insecure_registries: Vec::new(),
            network_name: "essaim".to_owned(),
            bridge_address: None,
            address_pools: Vec::new(),
            labels: Vec::new(),
            shutdown_timeout_s: 15,
            live_restore: false,
        }
    }
}
