//! Several directories seen as one, without mounting them anywhere.
//!
//! The mount has no place in any namespace: it lives as long as a handle to it, so nothing is left behind however
//! the program ends.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::error::{Context, Error};
use crate::root::{Root, handle_path};

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
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(&context, "source", "overlay")?;
        // Handles make short paths and none that a comma or colon could cut.
        let lower = handles(&self.lower)?;
        add_lower(&context, &lower)?;
        let upper;
        if let Some(parts) = &self.upper {
            upper = handles(&[parts.changes.clone(), parts.work.clone()])?;
            for (key, handle) in ["upperdir", "workdir"].into_iter().zip(&upper) {
                rustix::mount::fsconfig_set_string(&context, key, handle_path(handle.as_fd()))?;
            }
        }
        // What such options leave behind could not be read without the same options.
        for (key, value) in [
            ("redirect_dir", "off"),
            ("metacopy", "off"),
            ("index", "off"),
        ] {
            rustix::mount::fsconfig_set_string(&context, key, value)?;
        }
        rustix::mount::fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC
            | MountAttrFlags::MOUNT_ATTR_NOSUID;
        rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map(Root::from)
    }
}

/// Names the lower directories one by one where the kernel can (since 6.5), else all in one option.
fn add_lower(context: &OwnedFd, lower: &[OwnedFd]) -> Result<(), Errno> {
    for (index, handle) in lower.iter().enumerate() {
        let added =
            rustix::mount::fsconfig_set_string(context, "lowerdir+", handle_path(handle.as_fd()));
        match added {
            Err(Errno::INVAL) if index == 0 => {
                let all: Vec<_> = lower
                    .iter()
                    .map(|handle| handle_path(handle.as_fd()).display().to_string())
                    .collect();
                return rustix::mount::fsconfig_set_string(context, "lowerdir", all.join(":"));
            }
            other => other?,
        }
    }
    Ok(())
}

fn handles(paths: &[PathBuf]) -> Result<Vec<OwnedFd>, Errno> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    paths
        .iter()
        .map(|path| rustix::fs::open(path, flags, Mode::empty()))
        .collect()
}
