//! The container that `run` and `create` ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use model::api::container::{Config, Create, HealthConfig};
use model::api::host_config::{DeviceMapping, HostConfig, LogConfig, Resources};
use model::api::set::Set;
use model::api::text_list::TextList;

use super::network;
use crate::args::create as raw;
use crate::value::mount::{VolumeText, volume};
use crate::value::{self, Attachment, environment, port};

/// What is known of the world when a request is made.
pub(crate) struct Surroundings<'a> {
    /// The environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file.
    pub(crate) read: &'a dyn Fn(&str) -> Result<String, String>,
    /// The working directory.
    pub(crate) folder: &'a Path,
    /// Rows and columns of the terminal.
    pub(crate) console: Option<(u16, u16)>,
}

/// Whether the command stays with the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Its streams are joined to ours.
    Attached,
    /// It is left alone.
    Detached,
}

/// A container to be made.
#[derive(Debug)]
pub(crate) struct NewContainer {
    pub(crate) body: Create,
    pub(crate) image: String,
}

/// Decides what to ask for.
pub(crate) fn container(
    raw: &raw::Create,
    stay: Stay,
    around: &Surroundings<'_>,
) -> Result<NewContainer, String> {
    if stay == Stay::Detached && !raw.process.attach.is_empty() {
        return Err("Conflicting options: -a and -d".to_owned());
    }
    let restarts = !matches!(raw.lifecycle.restart.name.as_str(), "" | "no");
    if raw.lifecycle.rm && restarts {
        return Err("conflicting options: cannot specify both --restart and --rm".to_owned());
    }
    let (binds, anonymous) = volumes(&raw.files.volume, around.folder)?;
    let (published, bindings) = port::published(&raw.network.publish)?;
    let mut exposed = port::exposed(&raw.network.expose)?;
    exposed.extend(published);
    let network = network::of_container(&raw.network)?;
    let config = config(raw, stay, around, exposed, anonymous)?;
    let mut host_config = host_config(raw, around, network.mode, network.links)?;
    host_config.binds = some(binds);
    host_config.port_bindings = Some(bindings);
    Ok(NewContainer {
        image: config.image.clone(),
        body: Create {
            host_config: Some(host_config),
            networking_config: Some(network.endpoints),
            config,
        },
    })
}

fn config(
    raw: &raw::Create,
    stay: Stay,
    around: &Surroundings<'_>,
    exposed: BTreeSet<String>,
    anonymous: BTreeSet<String>,
) -> Result<Config, String> {
    let (image, command) = raw
        .image_and_command
        .split_first()
        .ok_or("no image is named")?;
    let attached = attachments(raw, stay);
    Ok(Config {
        hostname: raw.network.hostname.clone().unwrap_or_default(),
        domainname: raw.network.domainname.clone().unwrap_or_default(),
        user: raw.process.user.clone().unwrap_or_default(),
        attach_stdin: attached.contains(&Attachment::Stdin),
        attach_stdout: attached.contains(&Attachment::Stdout),
        attach_stderr: attached.contains(&Attachment::Stderr),
        exposed_ports: some_set(exposed),
        tty: raw.process.tty,
        open_stdin: raw.process.interactive,
        stdin_once: raw.process.interactive && attached.contains(&Attachment::Stdin),
        env: some(environment_of(
            &raw.process.env_file,
            &raw.process.env,
            around,
        )?),
        cmd: (!command.is_empty()).then(|| TextList(command.to_vec())),
        healthcheck: health(&raw.lifecycle)?,
        image: image.to_owned(),
        volumes: some_set(anonymous),
        working_dir: raw.process.workdir.clone().unwrap_or_default(),
        entrypoint: raw
            .process
            .entrypoint
            .clone()
            .map(|program| TextList(vec![program])),
        mac_address: raw.network.mac_address.clone().unwrap_or_default(),
        labels: Some(labels(
            &raw.lifecycle.label_file,
            &raw.lifecycle.label,
            around,
        )?),
        stop_signal: raw.lifecycle.stop_signal.clone().unwrap_or_default(),
        stop_timeout: raw.lifecycle.stop_timeout,
        ..Config::default()
    })
}

