//! Which value goes into which file of a cgroup. Pure.

use std::path::Path;

use crate::spec::{BlockLimitKind, DeviceRule, Resources};

/// A value for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: &'static str,
    pub(super) file: &'static str,
    pub(super) value: String,
    /// Whether a kernel without the file is good enough.
    pub(super) optional: bool,
}

fn required(controller: &'static str, file: &'static str, value: impl ToString) -> Setting {
    Setting {
        controller,
        file,
        value: value.to_string(),
        optional: false,
    }
}

fn optional(controller: &'static str, file: &'static str, value: impl ToString) -> Setting {
    Setting {
        controller,
        file,
        value: value.to_string(),
        optional: true,
    }
}

/// What the limits are on v1.
pub(super) fn v1(
    resources: &Resources,
    device_number: impl Fn(&Path) -> Option<(u32, u32)>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(bytes) = resources.memory {
        settings.push(required("memory", "memory.limit_in_bytes", bytes));
    }
    if let Some(bytes) = resources.memory_swap {
        // Kernels may count no swap; the limit of memory then is all there is.
        settings.push(optional("memory", "memory.memsw.limit_in_bytes", bytes));
    }
    if let Some(bytes) = resources.memory_reservation {
        settings.push(required("memory", "memory.soft_limit_in_bytes", bytes));
    }
    if let Some(percent) = resources.memory_swappiness {
        settings.push(required("memory", "memory.swappiness", percent));
    }
    if resources.oom_kill_disable {
        settings.push(required("memory", "memory.oom_control", 1));
    }
    if let Some(weight) = resources.cpu_shares {
        settings.push(required("cpu", "cpu.shares", weight));
    }
    if let Some(period) = resources.cpu_period {
        settings.push(required("cpu", "cpu.cfs_period_us", period));
    }
    if let Some(quota) = resources.cpu_quota {
        settings.push(required("cpu", "cpu.cfs_quota_us", quota));
    }
    if let Some(cpus) = &resources.cpuset_cpus {
        settings.push(required("cpuset", "cpuset.cpus", cpus));
    }
    if let Some(nodes) = &resources.cpuset_mems {
        settings.push(required("cpuset", "cpuset.mems", nodes));
    }
    if let Some(pids) = resources.pids {
        settings.push(required("pids", "pids.max", count_or_max(pids)));
    }
    if let Some(weight) = resources.blkio_weight {
        settings.push(optional("blkio", "blkio.bfq.weight", weight));
    }
    for limit in &resources.blkio_limits {
        let Some((major, minor)) = device_number(&limit.device) else {
            continue;
        };
        let file = match limit.kind {
            BlockLimitKind::ReadBytes => "blkio.throttle.read_bps_device",
            BlockLimitKind::WriteBytes => "blkio.throttle.write_bps_device",
            BlockLimitKind::ReadOperations => "blkio.throttle.read_iops_device",
            BlockLimitKind::WriteOperations => "blkio.throttle.write_iops_device",
        };
        settings.push(required(
            "blkio",
            file,
            format!("{major}:{minor} {}", limit.rate),
        ));
    }
    settings
}

