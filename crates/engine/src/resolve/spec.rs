//! From a container's record to what the runtime is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::api::host_config::HostConfig;
use model::api::inspect::MountPoint;
use runtime::spec::{
    ContainerSpec, Mount, MountSource, Namespace, Namespaces, ProcessSpec, Propagation, Root,
};

use super::network_mode::{NetworkMode, joined};
use super::{config, log, mounts, resources, security};
use crate::container::Record;
use crate::error::{Error, Result};
use crate::settings::Settings;

/// Kernel parameters that a namespace of its own has, apart from `net.` and `fs.mqueue.`.
const IPC_SYSCTLS: [&str; 9] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.shm_next_id",
];

/// What has to be looked up before a container is started.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The first process of the container whose network it joins.
    pub network_of: Option<u32>,
    /// The first process of the container whose process ids it joins.
    pub pid_of: Option<u32>,
    /// The first process of the container whose shared memory it joins.
    pub ipc_of: Option<u32>,
    /// The compiled filter of system calls.
    pub seccomp: Option<Arc<[u8]>>,
    /// The folders of the read-only layers, topmost first.
    pub layers: Vec<PathBuf>,
}

/// The files of a container, in its folder.
#[derive(Debug, Clone)]
pub struct Files {
    /// The folder.
    pub directory: PathBuf,
    id: String,
}

impl Files {
    /// The files of the container with this id.
    pub fn new(settings: &Settings, id: &str) -> Self {
        Self {
            directory: settings.data_root.join("containers").join(id),
            id: id.to_owned(),
        }
    }

    /// The writable layer.
    pub fn upper(&self) -> PathBuf {
        self.directory.join("upper")
    }

    /// Where overlayfs works.
    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// `/etc/hostname`.
    pub fn hostname(&self) -> PathBuf {
        self.directory.join("hostname")
    }

    /// `/etc/hosts`.
    pub fn hosts(&self) -> PathBuf {
        self.directory.join("hosts")
    }

    /// `/etc/resolv.conf`.
    pub fn resolv_conf(&self) -> PathBuf {
        self.directory.join("resolv.conf")
    }

    /// The output.
    pub fn log(&self) -> PathBuf {
        self.directory.join(format!("{}-json.log", self.id))
    }

    /// How it ended.
    pub fn exit(&self) -> PathBuf {
        self.directory.join("exit.json")
    }
}

/// The cgroup of a container.
pub fn cgroup(settings: &Settings, id: &str) -> String {
    format!("{}/{id}", settings.cgroup_parent.trim_matches('/'))
}

/// What the runtime is told.
pub fn spec(record: &Record, settings: &Settings, facts: &Facts) -> Result<ContainerSpec> {
    let id = record.id.to_string();
    let files = Files::new(settings, &id);
    let host = &record.host_config;
    let security = security::options(host)?;
    let container = &record.config;
    let process = ProcessSpec {
        args: config::command(container),
        env: config::environment(container),
        cwd: PathBuf::from(if container.working_dir.is_empty() {
            "/"
        } else {
            &container.working_dir
        }),
        user: container.user.clone(),
        groups: host.group_add.clone().unwrap_or_default(),
        tty: container.tty,
        console_size: console_size(host.console_size),
        capabilities: security::capabilities(host)?,
        no_new_privileges: security.no_new_privileges,
        seccomp: facts.seccomp.clone(),
        rlimits: resources::rlimits(&host.resources, &settings.default_ulimits)?,
        oom_score_adj: (host.oom_score_adj != 0).then_some(host.oom_score_adj),
        umask: None,
    };
    let paths = |list: &Option<Vec<String>>| list.iter().flatten().map(PathBuf::from).collect();
    Ok(ContainerSpec {
        root: Root::Overlay {
            lower: facts.layers.clone(),
            upper: files.upper(),
            work: files.work(),
        },
        readonly_root: host.readonly_rootfs,
        process,
        hostname: container.hostname.clone(),
        domainname: container.domainname.clone(),
        open_stdin: container.open_stdin,
        stdin_once: container.stdin_once,
        mounts: all_mounts(record, &files)?,
        namespaces: namespaces(host, facts),
        privileged: host.privileged,
        devices: resources::devices(&host.resources),
        device_rules: resources::device_rules(&host.resources)?,
        masked_paths: paths(&host.masked_paths),
        readonly_paths: paths(&host.readonly_paths),
        sysctls: sysctls(host)?,
        resources: resources::limits(&host.resources)?,
        cgroup: cgroup(settings, &id),
        init: host.init.unwrap_or(settings.init),
        log: log::file(host, settings, &files.log())?,
        exit_file: files.exit(),
        id,
    })
}