fn host_config(
    raw: &raw::Create,
    around: &Surroundings<'_>,
    network_mode: String,
    links: Vec<String>,
) -> Result<HostConfig, String> {
    let security = security(&raw.isolation.security_opt, around)?;
    Ok(HostConfig {
        container_id_file: raw.lifecycle.cidfile.clone().unwrap_or_default(),
        log_config: LogConfig {
            driver: raw.lifecycle.log_driver.clone().unwrap_or_default(),
            config: Some(value::map(&raw.lifecycle.log_opt)),
        },
        network_mode,
        restart_policy: raw.lifecycle.restart.clone(),
        auto_remove: raw.lifecycle.rm,
        volume_driver: raw.files.volume_driver.clone().unwrap_or_default(),
        volumes_from: some(raw.files.volumes_from.clone()),
        console_size: around
            .console
            .filter(|_| raw.process.tty)
            .map_or([0, 0], |(rows, columns)| [rows, columns]),
        annotations: some_map(value::map(&raw.lifecycle.annotation)),
        cap_add: some(raw.isolation.cap_add.clone()).map(TextList),
        cap_drop: some(raw.isolation.cap_drop.clone()).map(TextList),
        cgroupns_mode: raw.isolation.cgroupns.clone().unwrap_or_default(),
        dns: Some(raw.network.dns.clone()),
        dns_options: Some(raw.network.dns_option.clone()),
        dns_search: Some(raw.network.dns_search.clone()),
        extra_hosts: some(extra_hosts(&raw.network.add_host)?),
        group_add: some(raw.process.group_add.clone()),
        ipc_mode: raw.isolation.ipc.clone().unwrap_or_default(),
        links: some(links),
        oom_score_adj: small(raw.limits.oom_score_adj, "--oom-score-adj")?,
        pid_mode: raw.isolation.pid.clone().unwrap_or_default(),
        privileged: raw.isolation.privileged,
        publish_all_ports: raw.network.publish_all,
        readonly_rootfs: raw.files.read_only,
        security_opt: some(security.options),
        storage_opt: some_map(value::map(&raw.files.storage_opt)),
        tmpfs: some_map(tmpfs(&raw.files.tmpfs)),
        uts_mode: raw.isolation.uts.clone().unwrap_or_default(),
        userns_mode: raw.isolation.userns.clone().unwrap_or_default(),
        shm_size: raw.files.shm_size.unwrap_or_default(),
        sysctls: some_map(value::map(&raw.isolation.sysctl)),
        runtime: raw.isolation.runtime.clone().unwrap_or_default(),
        resources: resources(raw)?,
        mounts: some(mounts(&raw.files.mount, around.folder)),
        masked_paths: security.unmasked.then(Vec::new),
        readonly_paths: security.unmasked.then(Vec::new),
        init: raw.process.init.then_some(true),
        ..HostConfig::default()
    })
}

/// What is mounted from somewhere, as the engine takes it, and where anonymous volumes go.
fn volumes(texts: &[String], folder: &Path) -> Result<(Vec<String>, BTreeSet<String>), String> {
    let mut binds = Vec::new();
    let mut anonymous = BTreeSet::new();
    for text in texts {
        match volume(text)? {
            VolumeText::Anonymous(place) => {
                anonymous.insert(place);
            }
            VolumeText::Bind { source, rest } => {
                binds.push(format!("{}:{rest}", absolute(&source, folder)));
            }
        }
    }
    Ok((binds, anonymous))
}

/// The variables of files and of the command line, in this order: the last of a name counts.
pub(crate) fn environment_of(
    files: &[String],
    variables: &[String],
    around: &Surroundings<'_>,
) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for path in files {
        lines.extend(environment::file_lines(
            path,
            &(around.read)(path)?,
            around.variable,
        )?);
    }
    for text in variables {
        lines.push(environment::variable(text, around.variable)?);
    }
    Ok(lines)
}

fn labels(
    files: &[String],
    labels: &[String],
    around: &Surroundings<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let mut lines = Vec::new();
    for path in files {
        lines.extend(environment::file_lines(
            path,
            &(around.read)(path)?,
            |_| Some(String::new()),
        )?);
    }
    lines.extend(labels.iter().cloned());
    Ok(value::map(&lines))
}

