//! What a cgroup says of what its processes use.

use std::path::Path;

use super::Cgroup;
use crate::host::CgroupLayout;
use crate::statistics::{
    BlockStatistics, CpuStatistics, MemoryStatistics, PidStatistics, Statistics,
};

impl Cgroup {
    /// What its processes use now; zero where the kernel doesn't say.
    pub fn statistics(&self) -> Statistics {
        match &self.layout {
            CgroupLayout::V1 { .. } => self.statistics_v1(),
            CgroupLayout::V2 { mount, .. } => statistics_v2(&mount.join(&self.name)),
            CgroupLayout::Absent => Statistics::default(),
        }
    }

    fn statistics_v1(&self) -> Statistics {
        let read = |controller: &str, file: &str| {
            self.folder_of(controller)
                .map(|folder| text(&folder, file))
                .unwrap_or_default()
        };
        let one = |controller: &str, file: &str| number(&read(controller, file));
        let times = pairs(&read("cpuacct", "cpuacct.stat"));
        let throttling = pairs(&read("cpu", "cpu.stat"));
        // The kernel counts these in ticks, of which it promises 100 a second to programs.
        let ticks = |name: &str| value(&times, name) * 10_000_000;
        Statistics {
            cpu: CpuStatistics {
                total_ns: one("cpuacct", "cpuacct.usage"),
                user_ns: ticks("user"),
                system_ns: ticks("system"),
                per_cpu_ns: read("cpuacct", "cpuacct.usage_percpu")
                    .split_whitespace()
                    .filter_map(|time| time.parse().ok())
                    .collect(),
                periods: value(&throttling, "nr_periods"),
                throttled_periods: value(&throttling, "nr_throttled"),
                throttled_ns: value(&throttling, "throttled_time"),
            },
            memory: MemoryStatistics {
                usage: one("memory", "memory.usage_in_bytes"),
                max_usage: one("memory", "memory.max_usage_in_bytes"),
                // Without a limit v1 shows the largest number of whole pages.
                limit: Some(one("memory", "memory.limit_in_bytes"))
                    .filter(|&limit| limit < 1 << 62)
                    .unwrap_or(u64::MAX),
                failures: one("memory", "memory.failcnt"),
                details: pairs(&read("memory", "memory.stat")),
            },
            pids: PidStatistics {
                current: one("pids", "pids.current"),
                limit: limit(&read("pids", "pids.max")),
            },
            blkio: block_v1(
                &read("blkio", "blkio.throttle.io_service_bytes_recursive"),
                &read("blkio", "blkio.throttle.io_serviced_recursive"),
            ),
        }
    }
}

fn statistics_v2(folder: &Path) -> Statistics {
    let read = |file: &str| text(folder, file);
    let times = pairs(&read("cpu.stat"));
    let microseconds = |name: &str| value(&times, name) * 1_000;
    Statistics {
        cpu: CpuStatistics {
            total_ns: microseconds("usage_usec"),
            user_ns: microseconds("user_usec"),
            system_ns: microseconds("system_usec"),
            per_cpu_ns: Vec::new(),
            periods: value(&times, "nr_periods"),
            throttled_periods: value(&times, "nr_throttled"),
            throttled_ns: microseconds("throttled_usec"),
        },
        memory: MemoryStatistics {
            usage: number(&read("memory.current")),
            max_usage: number(&read("memory.peak")),
            limit: limit(&read("memory.max")),
            failures: value(&pairs(&read("memory.events")), "max"),
            details: pairs(&read("memory.stat")),
        },
        pids: PidStatistics {
            current: number(&read("pids.current")),
            limit: limit(&read("pids.max")),
        },
        blkio: block_v2(&read("io.stat")),
    }
}

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap_or_default()
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// A limit, `max` or missing being none.
fn limit(text: &str) -> u64 {
    text.trim().parse().unwrap_or(u64::MAX)
}

/// Lines of a name and a number.
fn pairs(text: &str) -> Vec<(String, u64)> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)))
        .collect()
}

fn value(pairs: &[(String, u64)], name: &str) -> u64 {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map_or(0, |(_, value)| *value)
}

/// Lines of `8:0 Read 4096`, once for bytes and once for operations.
fn block_v1(bytes: &str, operations: &str) -> Vec<BlockStatistics> {
    let lines = |text: &str| -> Vec<(u64, u64, String, u64)> {
        text.lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                let (major, minor) = words.next()?.split_once(':')?;
                let operation = words.next()?.to_lowercase();
                let count = words.next()?.parse().ok()?;
                Some((major.parse().ok()?, minor.parse().ok()?, operation, count))
            })
            .filter(|(_, _, operation, _)| operation == "read" || operation == "write")
            .collect()
    };
    let operations = lines(operations);
    lines(bytes)
        .into_iter()
        .map(|(major, minor, operation, bytes)| BlockStatistics {
            major,
            minor,
            bytes,
            operations: operations
                .iter()
                .find(|(other_major, other_minor, other, _)| {
                    (*other_major, *other_minor, other) == (major, minor, &operation)
                })
                .map_or(0, |(_, _, _, count)| *count),
            operation,
        })
        .collect()
}

/// Lines of `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …`.
fn block_v2(text: &str) -> Vec<BlockStatistics> {
    let mut statistics = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
            continue;
        };
        let values: Vec<(String, u64)> = words
            .filter_map(|word| word.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        for (operation, bytes, operations) in
            [("read", "rbytes", "rios"), ("write", "wbytes", "wios")]
        {
            statistics.push(BlockStatistics {
                major: number(major),
                minor: number(minor),
                operation: operation.to_owned(),
                bytes: value(&values, bytes),
                operations: value(&values, operations),
            });
        }
    }
    statistics
}

#[cfg(test)]
mod tests {
    use super::{block_v1, block_v2, limit, pairs};

    #[track_caller]
    fn check(
        statistics: &[crate::statistics::BlockStatistics],
        expect: &[(u64, u64, &str, u64, u64)],
    ) {
        let shown: Vec<_> = statistics
            .iter()
            .map(|one| {
                (
                    one.major,
                    one.minor,
                    one.operation.as_str(),
                    one.bytes,
                    one.operations,
                )
            })
            .collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn block_statistics_of_both_versions() {
        check(
            &block_v1(
                "8:0 Read 4096\n8:0 Write 0\n8:0 Sync 1\nTotal 4096\n",
                "8:0 Read 1\n8:0 Write 0\n",
            ),
            &[(8, 0, "read", 4096, 1), (8, 0, "write", 0, 0)],
        );
        check(
            &block_v2("254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n\n"),
            &[(254, 0, "read", 10, 1), (254, 0, "write", 20, 2)],
        );
    }

    #[test]
    fn numbers_and_limits() {
        assert_eq!(limit("max\n"), u64::MAX);
        assert_eq!(limit("7\n"), 7);
        assert_eq!(
            pairs("a 1\nb x\nc 3\n"),
            [("a".to_owned(), 1), ("c".to_owned(), 3)]
        );
    }
}
