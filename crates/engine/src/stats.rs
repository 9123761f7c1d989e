//! What a container uses, as a stream of readings: `docker stats`.
//!
//! The runtime reads the container's cgroup; here it is put into Docker's shape, with the host's processor time,
//! which clients compare it to, and what went over the container's interfaces.

mod host;

use std::time::Duration;

use futures_util::Stream;
use jiff::Timestamp;
use model::api::stats::{
    Blkio, BlkioEntry, Cpu, CpuUsage, Memory, Network, Pids, Stats, Throttling,
};
use model::api::time::{NEVER, text};
use runtime::statistics::Statistics;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Engine;
use crate::error::Result;
use crate::moment;
use host::HostFigures;
pub(crate) use host::memory_bytes as host_memory_bytes;

/// How long it is from one reading to the next: what clients expect.
const PERIOD: Duration = Duration::from_secs(1);

/// What is kept from one reading for the next.
#[derive(Debug, Clone)]
struct Before {
    read: Timestamp,
    cpu: Cpu,
}

impl Engine {
    /// What a container uses, a reading a second until it is removed. The first one comes at once without another
    /// to compare it with if `one_shot`, else after a second.
    pub fn container_stats(
        &self,
        name: &str,
        one_shot: bool,
    ) -> Result<impl Stream<Item = Stats> + Send + use<>> {
        let id = self.containers().find(name)?.id;
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let start = (self.clone(), ticks, None::<Before>, one_shot);
        Ok(futures_util::stream::unfold(
            start,
            move |(engine, mut ticks, mut before, one_shot)| async move {
                loop {
                    let stats = engine.next_reading(id, &mut ticks, &mut before).await?;
                    // Without one before it a reading of a running container shows nothing.
                    if one_shot || stats.read == NEVER || stats.preread != NEVER {
                        return Some((stats, (engine, ticks, before, one_shot)));
                    }
                }
            },
        ))
    }

    /// The next reading; nothing once the container is gone.
    async fn next_reading(
        &self,
        id: model::hex_id::ContainerId,
        ticks: &mut Interval,
        before: &mut Option<Before>,
    ) -> Option<Stats> {
        ticks.tick().await;
        let container = self.containers().get(id)?;
        let record = container.record();
        let stats = Stats {
            name: format!("/{}", record.name),
            id: id.to_string(),
            ..nothing()
        };
        let statistics = container.shim().map(|shim| shim.statistics());
        // It may end in between.
        let Some(Ok(statistics)) = statistics else {
            *before = None;
            return Some(stats);
        };
        let condition = container.condition();
        let interfaces = (record.host_config.network_mode != "host")
            .then(|| host::interfaces(condition.pid))
            .flatten();
        let read = moment::now();
        let cpu = cpu(&statistics, HostFigures::read());
        let stats = Stats {
            read: text(read),
            preread: text_of(before.as_ref().map(|before| before.read)),
            pids_stats: pids(&statistics),
            blkio_stats: blkio(&statistics),
            precpu_stats: before.take().map(|before| before.cpu).unwrap_or_default(),
            cpu_stats: cpu.clone(),
            memory_stats: memory(&statistics, host::memory_bytes()),
            networks: interfaces,
            ..stats
        };
        *before = Some(Before { read, cpu });
        Some(stats)
    }
}

fn text_of(moment: Option<Timestamp>) -> String {
    model::api::time::text_or_never(moment)
}

/// What a container uses that does not run.
fn nothing() -> Stats {
    Stats {
        read: NEVER.to_owned(),
        preread: NEVER.to_owned(),
        ..Stats::default()
    }
}

