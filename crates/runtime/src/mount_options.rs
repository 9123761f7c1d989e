//! Options of a file system in memory, as `mount -o` writes them. Pure.

use crate::failure::{Failure, FailureKind};
use crate::syscall::{MOUNT_NODEV, MOUNT_NOEXEC, MOUNT_NOSUID, MOUNT_RDONLY};

/// What such options mean to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TmpfsOptions {
    /// Attributes of the mount.
    pub(crate) attributes: u64,
    /// Names and values for the file system.
    pub(crate) values: Vec<(String, String)>,
}

/// Reads options; Docker's defaults are no set-user-id, no devices, no programs, unless the options say otherwise.
pub(crate) fn tmpfs(options: &str) -> Result<TmpfsOptions, Failure> {
    let mut attributes = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC;
    let mut values = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => attributes |= MOUNT_RDONLY,
            "rw" => attributes &= !MOUNT_RDONLY,
            "nosuid" => attributes |= MOUNT_NOSUID,
            "suid" => attributes &= !MOUNT_NOSUID,
            "nodev" => attributes |= MOUNT_NODEV,
            "dev" => attributes &= !MOUNT_NODEV,
            "noexec" => attributes |= MOUNT_NOEXEC,
            "exec" => attributes &= !MOUNT_NOEXEC,
            "defaults" | "async" | "sync" | "atime" | "noatime" | "relatime" | "norelatime"
            | "strictatime" | "nostrictatime" | "diratime" | "nodiratime" | "private"
            | "rprivate" => {}
            _ => {
                const KNOWN: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];
                let Some((name, value)) = option
                    .split_once('=')
                    .filter(|(name, _)| KNOWN.contains(name))
                else {
                    let message = format!("invalid tmpfs option [\"{option}\"]");
                    return Err(Failure::new(FailureKind::Mount, message));
                };
                values.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Ok(TmpfsOptions { attributes, values })
}

#[cfg(test)]
mod tests {
    use super::tmpfs;

    #[track_caller]
    fn check(options: &str, expect: Option<(u64, &[(&str, &str)])>) {
        let read = tmpfs(options).ok();
        let shown = read.as_ref().map(|read| {
            let values: Vec<_> = read
                .values
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            (read.attributes, values)
        });
        assert_eq!(
            shown,
            expect.map(|(attributes, values)| (attributes, values.to_vec()))
        );
    }

    #[test]
    fn options_are_read() {
        check("", Some((14, &[])));
        check("rw,size=64k,exec", Some((6, &[("size", "64k")])));
        check("ro,mode=1777,suid,dev", Some((9, &[("mode", "1777")])));
        check("bogus", None);
        check("lowerdir=/etc", None);
    }
}