/// A size in rows and columns, unless it is none.
pub fn console_size([rows, columns]: [u16; 2]) -> Option<(u16, u16)> {
    (rows != 0 && columns != 0).then_some((rows, columns))
}

/// What was resolved when the container was made, and the three files of ours in its `/etc`.
fn all_mounts(record: &Record, files: &Files) -> Result<Vec<Mount>> {
    let mut all: Vec<Mount> = Vec::new();
    let plans = mounts::plan(&record.config, &record.host_config)?;
    for point in &record.mounts {
        let plan = plans.iter().find(|plan| plan.target == point.destination);
        all.push(mount(point, plan.map(|plan| &plan.source)));
    }
    let ours = [
        ("/etc/resolv.conf", files.resolv_conf()),
        ("/etc/hostname", files.hostname()),
        ("/etc/hosts", files.hosts()),
    ];
    for (target, source) in ours {
        if !record
            .mounts
            .iter()
            .any(|point| point.destination == target)
        {
            all.push(Mount {
                target: PathBuf::from(target),
                source: bind(source, Propagation::Rprivate),
                readonly: record.host_config.readonly_rootfs,
            });
        }
    }
    all.sort_by_key(|mount| mount.target.components().count());
    Ok(all)
}

fn mount(point: &MountPoint, plan: Option<&mounts::Source>) -> Mount {
    let source = match plan {
        Some(mounts::Source::Bind {
            recursive,
            propagation,
            ..
        }) => MountSource::Bind {
            source: PathBuf::from(&point.source),
            recursive: *recursive,
            propagation: *propagation,
        },
        Some(mounts::Source::Tmpfs(options)) => MountSource::Tmpfs {
            options: options.clone(),
        },
        // A volume, or what comes from another container.
        Some(mounts::Source::Volume { .. }) | None => {
            bind(PathBuf::from(&point.source), Propagation::Rprivate)
        }
    };
    Mount {
        target: PathBuf::from(&point.destination),
        source,
        readonly: !point.rw,
    }
}

fn bind(source: PathBuf, propagation: Propagation) -> MountSource {
    MountSource::Bind {
        source,
        recursive: true,
        propagation,
    }
}

fn namespaces(host: &HostConfig, facts: &Facts) -> Namespaces {
    let join = |pid: Option<u32>| pid.map_or(Namespace::New, Namespace::Join);
    let of_mode = |mode: &str, pid: Option<u32>| match mode {
        "host" => Namespace::Host,
        mode if joined(mode).is_some() => join(pid),
        _ => Namespace::New,
    };
    let network = match NetworkMode::of(host) {
        NetworkMode::Host => Namespace::Host,
        NetworkMode::Container(_) => join(facts.network_of),
        NetworkMode::Default | NetworkMode::None | NetworkMode::Named(_) => Namespace::New,
    };
    let shm_size = match host.ipc_mode.as_str() {
        "none" => 0,
        _ => u64::try_from(host.shm_size).unwrap_or(0),
    };
    Namespaces {
        network,
        pid: of_mode(&host.pid_mode, facts.pid_of),
        ipc: of_mode(&host.ipc_mode, facts.ipc_of),
        uts: of_mode(&host.uts_mode, None),
        cgroup: of_mode(&host.cgroupns_mode, None),
        shm_size,
    }
}

/// What a network of its own gives a container that Docker gives it too: whoever it runs as may listen on any of its
/// ports, and ping.
const NETWORK_SYSCTLS: [(&str, &str); 2] = [
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "0 2147483647"),
];