/// What the limits are on v2.
pub(super) fn v2(
    resources: &Resources,
    device_number: impl Fn(&Path) -> Option<(u32, u32)>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(bytes) = resources.memory {
        settings.push(required("memory", "memory.max", count_or_max(bytes)));
    }
    match (resources.memory, resources.memory_swap) {
        (_, Some(-1)) => settings.push(optional("memory", "memory.swap.max", "max")),
        // v2 counts swap by itself.
        (Some(memory), Some(both)) if memory >= 0 && both >= memory => {
            settings.push(optional("memory", "memory.swap.max", both - memory));
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    if let Some(bytes) = resources.memory_reservation {
        settings.push(required("memory", "memory.low", count_or_max(bytes)));
    }
    if let Some(shares) = resources.cpu_shares.filter(|&shares| shares > 0) {
        settings.push(required("cpu", "cpu.weight", weight_of_shares(shares)));
    }
    if resources.cpu_quota.is_some() || resources.cpu_period.is_some() {
        let quota = resources
            .cpu_quota
            .filter(|&quota| quota > 0)
            .map_or("max".to_owned(), |quota| quota.to_string());
        let period = resources
            .cpu_period
            .filter(|&period| period > 0)
            .unwrap_or(100_000);
        settings.push(required("cpu", "cpu.max", format!("{quota} {period}")));
    }
    if let Some(cpus) = &resources.cpuset_cpus {
        settings.push(required("cpuset", "cpuset.cpus", cpus));
    }
    if let Some(nodes) = &resources.cpuset_mems {
        settings.push(required("cpuset", "cpuset.mems", nodes));
    }
    if let Some(pids) = resources.pids {
        settings.push(required("pids", "pids.max", count_or_max(pids)));
    }
    if let Some(weight) = resources.blkio_weight {
        settings.push(optional("io", "io.bfq.weight", weight));
    }
    for limit in &resources.blkio_limits {
        let Some((major, minor)) = device_number(&limit.device) else {
            continue;
        };
        let key = match limit.kind {
            BlockLimitKind::ReadBytes => "rbps",
            BlockLimitKind::WriteBytes => "wbps",
            BlockLimitKind::ReadOperations => "riops",
            BlockLimitKind::WriteOperations => "wiops",
        };
        settings.push(required(
            "io",
            "io.max",
            format!("{major}:{minor} {key}={}", limit.rate),
        ));
    }
    settings
}

/// A rule of device access as v1 wants it written.
pub(super) fn device_rule(rule: &DeviceRule) -> String {
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    format!(
        "{} {}:{} {}",
        rule.kind,
        number(rule.major),
        number(rule.minor),
        rule.access
    )
}

fn count_or_max(count: i64) -> String {
    if count < 0 {
        "max".to_owned()
    } else {
        count.to_string()
    }
}

/// v1's scale of 2 to 262144 on v2's of 1 to 10000, as all runtimes agree to map it.
fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{device_rule, v1, v2};
    use crate::spec::{BlockLimit, BlockLimitKind, DeviceRule, Resources};

    #[track_caller]
    fn check(resources: &Resources, old: &[(&str, &str)], new: &[(&str, &str)]) {
        let number = |path: &std::path::Path| (path == "/dev/sda").then_some((8, 0));
        let shown = |settings: Vec<super::Setting>| -> Vec<(&str, String)> {
            settings
                .into_iter()
                .map(|one| (one.file, one.value))
                .collect()
        };
        let expect = |pairs: &[(&'static str, &str)]| -> Vec<(&str, String)> {
            pairs
                .iter()
                .map(|&(file, value)| (file, value.to_owned()))
                .collect()
        };
        // Names live as long as the program, whatever the caller's do.
        let leak = |pairs: &[(&str, &str)]| -> Vec<(&'static str, &'static str)> {
            pairs
                .iter()
                .map(|&(file, value)| (&*String::from(file).leak(), &*String::from(value).leak()))
                .collect()
        };
        assert_eq!(shown(v1(resources, number)), expect(&leak(old)));
        assert_eq!(shown(v2(resources, number)), expect(&leak(new)));
    }

    #[test]
    fn limits_on_both_versions() {
        check(&Resources::default(), &[], &[]);
        check(
            &Resources {
                memory: Some(4096),
                memory_swap: Some(8192),
                pids: Some(-1),
                ..Resources::default()
            },
            &[
                ("memory.limit_in_bytes", "4096"),
                ("memory.memsw.limit_in_bytes", "8192"),
                ("pids.max", "max"),
            ],
            &[
                ("memory.max", "4096"),
                ("memory.swap.max", "4096"),
                ("pids.max", "max"),
            ],
        );
        check(
            &Resources {
                memory_swap: Some(-1),
                cpu_shares: Some(1024),
                ..Resources::default()
            },
            &[
                ("memory.memsw.limit_in_bytes", "-1"),
                ("cpu.shares", "1024"),
            ],
            &[("memory.swap.max", "max"), ("cpu.weight", "39")],
        );
        check(
            &Resources {
                cpu_quota: Some(50_000),
                cpuset_cpus: Some("0-1".to_owned()),
                ..Resources::default()
            },
            &[("cpu.cfs_quota_us", "50000"), ("cpuset.cpus", "0-1")],
            &[("cpu.max", "50000 100000"), ("cpuset.cpus", "0-1")],
        );
        let limit = |device: &str| BlockLimit {
            device: PathBuf::from(device),
            kind: BlockLimitKind::WriteBytes,
            rate: 1000,
        };
        check(
            &Resources {
                blkio_limits: vec![limit("/dev/sda"), limit("/dev/gone")],
                ..Resources::default()
            },
            &[("blkio.throttle.write_bps_device", "8:0 1000")],
            &[("io.max", "8:0 wbps=1000")],
        );
    }

    #[test]
    fn rules_of_devices() {
        let rule = DeviceRule {
            kind: 'c',
            major: Some(136),
            minor: None,
            access: "rwm".to_owned(),
        };
        assert_eq!(device_rule(&rule), "c 136:* rwm");
    }
}
