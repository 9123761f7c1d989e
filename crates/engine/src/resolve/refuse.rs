//! What a request asks for that this engine does not do. It is refused by name: ignoring it would give a container
//! that is not what was asked for, and nobody would know.

use model::api::Extra;
use model::api::container::Config;
use model::api::host_config::HostConfig;
use serde_json::Value;

use super::network_mode::NetworkMode;
use crate::error::{Error, Result};

/// The names of what runs containers here, however it is called.
const RUNTIMES: [&str; 4] = ["", "runc", "io.containerd.runc.v2", "essaim"];

/// Fails with the name of the first thing that is asked for and not there.
pub fn unsupported(config: &Config, host: &HostConfig) -> Result<()> {
    let resources = &host.resources;
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let other_than = |text: &str, known: &[&str]| !known.contains(&text);
    let asked = [
        (
            given(&host.links) && !matches!(NetworkMode::of(host), NetworkMode::Named(_)),
            "HostConfig.Links",
        ),
        (!host.cgroup.is_empty(), "HostConfig.Cgroup"),
        (
            host.storage_opt.as_ref().is_some_and(|opt| !opt.is_empty()),
            "HostConfig.StorageOpt",
        ),
        (
            other_than(&host.userns_mode, &["", "host"]),
            "HostConfig.UsernsMode",
        ),
        (
            other_than(&host.volume_driver, &["", "local"]),
            "HostConfig.VolumeDriver",
        ),
        (
            other_than(&host.isolation, &["", "default"]),
            "HostConfig.Isolation",
        ),
        (other_than(&host.runtime, &RUNTIMES), "HostConfig.Runtime"),
        (
            resources
                .device_requests
                .as_ref()
                .is_some_and(|list| !list.is_empty()),
            "HostConfig.DeviceRequests",
        ),
        (
            resources
                .blkio_weight_device
                .as_ref()
                .is_some_and(|list| !list.is_empty()),
            "HostConfig.BlkioWeightDevice",
        ),
        (
            resources.cpu_realtime_period != 0,
            "HostConfig.CpuRealtimePeriod",
        ),
        (
            resources.cpu_realtime_runtime != 0,
            "HostConfig.CpuRealtimeRuntime",
        ),
        (resources.kernel_memory != 0, "HostConfig.KernelMemory"),
        (
            resources.kernel_memory_tcp != 0,
            "HostConfig.KernelMemoryTCP",
        ),
        (resources.cpu_count != 0, "HostConfig.CpuCount"),
        (resources.cpu_percent != 0, "HostConfig.CpuPercent"),
        (resources.io_maximum_iops != 0, "HostConfig.IOMaximumIOps"),
        (
            resources.io_maximum_bandwidth != 0,
            "HostConfig.IOMaximumBandwidth",
        ),
        (
            !resources.cgroup_parent.is_empty(),
            "HostConfig.CgroupParent",
        ),
    ];
    if let Some((_, name)) = asked.iter().find(|(asked, _)| *asked) {
        return Err(Error::not_implemented(name));
    }
    unknown("", &config.extra)?;
    unknown("HostConfig.", &host.extra)?;
    for mount in host.mounts.iter().flatten() {
        unknown("HostConfig.Mounts.", &mount.extra)?;
    }
    Ok(())
}

/// Fields that nobody here knows and that say something.
fn unknown(within: &str, extra: &Extra) -> Result<()> {
    // Clients of Docker's early days say it beside what the host gives.
    let is_runtime = |name: &str, value: &Value| {
        name == "Runtime" && value.as_str().is_some_and(|name| RUNTIMES.contains(&name))
    };
    let mut said = extra
        .iter()
        .filter(|(name, value)| says_something(value) && !is_runtime(name, value));
    match said.next() {
        Some((name, _)) => Err(Error::not_implemented(format_args!("{within}{name}"))),
        None => Ok(()),
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(set) => *set,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use model::api::container::Config;
    use model::api::host_config::HostConfig;
    use serde_json::json;

    #[track_caller]
    fn check(host: serde_json::Value, config: serde_json::Value, expect: Option<&str>) {
        let host: HostConfig = serde_json::from_value(host).unwrap();
        let config: Config = serde_json::from_value(config).unwrap();
        let refused = super::unsupported(&config, &host).err();
        let expect = expect.map(|name| format!("{name} is not supported by this engine"));
        assert_eq!(refused.map(|error| error.to_string()), expect);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        check(json!({}), json!({}), None);
        check(json!({"Links": []}), json!({}), None);
        check(
            json!({"Links": ["a:b"], "NetworkMode": "lab"}),
            json!({}),
            None,
        );
        check(json!({"Runtime": "runc"}), json!({"Runtime": "runc"}), None);
        check(json!({}), json!({"Runtime": "kata"}), Some("Runtime"));
        check(
            json!({"Links": ["a:b"]}),
            json!({}),
            Some("HostConfig.Links"),
        );
        check(
            json!({"StorageOpt": {"size": "1G"}}),
            json!({}),
            Some("HostConfig.StorageOpt"),
        );
        check(
            json!({"UsernsMode": "private"}),
            json!({}),
            Some("HostConfig.UsernsMode"),
        );
        check(
            json!({"Novelty": {}, "Other": false}),
            json!({"Third": ""}),
            None,
        );
        check(json!({"Novelty": 1}), json!({}), Some("HostConfig.Novelty"));
        check(json!({}), json!({"Novelty": "x"}), Some("Novelty"));
    }
}