fn attachments(raw: &raw::Create, stay: Stay) -> Vec<Attachment> {
    if stay == Stay::Detached {
        return Vec::new();
    }
    if !raw.process.attach.is_empty() {
        return raw.process.attach.clone();
    }
    let mut attached = vec![Attachment::Stdout, Attachment::Stderr];
    if raw.process.interactive {
        attached.push(Attachment::Stdin);
    }
    attached
}

fn health(raw: &raw::Lifecycle) -> Result<Option<HealthConfig>, String> {
    let set = raw.health_cmd.is_some()
        || raw.health_interval.is_some()
        || raw.health_timeout.is_some()
        || raw.health_start_period.is_some()
        || raw.health_start_interval.is_some()
        || raw.health_retries.is_some();
    if raw.no_healthcheck {
        return if set {
            Err("--no-healthcheck conflicts with --health-* options".to_owned())
        } else {
            Ok(Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }))
        };
    }
    let length = |value: Option<i64>, flag: &str| match value {
        Some(length) if length < 0 => Err(format!("{flag} cannot be negative")),
        other => Ok(other.unwrap_or_default()),
    };
    let config = HealthConfig {
        test: raw
            .health_cmd
            .clone()
            .map(|command| vec!["CMD-SHELL".to_owned(), command]),
        interval: length(raw.health_interval, "--health-interval")?,
        timeout: length(raw.health_timeout, "--health-timeout")?,
        start_period: length(raw.health_start_period, "--health-start-period")?,
        start_interval: length(raw.health_start_interval, "--health-start-interval")?,
        retries: length(raw.health_retries, "--health-retries")?,
    };
    Ok(set.then_some(config))
}

struct Security {
    options: Vec<String>,
    /// `systempaths=unconfined`: nothing of /proc is hidden or protected.
    unmasked: bool,
}

fn security(options: &[String], around: &Surroundings<'_>) -> Result<Security, String> {
    let mut security = Security {
        options: Vec::new(),
        unmasked: false,
    };
    for option in options {
        let pair = option.split_once('=').or_else(|| option.split_once(':'));
        match pair {
            Some(("systempaths", "unconfined")) => security.unmasked = true,
            Some(("seccomp", profile)) if !matches!(profile, "unconfined" | "builtin") => {
                let text = (around.read)(profile).map_err(|error| {
                    format!("opening seccomp profile ({profile}) failed: {error}")
                })?;
                let profile: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
                    format!("compacting json for seccomp profile ({profile}) failed: {error}")
                })?;
                security.options.push(format!("seccomp={profile}"));
            }
            None if option != "no-new-privileges" => {
                return Err(format!("invalid --security-opt: {option:?}"));
            }
            _ => security.options.push(option.clone()),
        }
    }
    Ok(security)
}

fn resources(raw: &raw::Create) -> Result<Resources, String> {
    let limits = &raw.limits;
    if let Some(swappiness) = limits.memory_swappiness
        && !(-1..=100).contains(&swappiness)
    {
        return Err(format!(
            "invalid value: {swappiness}. Valid memory swappiness range is 0-100"
        ));
    }
    Ok(Resources {
        cpu_shares: limits.cpu_shares.unwrap_or_default(),
        memory: limits.memory.unwrap_or_default(),
        nano_cpus: limits.cpus.unwrap_or_default(),
        cgroup_parent: raw.isolation.cgroup_parent.clone().unwrap_or_default(),
        blkio_weight: limits.blkio_weight.unwrap_or_default(),
        blkio_device_read_bps: some(limits.device_read_bps.clone()),
        blkio_device_write_bps: some(limits.device_write_bps.clone()),
        blkio_device_read_iops: some(limits.device_read_iops.clone()),
        blkio_device_write_iops: some(limits.device_write_iops.clone()),
        cpu_period: limits.cpu_period.unwrap_or_default(),
        cpu_quota: limits.cpu_quota.unwrap_or_default(),
        cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
        devices: Some(
            raw.files
                .device
                .iter()
                .map(|text| device(text))
                .collect::<Result<_, _>>()?,
        ),
        device_cgroup_rules: some(raw.isolation.device_cgroup_rule.clone()),
        memory_reservation: limits.memory_reservation.unwrap_or_default(),
        memory_swap: limits.memory_swap.unwrap_or_default(),
        memory_swappiness: limits.memory_swappiness,
        oom_kill_disable: Some(limits.oom_kill_disable),
        pids_limit: limits.pids_limit,
        ulimits: some(limits.ulimit.clone()),
        ..Resources::default()
    })
}

