//! What a test leaves outside of its processes and namespaces, which the kernel takes away by itself: cgroup
//! directories, and a folder. A sandbox' keeper removes them; here is what removes those of a run whose
//! keeper was killed too, and what finds them.
//!
//! The owner is in the name, with its start time, so that a process id that has been used again is not taken
//! for the owner. It must never remove anything whose owner lives, or that is not named so.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

const PREFIX: &str = "essaim-test-";

/// A name that no other sandbox has, on this computer and at this time: `essaim-test-<pid>-<start>-<number>`.
pub fn fresh_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let pid = process::id();
    let started = start_time(pid).expect("this process lives");
    format!(
        "{PREFIX}{pid}-{started}-{}",
        NUMBER.fetch_add(1, Ordering::Relaxed)
    )
}

/// Removes what runs that are gone have left.
///
/// Another process may be removing the same at the same time, and a cgroup with a process in it stays: neither
/// is an error, and the next sweep sees what is left.
pub fn sweep() {
    for path in cgroup_roots().into_iter().flat_map(|root| children(&root)) {
        if is_left(&path) {
            remove_cgroup(&path);
        }
    }
    for path in children(&std::env::temp_dir()) {
        if is_left(&path) {
            let _gone_or_going: io::Result<()> = fs::remove_dir_all(&path);
        }
    }
}

/// The cgroup directories of the sandbox `name`, in all hierarchies.
pub fn cgroups_of(name: &str) -> Vec<PathBuf> {
    cgroup_roots()
        .into_iter()
        .map(|root| root.join(name))
        .filter(|path| path.exists())
        .collect()
}

/// Removes a cgroup and those below it. They are directories, but `remove_dir_all` would try to remove the
/// files in them, which only the kernel can.
fn remove_cgroup(path: &Path) {
    for child in children(path) {
        remove_cgroup(&child);
    }
    let _busy_or_gone: io::Result<()> = fs::remove_dir(path);
}

/// The mount points of the cgroup hierarchies: several with version 1, one with version 2.
fn cgroup_roots() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (target, kind) = (fields.next()?, fields.next()?);
            (kind == "cgroup" || kind == "cgroup2").then(|| PathBuf::from(target))
        })
        .collect()
}

/// The directories in `path`.
fn children(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn is_left(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| owner(name.to_str()?))
        .is_some_and(|(pid, started)| start_time(pid) != Some(started))
}

/// Process id and start time of the owner, from a name.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut fields = name.strip_prefix(PREFIX)?.split('-');
    let owner = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    fields.next()?.parse::<u32>().ok()?;
    fields.next().is_none().then_some(owner)
}

/// When a process was started, in ticks since boot, if it is there.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in brackets, may have spaces and brackets of its own. Field 22, the third is next.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{fresh_name, is_left, owner};

    #[test]
    fn a_name_tells_its_owner() {
        assert_eq!(owner("essaim-test-12-3456-0"), Some((12, 3456)));
        for other in [
            "essaim-test-",
            "essaim-test-12",
            "essaim-test-12-3456",
            "essaim-test-1-2-3-4",
            "docker",
        ] {
            assert_eq!(owner(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_belongs_to_nobody_is_left() {
        let mine = fresh_name();
        assert!(!is_left(Path::new(&mine)));
        let (pid, started) = owner(&mine).unwrap();
        assert!(is_left(Path::new(&format!(
            "/x/essaim-test-{pid}-{}-0",
            started + 1
        ))));
        assert!(!is_left(Path::new("/x/user.slice")));
    }
}