/// The kernel parameters that were asked for, only those that the container has for itself, and the usual ones.
pub fn sysctls(host: &HostConfig) -> Result<BTreeMap<String, String>> {
    let own_network = matches!(
        NetworkMode::of(host),
        NetworkMode::Default | NetworkMode::None | NetworkMode::Named(_)
    );
    let own_ipc = !matches!(host.ipc_mode.as_str(), "host") && joined(&host.ipc_mode).is_none();
    for (name, value) in host.sysctls.iter().flatten() {
        let of_network = name.starts_with("net.");
        let of_ipc = IPC_SYSCTLS.contains(&name.as_str()) || name.starts_with("fs.mqueue.");
        let plain = !name.contains("..")
            && name.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/')
            })
            && !Path::new(name)
                .components()
                .any(|part| part.as_os_str() == "..");
        let allowed = plain && ((of_network && own_network) || (of_ipc && own_ipc));
        if !allowed || value.contains('\0') {
            return Err(Error::bad_parameter(format!(
                "sysctl '{name}={value}' is not allowed: it is not in a namespace of the container's own"
            )));
        }
    }
    let mut sysctls = host.sysctls.clone().unwrap_or_default();
    if own_network {
        for (name, value) in NETWORK_SYSCTLS {
            sysctls
                .entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
    Ok(sysctls)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use model::api::host_config::HostConfig;
    use model::api::inspect::MountPoint;
    use runtime::spec::{MountSource, Namespace, Root};
    use serde_json::json;

    use super::{Facts, spec, sysctls};
    use crate::resolve::testing::{record, settings};

    #[test]
    fn a_plain_container_gets_defaults() {
        let facts = Facts {
            layers: vec![PathBuf::from("/var/lib/essaim/images/layers/1")],
            ..Facts::default()
        };
        let spec = spec(&record(), &settings(), &facts).unwrap();
        let Root::Overlay { lower, upper, .. } = &spec.root else {
            panic!("{:?}", spec.root);
        };
        assert_eq!(lower, &[PathBuf::from("/var/lib/essaim/images/layers/1")]);
        assert!(upper.starts_with("/var/lib/essaim/containers"));
        assert_eq!(spec.cgroup, format!("essaim/{}", spec.id));
        assert_eq!(spec.process.cwd, PathBuf::from("/"));
        assert_eq!(spec.namespaces.network, Namespace::New);
        assert_eq!(spec.namespaces.shm_size, 64 << 20);
        assert_eq!(spec.process.capabilities.bits(), 0xa804_25fb);
        assert_eq!(spec.masked_paths.len(), 11);
        let targets: Vec<_> = spec.mounts.iter().map(|mount| &mount.target).collect();
        assert_eq!(targets, ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]);
    }

    #[test]
    fn other_containers_namespaces_are_joined() {
        let mut record = record();
        record.host_config.network_mode = "container:web".to_owned();
        record.host_config.pid_mode = "container:web".to_owned();
        record.host_config.ipc_mode = "host".to_owned();
        let facts = Facts {
            network_of: Some(7),
            pid_of: Some(8),
            ..Facts::default()
        };
        let namespaces = spec(&record, &settings(), &facts).unwrap().namespaces;
        assert_eq!(namespaces.network, Namespace::Join(7));
        assert_eq!(namespaces.pid, Namespace::Join(8));
        assert_eq!(namespaces.ipc, Namespace::Host);
    }

    #[test]
    fn a_mount_over_ours_wins() {
        let mut record = record();
        record.host_config.binds = Some(vec!["/x:/etc/hosts:ro".to_owned()]);
        record.mounts = vec![MountPoint {
            kind: "bind".to_owned(),
            source: "/x".to_owned(),
            destination: "/etc/hosts".to_owned(),
            ..MountPoint::default()
        }];
        let mounts = spec(&record, &settings(), &Facts::default())
            .unwrap()
            .mounts;
        assert_eq!(mounts.len(), 3);
        let hosts = mounts
            .iter()
            .find(|mount| mount.target.as_os_str() == "/etc/hosts")
            .unwrap();
        assert!(hosts.readonly);
        assert!(
            matches!(&hosts.source, MountSource::Bind { source, .. } if source == &PathBuf::from("/x"))
        );
    }

    #[track_caller]
    fn check(name: &str, mode: &str, expect: bool) {
        let host: HostConfig =
            serde_json::from_value(json!({"NetworkMode": mode, "Sysctls": {name: "1"}})).unwrap();
        assert_eq!(sysctls(&host).is_ok(), expect, "{name} {mode}");
    }

    #[test]
    fn anybody_may_listen_on_any_port_of_a_network_of_its_own() {
        let start = |mode: &str, asked: serde_json::Value| {
            let host = json!({"NetworkMode": mode, "Sysctls": asked});
            let sysctls = sysctls(&serde_json::from_value(host).unwrap()).unwrap();
            let start = sysctls.get("net.ipv4.ip_unprivileged_port_start");
            start.cloned()
        };
        assert_eq!(start("lab", json!(null)).as_deref(), Some("0"));
        assert_eq!(start("host", json!(null)), None);
        let asked = json!({"net.ipv4.ip_unprivileged_port_start": "1024"});
        assert_eq!(start("none", asked).as_deref(), Some("1024"));
    }

    #[test]
    fn the_hosts_parameters_are_out_of_reach() {
        check("net.ipv4.ip_forward", "", true);
        check("net.ipv4.ip_forward", "host", false);
        check("net.ipv4.ip_forward", "container:x", false);
        check("net.ipv4.conf.eth0/1.forwarding", "", true);
        check("net./../kernel/core_pattern", "", false);
        check("net.../kernel/core_pattern", "", false);
        check("kernel.shmmax", "", true);
        check("kernel.core_pattern", "", false);
        check("vm.overcommit_memory", "", false);
        check("fs.mqueue.msg_max", "", true);
    }
}
