//! Finding and making paths beneath a container's root, before it is anybody's root.
//!
//! Every path goes through `openat2` with the root as its bound, so that no symbolic link in an image leads out of it,
//! and what comes back is a descriptor: nobody can put another thing in its place between the look and the use.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// What is to be made where a path is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A folder.
    Folder,
    /// An empty file.
    File,
}

/// Opens a path beneath a root, as a place only. Links are followed as the container would.
pub(crate) fn find(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open(root, path, OFlags::PATH)
}

/// Opens a path beneath a root with these flags. Links are followed as the container would, but not those of `/proc`
/// that lead to wherever a process or descriptor is.
pub(crate) fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // A rename somewhere made the kernel unsure: it asks to be asked again.
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
}

/// Opens a path beneath a root, and makes what is missing of it.
pub(crate) fn find_or_make(root: BorrowedFd<'_>, path: &Path, missing: Missing) -> Result<OwnedFd> {
    match find(root, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let names: Vec<&OsStr> = normal_components(path);
    let mut reached = PathBuf::from("/");
    let mut parent = find(root, &reached)?;
    for (place, name) in names.iter().enumerate() {
        reached.push(name);
        parent = match find(root, &reached) {
            Err(Errno::NOENT) => {
                make(
                    parent.as_fd(),
                    name,
                    if place + 1 == names.len() {
                        missing
                    } else {
                        Missing::Folder
                    },
                )?;
                find(root, &reached)?
            }
            other => other?,
        };
    }
    Ok(parent)
}

/// Opens the folder `name` directly beneath `root`, and makes it if it is missing. A link there is refused.
pub(crate) fn plain_folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(root, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            rustix::fs::mkdirat(root, name, Mode::from(0o755))?;
            rustix::fs::openat(root, name, flags, Mode::empty())
        }
        other => other,
    }
}

/// The folder that a path is in, made if it is missing, and the path's last name.
pub(crate) fn parent_or_make<'a>(
    root: BorrowedFd<'_>,
    path: &'a Path,
) -> Result<(OwnedFd, &'a OsStr)> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let parent = find_or_make(
        root,
        path.parent().unwrap_or(Path::new("/")),
        Missing::Folder,
    )?;
    Ok((parent, name))
}

/// Whether a descriptor is a folder.
pub(crate) fn is_folder(place: BorrowedFd<'_>) -> Result<bool> {
    let status = rustix::fs::statat(place, "", AtFlags::EMPTY_PATH)?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

fn make(parent: BorrowedFd<'_>, name: &OsStr, missing: Missing) -> Result<()> {
    let made = match missing {
        Missing::Folder => rustix::fs::mkdirat(parent, name, Mode::from(0o755)),
        Missing::File => {
            rustix::fs::mknodat(parent, name, FileType::RegularFile, Mode::from(0o644), 0)
        }
    };
    // Somebody else made it meanwhile: what it is will show when it is opened.
    made.or_else(|error| {
        if error == Errno::EXIST {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// The names of a path, `..` taken back as text.
fn normal_components(path: &Path) -> Vec<&OsStr> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => {
                names.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::{Mode, OFlags};

    use super::{Missing, find, find_or_make, plain_folder};

    fn root(folder: &Path) -> OwnedFd {
        rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn links_lead_nowhere_out() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        let root = root(inside.path());
        symlink(outside.path(), inside.path().join("absolute")).unwrap();
        symlink("../../../../../..", inside.path().join("up")).unwrap();
        let name = Path::new("absolute/made");
        // The link's target does not exist beneath the root, and is not made up.
        assert!(find_or_make(root.as_fd(), name, Missing::Folder).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        find_or_make(root.as_fd(), Path::new("/up/a/b"), Missing::File).unwrap();
        assert!(inside.path().join("a/b").is_file());
        find_or_make(root.as_fd(), Path::new("/x/../y/z"), Missing::Folder).unwrap();
        assert!(inside.path().join("y/z").is_dir());
    }

    #[test]
    fn links_of_proc_are_refused() {
        let root = root(Path::new("/"));
        assert!(find(root.as_fd(), Path::new("/proc/self/cwd")).is_err());
        assert!(find(root.as_fd(), Path::new("/proc/self/fd/0")).is_err());
    }

    #[test]
    fn a_plain_folder_is_no_link() {
        let inside = tempfile::tempdir().unwrap();
        let root = root(inside.path());
        symlink("/tmp", inside.path().join("proc")).unwrap();
        assert!(plain_folder(root.as_fd(), "proc").is_err());
        plain_folder(root.as_fd(), "sys").unwrap();
        assert!(inside.path().join("sys").is_dir());
    }
}
