//! What the data root stands on: whether containers' file systems can be mounted there at all.
//!
//! Found out when the engine opens, by mounting one nowhere, so that a person learns it with the remedy and not from
//! the first container. It must never leave anything behind.

use std::fs;
use std::path::Path;

use rootfs::Overlay;
use rustix::fs::FsWord;
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The folder below the data root that is tried, and taken away again.
const FOLDER: &str = "ground";

/// File systems whose folders an overlay cannot write to, by the numbers of `statfs`.
const UNFIT: [(FsWord, &str); 6] = [
    (0x794c_7630, "overlayfs"),
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0x4d44, "FAT"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
];

/// Mounts an overlay with a layer, changes something in it, and forgets it.
pub(crate) fn check(data_root: &Path) -> Result<()> {
    let folder = data_root.join(FOLDER);
    sweep(&folder);
    let tried = try_in(&folder);
    sweep(&folder);
    tried.or_else(|error| {
        if matches!(error.errno(), Some(Errno::NOSPC | Errno::DQUOT)) {
            // A full disk says nothing about its kind, and whoever makes room needs the engine.
            return Ok(());
        }
        let why = explain(data_root, error.errno());
        let message = format!(
            "containers' files cannot be kept in {}{why}",
            data_root.display()
        );
        Err(Error::internal(message).because(error))
    })
}

fn try_in(folder: &Path) -> Result<(), rootfs::Error> {
    let [layer, changes, work] = ["layer", "changes", "work"].map(|name| folder.join(name));
    for part in [&layer, &changes, &work] {
        fs::create_dir_all(part).map_err(|source| rootfs::Error {
            operation: "make directory",
            path: part.clone(),
            source,
        })?;
    }
    let root = Overlay::writable(vec![layer], changes, work).mount()?;
    root.make_directory("changed", rootfs::Mode(0o700))
}

fn sweep(folder: &Path) {
    // Not being there is what is wanted; what cannot be taken away is told by the trial.
    let _gone = fs::remove_dir_all(folder);
}

/// What is wrong and what to do about it; empty where nothing better is known than the kernel's word.
fn explain(data_root: &Path, errno: Option<Errno>) -> String {
    match errno {
        Some(Errno::NODEV) => {
            ": this kernel has no overlay file system; load it with `modprobe overlay`".to_owned()
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            ": this takes CAP_SYS_ADMIN; if this is a container, start it with --privileged".to_owned()
        }
        _ => rustix::fs::statfs(data_root)
            .ok()
            .and_then(|facts| unfit(facts.f_type))
            .map(|name| {
                format!(
                    ": it lies on {name}, where an overlay cannot be written; choose a folder on ext4, XFS, Btrfs or tmpfs \
                     with --data-root, or mount a volume there if this is a container"
                )
            })
            .unwrap_or_default(),
    }
}

fn unfit(kind: FsWord) -> Option<&'static str> {
    UNFIT
        .iter()
        .find(|(number, _)| *number == kind)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use super::{explain, unfit};

    #[test]
    fn remedies_are_named() {
        let why = |errno| explain(Path::new("/proc"), Some(errno));
        assert!(why(Errno::NODEV).contains("modprobe overlay"));
        assert!(why(Errno::PERM).contains("--privileged"));
        assert_eq!(why(Errno::NOSPC), "");
        assert_eq!(unfit(0x794c_7630), Some("overlayfs"));
        assert_eq!(unfit(0xef53), None, "ext4");
    }
}
