//! What a container uses, read from its cgroup. Network figures are not here: they are the network's to tell.

use serde::{Deserialize, Serialize};

/// What a container uses at one moment. Zero where the kernel doesn't say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// CPU time.
    pub cpu: CpuStatistics,
    /// Memory.
    pub memory: MemoryStatistics,
    /// Processes and threads.
    pub pids: PidStatistics,
    /// Block I/O, an entry for each device and operation.
    pub blkio: Vec<BlockStatistics>,
}

/// CPU time of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuStatistics {
    /// All of it, in nanoseconds.
    pub total_ns: u64,
    /// In user mode, in nanoseconds.
    pub user_ns: u64,
    /// In the kernel, in nanoseconds.
    pub system_ns: u64,
    /// On each CPU, in nanoseconds (v1 only; else empty).
    pub per_cpu_ns: Vec<u64>,
    /// Periods of the quota that passed.
    pub periods: u64,
    /// Periods in which it ran into the quota.
    pub throttled_periods: u64,
    /// How long it was held back, in nanoseconds.
    pub throttled_ns: u64,
}

/// Memory of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStatistics {
    /// In use, caches included, in bytes.
    pub usage: u64,
    /// The most that was in use, in bytes; zero where the kernel doesn't say.
    pub max_usage: u64,
    /// The limit in bytes; `u64::MAX` is none.
    pub limit: u64,
    /// How often the limit was hit.
    pub failures: u64,
    /// The kernel's own names and values: `cache`, `rss`, `inactive_file`, `total_inactive_file`…
    pub details: Vec<(String, u64)>,
}

/// Processes and threads of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidStatistics {
    /// How many there are.
    pub current: u64,
    /// How many there may be; `u64::MAX` is no limit.
    pub limit: u64,
}

/// Block I/O of a container on one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockStatistics {
    /// The device's major number.
    pub major: u64,
    /// The device's minor number.
    pub minor: u64,
    /// `read` or `write`.
    pub operation: String,
    /// Bytes moved.
    pub bytes: u64,
    /// Operations done.
    pub operations: u64,
}
