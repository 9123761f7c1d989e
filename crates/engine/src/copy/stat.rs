//! What the API says of a path. Pure.

use std::path::Path;

use model::api::container::PathStat;
use rootfs::{Kind, Metadata};

/// The bits of Go's `os.FileMode` that are not permissions.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const NAMED_PIPE: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SET_USER_ID: u32 = 1 << 23;
const SET_GROUP_ID: u32 = 1 << 22;
const CHARACTER_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;

/// The path from the container's root on, without `.` and `..` that lead nowhere, with the slash or point that it
/// ends in: they say that a directory is meant.
pub(super) fn absolute(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut absolute = format!("/{}", parts.join("/"));
    if parts.is_empty() {
        return absolute;
    }
    if path.ends_with("/.") {
        absolute.push_str("/.");
    } else if path.ends_with('/') {
        absolute.push('/');
    }
    absolute
}

/// The last part of an absolute path, as Go has it.
fn base(absolute: &str) -> &str {
    let trimmed = absolute.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, last)) => last,
        None => "/",
    }
}

pub(super) fn path_stat(absolute: &str, metadata: &Metadata, link_target: &Path) -> PathStat {
    let modified = jiff::Timestamp::new(
        metadata.modified_seconds,
        i32::try_from(metadata.modified_nanoseconds).unwrap_or_default(),
    );
    PathStat {
        name: base(absolute).to_owned(),
        size: i64::try_from(metadata.size).unwrap_or(i64::MAX),
        mode: go_mode(metadata),
        mtime: modified.unwrap_or_default().to_string(),
        link_target: link_target.to_string_lossy().into_owned(),
    }
}

fn go_mode(metadata: &Metadata) -> u32 {
    let bits = metadata.mode.0;
    let kind = match metadata.kind {
        Kind::File => 0,
        Kind::Directory => DIRECTORY,
        Kind::Symlink => SYMLINK,
        Kind::CharacterDevice => DEVICE | CHARACTER_DEVICE,
        Kind::BlockDevice => DEVICE,
        Kind::Fifo => NAMED_PIPE,
        Kind::Socket => SOCKET,
    };
    let special = [
        (0o4000, SET_USER_ID),
        (0o2000, SET_GROUP_ID),
        (0o1000, STICKY),
    ];
    let special = special.iter().filter(|(bit, _)| bits & bit != 0);
    kind | (bits & 0o777) | special.map(|(_, go)| go).sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::{absolute, base};

    #[track_caller]
    fn check(path: &str, expect: &str, name: &str) {
        let absolute = absolute(path);
        assert_eq!((absolute.as_str(), base(&absolute)), (expect, name));
    }

    #[test]
    fn paths_begin_at_the_containers_root() {
        check("etc/passwd", "/etc/passwd", "passwd");
        check("/etc/passwd", "/etc/passwd", "passwd");
        check("/etc/", "/etc/", "etc");
        check("/etc/.", "/etc/.", ".");
        check("/", "/", "/");
        check("", "/", "/");
        check(".", "/", "/");
        check("../../etc", "/etc", "etc");
        check("/a/../b//c", "/b/c", "c");
    }
}
