//! Several directories seen as one, without mounting them anywhere.
//!
//! The mount has no place in any namespace: it lives as long as a handle to it, so nothing is left behind however
//! the program ends.

#![expect(unsafe_code, reason = "unshare: a working directory for one thread")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::thread::UnshareFlags;

use crate::error::{Context, Error};
use crate::root::{Root, handle_path};

/// What the kernel calls the two directories of [`Upper`].
const UPPER_KEYS: [&str; 2] = ["upperdir", "workdir"];

/// The longest value of an option of `fsconfig`.
const LONGEST_OPTION: usize = 255;

/// Directories to be seen as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// What is read, the topmost first.
    pub lower: Vec<PathBuf>,
    /// What is written: the changes, and the overlay's working directory on the same file system. None for a
    /// view that cannot be changed.
    pub upper: Option<Upper>,
}

/// Where an overlay's changes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// The changes.
    pub changes: PathBuf,
    /// The overlay's own working directory.
    pub work: PathBuf,
}

impl Overlay {
    /// A view of `lower`, the topmost first, that cannot be changed.
    pub fn read_only(lower: Vec<PathBuf>) -> Self {
        Self { lower, upper: None }
    }

    /// A view of `lower`, the topmost first, whose changes go to `changes`.
    pub fn writable(lower: Vec<PathBuf>, changes: PathBuf, work: PathBuf) -> Self {
        Self {
            lower,
            upper: Some(Upper { changes, work }),
        }
    }

    /// Mounts it nowhere and gives its root.
    ///
    /// Programs beneath it cannot be executed and devices cannot be opened: it is for reading and copying.
    pub fn mount(&self) -> Result<Root, Error> {
        match (&self.upper, self.lower.as_slice()) {
            // The kernel refuses an overlay of a single directory.
            (None, [only]) => Root::open(only),
            (None, []) => Err(Error::new("mount overlay", Path::new(""), Errno::INVAL)),
            (_, [top, ..]) => self.mount_overlay().context("mount overlay", top),
            // Nothing below: the changes are all there is.
            (Some(upper), []) => Root::open(&upper.changes),
        }
    }

    fn mount_overlay(&self) -> Result<Root, Errno> {
        let lower = handles(&self.lower)?;
        let upper = match &self.upper {
            Some(parts) => handles(&[parts.changes.clone(), parts.work.clone()])?,
            None => Vec::new(),
        };
        if takes_layers_one_by_one() {
            mount_one_by_one(&lower, &upper).map(Root::from)
        } else {
            mount_at_once(&lower, &upper).map(Root::from)
        }
    }
}

/// Since 6.7; what came before takes the option without a word, and fails only when it has all.
fn takes_layers_one_by_one() -> bool {
    let name = rustix::system::uname();
    version(&name.release().to_string_lossy()) >= (6, 7)
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Handles make short paths and none that a comma or colon could cut.
fn mount_one_by_one(lower: &[OwnedFd], upper: &[OwnedFd]) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for handle in lower {
        rustix::mount::fsconfig_set_string(&context, "lowerdir+", handle_path(handle.as_fd()))?;
    }
    for (key, handle) in UPPER_KEYS.into_iter().zip(upper) {
        rustix::mount::fsconfig_set_string(&context, key, handle_path(handle.as_fd()))?;
    }
    finish(&context)
}

/// All directories in one option, which takes 255 bytes at the most: their names are the bare numbers of their
/// handles, from within the folder of handles. A thread of its own goes there, so that nobody else does.
fn mount_at_once(lower: &[OwnedFd], upper: &[OwnedFd]) -> Result<OwnedFd, Errno> {
    let mount = || {
        // SAFETY: of all that `unshare` can part, this is the root and the working directory alone, which belong
        // to this new thread until it ends.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
        rustix::process::chdir("/proc/self/fd")?;
        let number = |handle: &OwnedFd| handle.as_raw_fd().to_string();
        let all = lower.iter().map(number).collect::<Vec<_>>().join(":");
        if all.len() > LONGEST_OPTION {
            return Err(Errno::TOOBIG);
        }
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(&context, "lowerdir", all)?;
        for (key, handle) in UPPER_KEYS.into_iter().zip(upper) {
            rustix::mount::fsconfig_set_string(&context, key, number(handle))?;
        }
        finish(&context)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, mount);
        let thread =
            thread.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        thread.join().unwrap_or(Err(Errno::IO))
    })
}

fn finish(context: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::mount::fsconfig_set_string(context, "source", "overlay")?;
    // What such options leave behind could not be read without the same options.
    for key in ["redirect_dir", "metacopy", "index"] {
        rustix::mount::fsconfig_set_string(context, key, "off")?;
    }
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOSUID;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn handles(paths: &[PathBuf]) -> Result<Vec<OwnedFd>, Errno> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    paths
        .iter()
        .map(|path| rustix::fs::open(path, flags, Mode::empty()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn releases_are_read() {
        assert_eq!(version("6.1.0-44-cloud-amd64"), (6, 1));
        assert_eq!(version("6.18.44-fc"), (6, 18));
        assert_eq!(version("odd"), (0, 0));
    }
}
