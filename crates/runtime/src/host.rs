//! What the computer offers: probed once when the daemon starts, and handed to whoever decides by it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;

/// What this computer, as seen from here, can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAbilities {
    /// How cgroups are laid out.
    pub cgroups: CgroupLayout,
    /// The capabilities that we can pass on.
    pub capabilities: Capabilities,
    /// The kernel's version, major and minor.
    pub kernel: (u32, u32),
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
}

/// How cgroups are laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupLayout {
    /// A hierarchy per controller.
    V1 {
        /// The hierarchies.
        hierarchies: Vec<Hierarchy>,
    },
    /// One hierarchy with all controllers.
    V2 {
        /// Where it is mounted.
        mount: PathBuf,
        /// The controllers at its top.
        controllers: Vec<String>,
    },
    /// None that we could use: containers run without limits.
    Absent,
}

/// A hierarchy of cgroups v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Its controllers, or its name as `name=systemd`.
    pub controllers: Vec<String>,
}

impl HostAbilities {
    /// Looks at this computer.
    pub fn probe() -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let controllers_at = |mount: &Path| -> Vec<String> {
            std::fs::read_to_string(mount.join("cgroup.controllers"))
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        Self {
            cgroups: cgroup_layout(&mounts, controllers_at),
            capabilities: bounding_set(&status),
            kernel: kernel(),
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:")),
        }
    }
}

/// The kernel's version, major and minor.
pub(crate) fn kernel() -> (u32, u32) {
    kernel_version(&std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default())
}

/// The layout that these mounts show. In a hybrid one, v1 has the controllers.
fn cgroup_layout(mountinfo: &str, controllers_at: impl Fn(&Path) -> Vec<String>) -> CgroupLayout {
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    let mut unified = None;
    for line in mountinfo.lines() {
        let Some((mount, kind, options)) = mount_of(line) else {
            continue;
        };
        if kind == "cgroup2" {
            unified.get_or_insert(mount);
        } else if kind == "cgroup" {
            let controllers: Vec<String> = options
                .split(',')
                .filter(|option| {
                    !["rw", "ro", "xattr", "noprefix", "clone_children"].contains(option)
                })
                .filter(|option| !option.starts_with("release_agent"))
                .map(str::to_owned)
                .collect();
            // A hierarchy may be mounted more than once; the first will do.
            if !hierarchies
                .iter()
                .any(|known| known.controllers == controllers)
            {
                hierarchies.push(Hierarchy { mount, controllers });
            }
        }
    }
    let has_controllers = hierarchies.iter().any(|hierarchy| {
        hierarchy
            .controllers
            .iter()
            .any(|name| !name.starts_with("name="))
    });
    match unified {
        _ if has_controllers => CgroupLayout::V1 { hierarchies },
        Some(mount) => CgroupLayout::V2 {
            controllers: controllers_at(&mount),
            mount,
        },
        None => CgroupLayout::Absent,
    }
}

/// Mount point, type and super block options of a line of `mountinfo`.
fn mount_of(line: &str) -> Option<(PathBuf, &str, &str)> {
    let (front, back) = line.split_once(" - ")?;
    let mount = front.split(' ').nth(4)?;
    let mut back = back.split(' ');
    let (kind, options) = (back.next()?, back.nth(1)?);
    Some((PathBuf::from(mount.replace("\\040", " ")), kind, options))
}

fn bounding_set(status: &str) -> Capabilities {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .map_or(Capabilities::NONE, Capabilities::from_bits)
}

fn kernel_version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || {
        numbers
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    };
    (next(), next())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{CgroupLayout, Hierarchy, cgroup_layout, kernel_version};

    #[track_caller]
    fn check(mountinfo: &str, expect: &CgroupLayout) {
        assert_eq!(
            &cgroup_layout(mountinfo, |_| vec!["memory".to_owned()]),
            expect
        );
    }

    #[test]
    fn the_layout_is_read_from_the_mounts() {
        let v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        check(
            v2,
            &CgroupLayout::V2 {
                mount: PathBuf::from("/sys/fs/cgroup"),
                controllers: vec!["memory".to_owned()],
            },
        );
        let hybrid = "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 24 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      33 24 0:27 / /mnt rw - cgroup cgroup rw,cpu,cpuacct\n\
                      34 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let hierarchy = |mount: &str, controllers: &[&str]| Hierarchy {
            mount: PathBuf::from(mount),
            controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        };
        check(
            hybrid,
            &CgroupLayout::V1 {
                hierarchies: vec![
                    hierarchy("/sys/fs/cgroup/cpu", &["cpu", "cpuacct"]),
                    hierarchy("/sys/fs/cgroup/systemd", &["name=systemd"]),
                ],
            },
        );
        check(
            "22 1 254:0 / / rw - ext4 /dev/vda rw\n",
            &CgroupLayout::Absent,
        );
    }

    #[test]
    fn kernel_versions() {
        assert_eq!(kernel_version("6.18.44-fc\n"), (6, 18));
        assert_eq!(kernel_version("5.15"), (5, 15));
        assert_eq!(kernel_version(""), (0, 0));
    }
}