fn cpu(statistics: &Statistics, host: HostFigures) -> Cpu {
    let cpu = &statistics.cpu;
    Cpu {
        cpu_usage: CpuUsage {
            total_usage: cpu.total_ns,
            percpu_usage: Some(cpu.per_cpu_ns.clone()).filter(|each| !each.is_empty()),
            usage_in_kernelmode: cpu.system_ns,
            usage_in_usermode: cpu.user_ns,
        },
        system_cpu_usage: host.cpu_ns,
        online_cpus: host.cpus,
        throttling_data: Throttling {
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled_time: cpu.throttled_ns,
        },
    }
}

/// Without a limit of its own a container is limited by what the host has.
fn memory(statistics: &Statistics, host_bytes: u64) -> Memory {
    let memory = &statistics.memory;
    Memory {
        usage: memory.usage,
        max_usage: memory.max_usage,
        stats: memory.details.iter().cloned().collect(),
        failcnt: memory.failures,
        limit: memory.limit.min(host_bytes),
    }
}

fn pids(statistics: &Statistics) -> Pids {
    let limit = statistics.pids.limit;
    Pids {
        current: statistics.pids.current,
        limit: if limit == u64::MAX { 0 } else { limit },
    }
}

fn blkio(statistics: &Statistics) -> Blkio {
    let entries = |value: fn(&runtime::statistics::BlockStatistics) -> u64| {
        let entries = statistics.blkio.iter().map(|device| BlkioEntry {
            major: device.major,
            minor: device.minor,
            op: device.operation.clone(),
            value: value(device),
        });
        Some(entries.collect::<Vec<_>>()).filter(|entries| !entries.is_empty())
    };
    Blkio {
        io_service_bytes_recursive: entries(|device| device.bytes),
        io_serviced_recursive: entries(|device| device.operations),
        ..Blkio::default()
    }
}

/// What `/proc/net/dev` says of each interface but the loopback.
fn interfaces_of(text: &str) -> std::collections::BTreeMap<String, Network> {
    let lines = text.lines().skip(2);
    lines
        .filter_map(|line| {
            let (name, figures) = line.split_once(':')?;
            let figures: Vec<u64> = figures
                .split_whitespace()
                .map_while(|figure| figure.parse().ok())
                .collect();
            let [
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                _,
                _,
                _,
                _,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
                ..,
            ] = figures[..]
            else {
                return None;
            };
            let network = Network {
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
            };
            Some((name.trim().to_owned(), network))
        })
        .filter(|(name, _)| name != "lo")
        .collect()
}

#[cfg(test)]
mod tests {
    use runtime::statistics::{BlockStatistics, Statistics};

    use super::{blkio, interfaces_of, memory, pids};

    const DEV: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0:    1086      13    1    2    0     0          0         0      796      10    3    4    0     0       0          0
";

    #[test]
    fn interfaces_are_read() {
        let interfaces = interfaces_of(DEV);
        assert_eq!(interfaces.len(), 1);
        let eth0 = &interfaces["eth0"];
        assert_eq!(
            (
                eth0.rx_bytes,
                eth0.rx_packets,
                eth0.rx_errors,
                eth0.rx_dropped
            ),
            (1086, 13, 1, 2)
        );
        assert_eq!(
            (
                eth0.tx_bytes,
                eth0.tx_packets,
                eth0.tx_errors,
                eth0.tx_dropped
            ),
            (796, 10, 3, 4)
        );
    }

    #[test]
    fn no_limit_is_the_hosts() {
        let mut statistics = Statistics::default();
        statistics.memory.limit = u64::MAX;
        statistics.pids.limit = u64::MAX;
        assert_eq!(memory(&statistics, 1000).limit, 1000);
        assert_eq!(pids(&statistics).limit, 0);
        assert!(blkio(&statistics).io_serviced_recursive.is_none());
        statistics.blkio.push(BlockStatistics {
            major: 8,
            minor: 0,
            operation: "read".to_owned(),
            bytes: 512,
            operations: 1,
        });
        let blkio = blkio(&statistics);
        assert_eq!(blkio.io_service_bytes_recursive.unwrap()[0].value, 512);
    }
}
