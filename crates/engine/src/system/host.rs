//! Facts about the computer, from `/proc`, `/etc/os-release` and `uname`.

use std::path::Path;

/// What a person wants to know of the computer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HostFacts {
    pub(super) name: String,
    pub(super) kernel: String,
    pub(super) architecture: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub(super) system: String,
    pub(super) system_version: String,
    pub(super) processors: u64,
    pub(super) memory_bytes: u64,
    pub(super) ipv4_forwarding: bool,
}

impl HostFacts {
    /// As they are now.
    pub(super) fn read() -> Self {
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let release = std::fs::read_to_string("/etc/os-release")
            .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
            .unwrap_or_default();
        let forwarding = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
        let processors = std::thread::available_parallelism();
        Self {
            name: text(uname.nodename()),
            kernel: text(uname.release()),
            architecture: text(uname.machine()),
            system: value(&release, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            system_version: value(&release, "VERSION_ID").unwrap_or_default(),
            processors: processors.map_or(1, |count| count.get() as u64),
            memory_bytes: crate::stats::host_memory_bytes(),
            ipv4_forwarding: forwarding.is_ok_and(|text| text.trim() == "1"),
        }
    }
}

/// The value of a key in `os-release`.
fn value(text: &str, key: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let line = line.trim();
    let bare = line
        .strip_prefix('"')
        .and_then(|line| line.strip_suffix('"'))
        .or_else(|| {
            line.strip_prefix('\'')
                .and_then(|line| line.strip_suffix('\''))
        });
    Some(bare.unwrap_or(line).to_owned())
}

/// What kind of file system a path is on, as Docker calls it.
pub(super) fn file_system(path: &Path) -> String {
    let Ok(facts) = rustix::fs::statfs(path) else {
        return "<unknown>".to_owned();
    };
    // The numbers are the kernel's, in its `magic.h`.
    match facts.f_type {
        0xEF53 => "extfs",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlayfs",
        0x2FC1_2FC1 => "zfs",
        0xF2F5_2010 => "f2fs",
        0x6969 => "nfs",
        _ => "<unknown>",
    }
    .to_owned()
}

/// How many descriptors this process has open.
pub(super) fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// How many threads this process has.
pub(super) fn threads() -> u64 {
    std::fs::read_dir("/proc/self/task").map_or(0, |entries| entries.count() as u64)
}

/// The number of the last processor that is switched on.
pub(crate) fn last_processor() -> u32 {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    last_of(&online).unwrap_or(u32::MAX)
}

/// The last number of a list as `0-3,8`.
fn last_of(list: &str) -> Option<u32> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn the_last_processor_ends_the_list() {
        assert_eq!(super::last_of("0\n"), Some(0));
        assert_eq!(super::last_of("0-3,8-11\n"), Some(11));
        assert_eq!(super::last_of(""), None);
    }

    #[test]
    fn the_release_is_read() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\nID=debian\n";
        assert_eq!(
            value(text, "PRETTY_NAME").as_deref(),
            Some("Debian GNU/Linux 12 (bookworm)")
        );
        assert_eq!(value(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(value(text, "ID").as_deref(), Some("debian"));
        assert_eq!(value(text, "NAME"), None);
    }
}
