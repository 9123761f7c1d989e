//! The host's figures that readings are compared to, from `/proc`.

use std::collections::BTreeMap;

use model::api::stats::Network;

/// One tick of `/proc/stat`, in nanoseconds: always a hundredth of a second for programs.
const TICK_NS: u64 = 10_000_000;

/// The processors of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HostFigures {
    /// Time that passed on all of them, idle or not, in nanoseconds.
    pub(super) cpu_ns: u64,
    /// How many there are.
    pub(super) cpus: u32,
}

impl HostFigures {
    /// As they are now; nothing if the kernel does not say.
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string("/proc/stat");
        text.map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("cpu") else {
                continue;
            };
            if rest.starts_with(' ') {
                // What guests use is in what users use already.
                let parts = rest.split_whitespace().take(8);
                let ticks: u64 = parts.filter_map(|part| part.parse::<u64>().ok()).sum();
                figures.cpu_ns = ticks.saturating_mul(TICK_NS);
            } else {
                figures.cpus += 1;
            }
        }
        figures
    }
}

/// How much memory the host has.
pub(crate) fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default().saturating_mul(1024)
}

/// What went over the interfaces of the process's network namespace.
pub(super) fn interfaces(pid: u32) -> Option<BTreeMap<String, Network>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    Some(super::interfaces_of(&text)).filter(|interfaces| !interfaces.is_empty())
}

#[cfg(test)]
mod tests {
    use super::HostFigures;

    #[test]
    fn the_hosts_time_is_summed() {
        let text = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 0 1 2 3 4 5 6 7 8 9\nintr 5\n";
        let figures = HostFigures::parse(text);
        assert_eq!(figures.cpus, 2);
        assert_eq!(figures.cpu_ns, 36 * 10_000_000);
    }
}