/// `/dev/a[:/dev/b][:rwm]`.
fn device(text: &str) -> Result<DeviceMapping, String> {
    let permissions =
        |text: &str| !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, rights) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, rights] if permissions(rights) => (*host, *host, *rights),
        [host, container] => (*host, *container, "rwm"),
        [host, container, rights] if permissions(rights) => (*host, *container, *rights),
        _ => return Err(format!("invalid device specification: {text}")),
    };
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: rights.to_owned(),
    })
}

fn mounts(mounts: &[value::Mount], folder: &Path) -> Vec<value::Mount> {
    mounts
        .iter()
        .map(|mount| {
            let mut mount = mount.clone();
            if mount.kind == "bind" {
                mount.source = absolute(&mount.source, folder);
            }
            mount
        })
        .collect()
}

/// A path that begins with a dot is one from the working directory; anything else is a name or absolute.
fn absolute(source: &str, folder: &Path) -> String {
    if !source.starts_with('.') {
        return source.to_owned();
    }
    let mut path = PathBuf::from(folder);
    for component in Path::new(source).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path.display().to_string()
}

fn tmpfs(texts: &[String]) -> BTreeMap<String, String> {
    texts
        .iter()
        .map(|text| {
            let (place, options) = text.split_once(':').unwrap_or((text, ""));
            (place.to_owned(), options.to_owned())
        })
        .collect()
}

fn extra_hosts(texts: &[String]) -> Result<Vec<String>, String> {
    texts
        .iter()
        .map(|text| {
            let (name, address) = text
                .split_once('=')
                .or_else(|| text.split_once(':'))
                .filter(|(name, address)| !name.is_empty() && !address.is_empty())
                .ok_or_else(|| format!("bad format for add-host: {text:?}"))?;
            let bare = address
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .unwrap_or(address);
            if bare != "host-gateway" && bare.parse::<std::net::IpAddr>().is_err() {
                return Err(format!("invalid IP address in add-host: {address:?}"));
            }
            Ok(format!("{name}:{bare}"))
        })
        .collect()
}

