//! Limits: what they come to, and which make no sense.

use std::path::PathBuf;

use model::api::host_config::{self, ThrottleDevice};
use runtime::spec::{BlockLimit, BlockLimitKind, Device, DeviceRule, Resources, Rlimit};

use super::Host;
use crate::error::{Error, Result};
use crate::settings::Ulimit;

/// Below this no program starts, and the kernel kills it at once.
const LEAST_MEMORY: i64 = 6 * 1024 * 1024;

/// The period that CPU quotas are counted in when nobody says, in microseconds.
const PERIOD_US: i64 = 100_000;

/// The limits that a process can have.
const RLIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Finds limits that make no sense, in themselves or here.
pub fn check(asked: &host_config::Resources, host: Host, warnings: &mut Vec<String>) -> Result<()> {
    let refuse = |text: &str| Err(Error::bad_parameter(text));
    let memory = asked.memory;
    if memory < 0 {
        return refuse("invalid memory limit: it cannot be negative");
    }
    if memory != 0 && memory < LEAST_MEMORY {
        return refuse("Minimum memory limit allowed is 6MB");
    }
    if memory > 0 && asked.memory_swap > 0 && asked.memory_swap < memory {
        return refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if memory == 0 && asked.memory_swap > 0 {
        return refuse(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        );
    }
    if asked.memory_reservation != 0 && asked.memory_reservation < LEAST_MEMORY {
        return refuse("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && asked.memory_reservation > memory {
        return refuse(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        );
    }
    if asked
        .memory_swappiness
        .is_some_and(|value| !(-1..=100).contains(&value))
    {
        return refuse(
            "invalid value for memory swappiness: valid memory swappiness range is 0-100",
        );
    }
    if asked.oom_kill_disable == Some(true) && memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system \
             running out of resources."
                .to_owned(),
        );
    }
    if asked.nano_cpus > 0 && (asked.cpu_period > 0 || asked.cpu_quota > 0) {
        return refuse(
            "Conflicting options: Nano CPUs and CPU Period or Quota cannot both be set.",
        );
    }
    let most = i64::from(host.processors).saturating_mul(1_000_000_000);
    if asked.nano_cpus < 0 || asked.nano_cpus > most {
        return Err(Error::bad_parameter(format!(
            "range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available",
            host.processors, host.processors
        )));
    }
    if asked.cpu_period != 0 && !(1_000..=1_000_000).contains(&asked.cpu_period) {
        return refuse(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if asked.cpu_quota > 0 && asked.cpu_quota < 1_000 {
        return refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    cpuset(&asked.cpuset_mems, "mems")?;
    let cpus = cpuset(&asked.cpuset_cpus, "cpus")?;
    if cpus.is_some_and(|highest| highest > host.last_processor) {
        return Err(Error::bad_parameter(format!(
            "Requested CPUs are not available - requested {}, available: 0-{}",
            asked.cpuset_cpus, host.last_processor
        )));
    }
    if asked.blkio_weight != 0 && !(10..=1000).contains(&asked.blkio_weight) {
        return refuse("Range of blkio weight is from 10 to 1000");
    }
    Ok(())
}

/// The highest number of a list as `0-2,4`; none of an empty one.
fn cpuset(list: &str, what: &str) -> Result<Option<u32>> {
    if list.is_empty() {
        return Ok(None);
    }
    let invalid = || Error::bad_parameter(format!("Invalid value {list} for cpuset {what}"));
    let number = |text: &str| text.parse::<u32>().map_err(|_| invalid());
    let mut highest = 0;
    for part in list.split(',') {
        let (start, end) = part.split_once('-').unwrap_or((part, part));
        let (start, end) = (number(start)?, number(end)?);
        if start > end {
            return Err(invalid());
        }
        highest = highest.max(end);
    }
    Ok(Some(highest))
}

/// The limits that a cgroup is given.
pub fn limits(asked: &host_config::Resources) -> Result<Resources> {
    let memory = (asked.memory > 0).then_some(asked.memory);
    let memory_swap = match (memory, asked.memory_swap) {
        (Some(memory), 0) => Some(memory.saturating_mul(2)),
        (_, 0) => None,
        (_, swap) => Some(swap),
    };
    let (period, quota) = if asked.nano_cpus > 0 {
        let quota = asked.nano_cpus.saturating_mul(PERIOD_US / 1000) / 1_000_000;
        (Some(PERIOD_US), Some(quota.max(1_000)))
    } else {
        let or_none = |value: i64| (value != 0).then_some(value);
        (or_none(asked.cpu_period), or_none(asked.cpu_quota))
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Resources {
        memory,
        memory_swap,
        memory_reservation: (asked.memory_reservation > 0).then_some(asked.memory_reservation),
        memory_swappiness: asked
            .memory_swappiness
            .and_then(|value| u64::try_from(value).ok()),
        oom_kill_disable: asked.oom_kill_disable == Some(true),
        cpu_shares: u64::try_from(asked.cpu_shares)
            .ok()
            .filter(|shares| *shares != 0),
        cpu_period: period.and_then(|period| u64::try_from(period).ok()),
        cpu_quota: quota,
        cpuset_cpus: text(&asked.cpuset_cpus),
        cpuset_mems: text(&asked.cpuset_mems),
        pids: asked
            .pids_limit
            .filter(|limit| *limit != 0)
            .map(|limit| limit.max(-1)),
        blkio_weight: (asked.blkio_weight != 0).then_some(asked.blkio_weight),
        blkio_limits: block_limits(asked),
    })
}

fn block_limits(asked: &host_config::Resources) -> Vec<BlockLimit> {
    let kinds: [(&Option<Vec<ThrottleDevice>>, BlockLimitKind); 4] = [
        (&asked.blkio_device_read_bps, BlockLimitKind::ReadBytes),
        (&asked.blkio_device_write_bps, BlockLimitKind::WriteBytes),
        (
            &asked.blkio_device_read_iops,
            BlockLimitKind::ReadOperations,
        ),
        (
            &asked.blkio_device_write_iops,
            BlockLimitKind::WriteOperations,
        ),
    ];
    let each = kinds
        .into_iter()
        .flat_map(|(devices, kind)| devices.iter().flatten().map(move |device| (device, kind)));
    each.map(|(device, kind)| BlockLimit {
        device: PathBuf::from(&device.path),
        kind,
        rate: device.rate,
    })
    .collect()
}

/// The limits that the first process is given: what was asked for, and the engine's own where nothing was.
pub fn rlimits(asked: &host_config::Resources, defaults: &[Ulimit]) -> Result<Vec<Rlimit>> {
    let value = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
    let mut limits: Vec<Rlimit> = Vec::new();
    for limit in asked.ulimits.iter().flatten() {
        if !RLIMITS.contains(&limit.name.as_str()) {
            return Err(Error::bad_parameter(format!(
                "invalid ulimit type: {}",
                limit.name
            )));
        }
        let rlimit = Rlimit {
            name: limit.name.clone(),
            soft: value(limit.soft),
            hard: value(limit.hard),
        };
        if rlimit.soft > rlimit.hard {
            return Err(Error::bad_parameter(format!(
                "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                limit.soft, limit.hard
            )));
        }
        limits.push(rlimit);
    }
    for default in defaults {
        if !limits.iter().any(|limit| limit.name == default.name) {
            limits.push(Rlimit {
                name: default.name.clone(),
                soft: value(default.soft),
                hard: value(default.hard),
            });
        }
    }
    Ok(limits)
}

/// The devices that were asked for.
pub fn devices(asked: &host_config::Resources) -> Vec<Device> {
    let or = |text: &str, default: &str| {
        let text = if text.is_empty() { default } else { text };
        text.to_owned()
    };
    asked
        .devices
        .iter()
        .flatten()
        .map(|device| Device {
            host_path: PathBuf::from(&device.path_on_host),
            container_path: PathBuf::from(or(&device.path_in_container, &device.path_on_host)),
            access: or(&device.cgroup_permissions, "rwm"),
        })
        .collect()
}

/// The rules of device access that were asked for, such as `c 42:* rmw`.
pub fn device_rules(asked: &host_config::Resources) -> Result<Vec<DeviceRule>> {
    let rules = asked.device_cgroup_rules.iter().flatten();
    rules.map(|rule| device_rule(rule)).collect()
}

fn device_rule(text: &str) -> Result<DeviceRule> {
    let invalid = || Error::bad_parameter(format!("invalid device cgroup rule format: '{text}'"));
    let number = |text: &str| match text {
        "*" => Ok(None),
        digits => digits.parse::<u32>().map(Some).map_err(|_| invalid()),
    };
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, access] = words[..] else {
        return Err(invalid());
    };
    let kind = match kind {
        "a" => 'a',
        "b" => 'b',
        "c" => 'c',
        _ => return Err(invalid()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    let known = !access.is_empty() && access.chars().all(|letter| "rwm".contains(letter));
    if !known {
        return Err(invalid());
    }
    Ok(DeviceRule {
        kind,
        major: number(major)?,
        minor: number(minor)?,
        access: access.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use model::api::host_config::Resources;
    use serde_json::json;

    use super::{check as check_limits, device_rule, limits, rlimits};
    use crate::resolve::testing::HOST;
    use crate::settings::Ulimit;

    fn read(asked: serde_json::Value) -> Resources {
        serde_json::from_value(asked).unwrap()
    }

    #[track_caller]
    fn check(asked: serde_json::Value, expect: Result<(), &str>) {
        let found = check_limits(&read(asked), HOST, &mut Vec::new());
        match (found, expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) if error.to_string().contains(part) => {}
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    const MIB: i64 = 1024 * 1024;

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        check(json!({}), Ok(()));
        check(json!({"Memory": 64 * MIB, "MemorySwap": -1}), Ok(()));
        check(json!({"Memory": 1}), Err("6MB"));
        check(json!({"Memory": -1}), Err("negative"));
        check(
            json!({"Memory": 64 * MIB, "MemorySwap": 32 * MIB}),
            Err("larger than memory limit"),
        );
        check(
            json!({"MemorySwap": 32 * MIB}),
            Err("always set the Memory limit"),
        );
        check(
            json!({"Memory": 64 * MIB, "MemoryReservation": 65 * MIB}),
            Err("memory reservation"),
        );
        check(json!({"NanoCpus": 2_000_000_000_i64}), Ok(()));
        check(json!({"NanoCpus": 2_100_000_000_i64}), Err("only 2 CPUs"));
        check(
            json!({"NanoCpus": 1, "CpuQuota": 5000}),
            Err("Conflicting options"),
        );
        check(json!({"CpuPeriod": 10}), Err("cfs period"));
        check(json!({"BlkioWeight": 5}), Err("blkio weight"));
        check(json!({"CpusetCpus": "0-1", "CpusetMems": "0"}), Ok(()));
        check(json!({"CpusetCpus": "0,2"}), Err("available: 0-1"));
        for list in ["x", "1-0", "0,", "-1"] {
            check(json!({"CpusetCpus": list}), Err("for cpuset cpus"));
            check(json!({"CpusetMems": list}), Err("for cpuset mems"));
        }
    }

    #[test]
    fn limits_come_to_what_a_cgroup_takes() {
        let resources = limits(&read(
            json!({"Memory": 64 * MIB, "NanoCpus": 500_000_000, "PidsLimit": 0}),
        ))
        .unwrap();
        assert_eq!(resources.memory, Some(64 * MIB));
        assert_eq!(resources.memory_swap, Some(128 * MIB));
        assert_eq!(
            (resources.cpu_period, resources.cpu_quota),
            (Some(100_000), Some(50_000))
        );
        assert_eq!(resources.pids, None);
        let resources = limits(&read(json!({"PidsLimit": -5, "CpuShares": 512}))).unwrap();
        assert_eq!(
            (resources.pids, resources.cpu_shares),
            (Some(-1), Some(512))
        );
        assert_eq!((resources.memory, resources.memory_swap), (None, None));
    }

    #[test]
    fn the_engines_own_limits_fill_in() {
        let defaults = [Ulimit {
            name: "nofile".to_owned(),
            soft: 1,
            hard: -1,
        }];
        let asked = read(json!({"Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}]}));
        let limits = rlimits(&asked, &defaults).unwrap();
        assert_eq!(limits.len(), 2);
        assert_eq!((limits[1].soft, limits[1].hard), (1, u64::MAX));
        let bad = |value| rlimits(&read(json!({"Ulimits": [value]})), &[]).is_err();
        assert!(bad(json!({"Name": "bogus", "Soft": 1, "Hard": 1})));
        assert!(bad(json!({"Name": "core", "Soft": 2, "Hard": 1})));
        assert!(bad(json!({"Name": "core", "Soft": -1, "Hard": 1})));
    }

    #[test]
    fn device_rules() {
        let rule = device_rule("c 42:* rmw").unwrap();
        assert_eq!((rule.kind, rule.major, rule.minor), ('c', Some(42), None));
        for text in [
            "",
            "c",
            "c 42 r",
            "x 1:2 r",
            "c 1:2 x",
            "c 1:2 ",
            "c a:b r",
            "c 1:2 r w",
        ] {
            assert!(device_rule(text).is_err(), "{text}");
        }
    }
}
