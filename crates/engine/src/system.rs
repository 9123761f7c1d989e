//! The engine and the computer it is on: `docker info`, `docker system df`, pruning containers.

pub(crate) mod host;
mod id;
mod written;

use model::api::filter::Filters;
use model::api::system::{
    DiskUsage, DiskUsageOptions, IndexConfig, Info, Plugins, RegistryConfig, Runtime, Swarm,
};
use model::api::{Labels, container};
use runtime::host::{CgroupLayout, HostAbilities};

use crate::Engine;
use crate::container::Phase;
use crate::error::{Kind, Result};
use crate::event;
use crate::filter::prune::{PruneFilter, Pruned as Resource};
use crate::images::STORAGE_DRIVER;
use crate::moment;
use host::HostFacts;
pub(crate) use id::engine_id;

/// The registry that names without one mean, as clients log in to it.
const INDEX_SERVER: &str = "https://index.docker.io/v1/";

impl Engine {
    /// What is known of the engine and its computer.
    pub async fn info(&self) -> Info {
        let settings = self.settings();
        let facts = HostFacts::read();
        let containers = self.containers().all();
        let in_phase = |wanted: &[Phase]| {
            let phases = containers
                .iter()
                .map(|container| container.condition().phase);
            phases.filter(|phase| wanted.contains(phase)).count() as u64
        };
        let limits = Limits::of(self.abilities());
        Info {
            id: self.inner.id.clone(),
            containers: containers.len() as u64,
            containers_running: in_phase(&[Phase::Running]),
            containers_paused: in_phase(&[Phase::Paused]),
            containers_stopped: containers.len() as u64
                - in_phase(&[Phase::Running, Phase::Paused]),
            images: self.image_store().list().len() as u64,
            driver: STORAGE_DRIVER.to_owned(),
            driver_status: storage(&host::file_system(&settings.data_root)),
            plugins: Plugins {
                volume: texts(&["local"]),
                network: texts(&["bridge", "host", "null"]),
                authorization: None,
                log: texts(&["json-file", "local", "none"]),
            },
            memory_limit: limits.memory,
            swap_limit: limits.swap,
            cpu_cfs_period: limits.cpu,
            cpu_cfs_quota: limits.cpu,
            cpu_shares: limits.cpu,
            cpu_set: limits.cpuset,
            pids_limit: limits.pids,
            ipv4_forwarding: facts.ipv4_forwarding,
            debug: false,
            n_fd: host::open_files(),
            oom_kill_disable: false,
            n_goroutines: host::threads(),
            system_time: moment::now().to_string(),
            logging_driver: "json-file".to_owned(),
            cgroup_driver: if limits.cgroups { "cgroupfs" } else { "none" }.to_owned(),
            cgroup_version: limits.version.to_owned(),
            n_events_listener: self.event_bus().listeners(),
            kernel_version: facts.kernel,
            operating_system: facts.system,
            os_version: facts.system_version,
            os_type: "linux".to_owned(),
            architecture: facts.architecture,
            index_server_address: INDEX_SERVER.to_owned(),
            registry_config: registries(&settings.registry_mirrors, &settings.insecure_registries),
            n_cpu: facts.processors,
            mem_total: facts.memory_bytes,
            docker_root_dir: settings.data_root.display().to_string(),
            name: facts.name,
            labels: settings.labels.clone(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtimes: [(
                "essaim".to_owned(),
                Runtime {
                    path: "essaim".to_owned(),
                },
            )]
            .into(),
            default_runtime: "essaim".to_owned(),
            swarm: Swarm {
                local_node_state: "inactive".to_owned(),
                ..Swarm::default()
            },
            live_restore_enabled: settings.live_restore,
            init_binary: "essaim".to_owned(),
            security_options: security(self.abilities()),
            warnings: self.warnings(limits).await,
            ..Info::default()
        }
    }

    /// What takes room on the disk: only what is asked for, or everything.
    pub async fn disk_usage(&self, options: DiskUsageOptions) -> Result<DiskUsage> {
        let all = options == DiskUsageOptions::default();
        let mut usage = DiskUsage::default();
        if all || options.images {
            let (layers, images) = self.image_usage();
            usage.layers_size = i64::try_from(layers).unwrap_or(i64::MAX);
            usage.images = Some(images);
        }
        if all || options.containers {
            let list = container::ListOptions {
                all: true,
                size: true,
                ..container::ListOptions::default()
            };
            usage.containers = Some(self.list_containers(&list).await?);
        }
        if all || options.volumes {
            usage.volumes = Some(self.volume_usage().await);
        }
        if all || options.build_cache {
            usage.build_cache = Some(Vec::new());
        }
        Ok(usage)
    }

    /// Removes the containers that do not run.
    pub async fn prune_containers(&self, filters: Filters) -> Result<container::Pruned> {
        let filter = PruneFilter::of(filters, Resource::Containers, moment::now())?;
        let mut pruned = container::Pruned::default();
        for one in self.containers().all() {
            let record = one.record();
            let created = i128::from(record.created.as_nanos());
            let created = jiff::Timestamp::from_nanosecond(created).unwrap_or_default();
            let stopped = matches!(one.condition().phase, Phase::Created | Phase::Exited);
            let no_labels = Labels::new();
            let labels = record.config.labels.as_ref().unwrap_or(&no_labels);
            if !stopped || !filter.wants(labels, created) {
                continue;
            }
            let id = one.id.to_string();
            let size = self.written_bytes(&id).await;
            match self
                .remove_container(&id, container::RemoveOptions::default())
                .await
            {
                Ok(()) => {
                    pruned.space_reclaimed += size;
                    pruned.containers_deleted.get_or_insert_default().push(id);
                }
                // Somebody has started or removed it meanwhile.
                Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let reclaimed = pruned.space_reclaimed.to_string();
        let attributes = Labels::from([("reclaimed".to_owned(), reclaimed)]);
        self.event_bus()
            .publish(event::Kind::Container, "prune", "", attributes);
        Ok(pruned)
    }

    /// What a person should know who wonders why something does not work.
    async fn warnings(&self, limits: Limits) -> Option<Vec<String>> {
        let mut warnings = Vec::new();
        for (there, what) in [
            (limits.memory, "memory limit"),
            (limits.swap, "swap limit"),
            (limits.cpu, "cpu cfs quota"),
            (limits.cpuset, "cpuset"),
            (limits.pids, "pids limit"),
        ] {
            if !there {
                warnings.push(format!("WARNING: No {what} support"));
            }
        }
        if let Some(networks) = self.opened_networks() {
            let of_networks = networks.warnings().await.into_iter();
            warnings.extend(
                of_networks
                    .map(|warning| format!("WARNING: {}; {}", warning.message, warning.remedy)),
            );
        }
        Some(warnings).filter(|warnings| !warnings.is_empty())
    }
}

/// Which limits can be kept to here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "as many as the API shows")]
struct Limits {
    cgroups: bool,
    version: &'static str,
    memory: bool,
    swap: bool,
    cpu: bool,
    cpuset: bool,
    pids: bool,
}

impl Limits {
    fn of(abilities: &HostAbilities) -> Self {
        let limits = |version, has: &dyn Fn(&str) -> bool, swap: bool| Self {
            cgroups: true,
            version,
            memory: has("memory"),
            swap,
            cpu: has("cpu"),
            cpuset: has("cpuset"),
            pids: has("pids"),
        };
        match &abilities.cgroups {
            CgroupLayout::V1 { hierarchies } => {
                let of = |name: &str| {
                    let mut hierarchies = hierarchies.iter();
                    hierarchies.find(|one| one.controllers.iter().any(|known| known == name))
                };
                let swap = of("memory")
                    .is_some_and(|one| one.mount.join("memory.memsw.limit_in_bytes").exists());
                limits("1", &|name| of(name).is_some(), swap)
            }
            CgroupLayout::V2 { controllers, .. } => {
                let has = |name: &str| controllers.iter().any(|known| known == name);
                limits("2", &has, has("memory"))
            }
            CgroupLayout::Absent => Self {
                cgroups: false,
                ..limits("", &|_| false, false)
            },
        }
    }
}

fn storage(file_system: &str) -> Vec<[String; 2]> {
    [
        ["Backing Filesystem", file_system],
        ["Supports d_type", "true"],
        ["Using metacopy", "false"],
        ["Native Overlay Diff", "true"],
        ["userxattr", "false"],
    ]
    .map(|pair| pair.map(str::to_owned))
    .to_vec()
}

fn security(abilities: &HostAbilities) -> Vec<String> {
    let mut options = Vec::new();
    if abilities.seccomp {
        options.push("name=seccomp,profile=builtin".to_owned());
    }
    if matches!(abilities.cgroups, CgroupLayout::V2 { .. }) {
        options.push("name=cgroupns".to_owned());
    }
    options
}

fn registries(mirrors: &[String], insecure: &[String]) -> RegistryConfig {
    let mut config = RegistryConfig {
        insecure_registry_cidrs: texts(&["::1/128", "127.0.0.0/8"]),
        mirrors: Some(mirrors.to_vec()).filter(|mirrors| !mirrors.is_empty()),
        ..RegistryConfig::default()
    };
    let official = IndexConfig {
        name: "docker.io".to_owned(),
        mirrors: mirrors.to_vec(),
        secure: true,
        official: true,
    };
    config
        .index_configs
        .insert("docker.io".to_owned(), official);
    for registry in insecure {
        if registry.contains('/') {
            config.insecure_registry_cidrs.push(registry.clone());
        } else {
            let index = IndexConfig {
                name: registry.clone(),
                ..IndexConfig::default()
            };
            config.index_configs.insert(registry.clone(), index);
        }
    }
    config
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use runtime::capability::Capabilities;
    use runtime::host::{CgroupLayout, HostAbilities};

    use super::{Limits, registries};

    #[test]
    fn limits_are_what_controllers_give() {
        let mut abilities = HostAbilities {
            cgroups: CgroupLayout::V2 {
                mount: "/sys/fs/cgroup".into(),
                controllers: ["memory", "pids"].map(str::to_owned).to_vec(),
            },
            capabilities: Capabilities::NONE,
            kernel: (6, 1),
            seccomp: true,
        };
        let limits = Limits::of(&abilities);
        assert!(limits.memory && limits.swap && limits.pids && !limits.cpu && !limits.cpuset);
        abilities.cgroups = CgroupLayout::Absent;
        assert!(!Limits::of(&abilities).memory);
    }

    #[test]
    fn insecure_registries_are_names_or_ranges() {
        let config = registries(&[], &["10.0.0.0/8".to_owned(), "reg:5000".to_owned()]);
        assert_eq!(config.insecure_registry_cidrs.len(), 3);
        assert!(!config.index_configs["reg:5000"].secure);
        assert!(config.index_configs["docker.io"].official);
    }
}