fn small(number: Option<i64>, flag: &str) -> Result<i32, String> {
    i32::try_from(number.unwrap_or_default()).map_err(|_| format!("{flag} is out of range"))
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn some_set(set: BTreeSet<String>) -> Option<Set> {
    (!set.is_empty()).then_some(Set(set))
}

fn some_map(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::{Stay, Surroundings, container};
    use crate::args::{self, Command};

    fn asked(line: &str) -> Result<Value, String> {
        let words: Vec<_> = std::iter::once("run")
            .chain(line.split(' '))
            .map(Into::into)
            .collect();
        let parsed =
            args::parse("docker", &[], &words).map_err(|failure| failure.text().unwrap())?;
        let Some(Command::Run(run)) = parsed.command else {
            unreachable!("the line is one of run");
        };
        let stay = if run.detach {
            Stay::Detached
        } else {
            Stay::Attached
        };
        let around = Surroundings {
            variable: &|name| (name == "HOME").then(|| "/root".to_owned()),
            read: &|path| match path {
                "env" => Ok("A=1\nB=2\n".to_owned()),
                "profile.json" => Ok("{\n \"a\": 1 }".to_owned()),
                _ => Err("no such file".to_owned()),
            },
            folder: Path::new("/here"),
            console: Some((24, 80)),
        };
        container(&run.create, stay, &around).map(|new| serde_json::to_value(&new.body).unwrap())
    }

    #[track_caller]
    fn check(line: &str, pointer: &str, expect: &Value) {
        let found = asked(line).unwrap();
        assert_eq!(
            found.pointer(pointer).unwrap_or(&Value::Null),
            expect,
            "{line}"
        );
    }

    #[track_caller]
    fn refused(line: &str, expect: &str) {
        assert_eq!(asked(line).unwrap_err(), expect, "{line}");
    }

    #[test]
    fn command_and_streams() {
        check("busybox", "/Cmd", &Value::Null);
        check(
            "busybox sh -c x",
            "/Cmd",
            &serde_json::json!(["sh", "-c", "x"]),
        );
        check("-it busybox", "/AttachStdin", &true.into());
        check("-it busybox", "/StdinOnce", &true.into());
        check(
            "-it busybox",
            "/HostConfig/ConsoleSize",
            &serde_json::json!([24, 80]),
        );
        check("-d -i busybox", "/AttachStdout", &false.into());
        check("-d -i busybox", "/StdinOnce", &false.into());
        check("-a stderr busybox", "/AttachStdout", &false.into());
        check(
            "--entrypoint= busybox",
            "/Entrypoint",
            &serde_json::json!([""]),
        );
        check(
            "--env-file env -e B=3 -e HOME -e NONE busybox",
            "/Env",
            &serde_json::json!(["A=1", "B=2", "B=3", "HOME=/root", "NONE"]),
        );
    }

    #[test]
    fn files() {
        check(
            "-v ./a:/b:ro -v vol:/c -v /anon busybox",
            "/HostConfig/Binds",
            &serde_json::json!(["/here/a:/b:ro", "vol:/c"]),
        );
        check(
            "-v /anon busybox",
            "/Volumes",
            &serde_json::json!({"/anon": {}}),
        );
        check(
            "-v ../a:/b busybox",
            "/HostConfig/Binds",
            &serde_json::json!(["/a:/b"]),
        );
        check(
            "--mount type=bind,src=.,dst=/b busybox",
            "/HostConfig/Mounts/0/Source",
            &"/here".into(),
        );
        check(
            "--tmpfs /run:size=1m busybox",
            "/HostConfig/Tmpfs",
            &serde_json::json!({"/run": "size=1m"}),
        );
        check(
            "--device /dev/null:r busybox",
            "/HostConfig/Devices/0/CgroupPermissions",
            &"r".into(),
        );
    }

    #[test]
    fn networks() {
        check("busybox", "/HostConfig/NetworkMode", &"default".into());
        check(
            "--net host busybox",
            "/HostConfig/NetworkMode",
            &"host".into(),
        );
        check(
            "--network web --network-alias a busybox",
            "/NetworkingConfig/EndpointsConfig/web/Aliases",
            &serde_json::json!(["a"]),
        );
        check(
            "--network name=web,alias=b,ip=10.0.0.5 busybox",
            "/NetworkingConfig/EndpointsConfig/web/IPAMConfig/IPv4Address",
            &"10.0.0.5".into(),
        );
        check(
            "-p 8080:80 busybox",
            "/ExposedPorts",
            &serde_json::json!({"80/tcp": {}}),
        );
        check(
            "-p 8080:80 busybox",
            "/HostConfig/PortBindings/80~1tcp/0/HostPort",
            &"8080".into(),
        );
        check(
            "--add-host a=[::1] busybox",
            "/HostConfig/ExtraHosts",
            &serde_json::json!(["a:::1"]),
        );
    }

    #[test]
    fn safety_and_limits() {
        check("-m 64m busybox", "/HostConfig/Memory", &67_108_864.into());
        check(
            "--security-opt seccomp=profile.json busybox",
            "/HostConfig/SecurityOpt",
            &serde_json::json!(["seccomp={\"a\":1}"]),
        );
        check(
            "--security-opt systempaths=unconfined busybox",
            "/HostConfig/MaskedPaths",
            &serde_json::json!([]),
        );
        check("busybox", "/HostConfig/MaskedPaths", &Value::Null);
        check(
            "--health-cmd x --health-interval 5s busybox",
            "/Healthcheck",
            &serde_json::json!({"Test": ["CMD-SHELL", "x"], "Interval": 5_000_000_000_i64}),
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        refused("-d -a stdout busybox", "Conflicting options: -a and -d");
        refused(
            "--rm --restart always busybox",
            "conflicting options: cannot specify both --restart and --rm",
        );
        refused(
            "--no-healthcheck --health-cmd x busybox",
            "--no-healthcheck conflicts with --health-* options",
        );
        refused("--add-host a busybox", "bad format for add-host: \"a\"");
        refused(
            "--security-opt apparmor busybox",
            "invalid --security-opt: \"apparmor\"",
        );
        refused(
            "--network a --network a busybox",
            "network \"a\" is specified multiple times",
        );
    }
}
