//! Where a build keeps its files meanwhile: a folder of its own below the data root, gone when the build ends,
//! however it ends. What a killed daemon left is swept at its next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder below the data root that these are in.
const FOLDER: &str = "builds";

/// See the module.
#[derive(Debug)]
pub(super) struct Workspace {
    path: PathBuf,
}

impl Workspace {
    /// Makes one.
    pub(super) fn new(data_root: &Path) -> Result<Self> {
        let parent = data_root.join(FOLDER);
        let failed =
            |cause| Error::io(format_args!("make a folder in {}", parent.display()), cause);
        match make(&parent) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(cause));
            }
            _ => {}
        }
        loop {
            let number = getrandom::u64()
                .map_err(|cause| Error::internal(format!("make a name up: {cause}")))?;
            let path = parent.join(format!("{number:016x}"));
            match make(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(failed(cause)),
            }
        }
    }

    /// Makes an empty folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        let made = fs::create_dir(&path);
        made.map_err(|cause| Error::io(format_args!("make {}", path.display()), cause))?;
        Ok(path)
    }

    /// Removes a folder in it.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let removed = rootfs::Root::open(&self.path).and_then(|root| root.remove_all(name));
        removed.map_err(|cause| {
            Error::internal(format!(
                "remove {}: {cause}",
                self.path.join(name).display()
            ))
            .because(cause)
        })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        // A context may have many files, and whoever drops this may be serving others.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&path))),
            Err(_) => remove(&path),
        }
    }
}

/// Removes what builds have left that did not end.
pub(crate) fn sweep(data_root: &Path) {
    let path = data_root.join(FOLDER);
    if path.exists() {
        remove(&path);
    }
}

fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Nothing in it is trusted, so it is walked as a container's files are.
fn remove(path: &Path) {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return;
    };
    let removed = rootfs::Root::open(parent).and_then(|root| root.remove_all(name));
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), %error, "a build's files are left");
    }
}

#[cfg(test)]
mod tests {
    use super::{Workspace, sweep};

    #[test]
    fn a_workspace_goes_with_its_build_or_at_the_next_start() {
        let data_root = tempfile::tempdir().unwrap();
        let builds = data_root.path().join("builds");
        let workspace = Workspace::new(data_root.path()).unwrap();
        let folder = workspace.folder("a").unwrap();
        std::fs::write(folder.join("file"), "x").unwrap();
        workspace.folder("b").unwrap();
        workspace.remove("b").unwrap();
        drop(workspace);
        assert_eq!(std::fs::read_dir(&builds).unwrap().count(), 0);

        std::mem::forget(Workspace::new(data_root.path()).unwrap());
        sweep(data_root.path());
        assert!(!builds.exists());
        sweep(data_root.path());
    }
}
