//! A place in `incoming` for what is being made, gone with whoever makes it.

use std::path::{Path, PathBuf};

use rootfs::Root;

use super::{Store, layers, make_directory};
use crate::error::Result;

/// A directory for half-made things. When it is dropped, so is all that is still in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    incoming: PathBuf,
    name: String,
}

impl Workspace {
    /// A new path in it.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        Ok(self.directory().join(layers::random_name()?))
    }

    /// A new directory in it.
    pub(crate) fn make_directory(&self) -> Result<PathBuf> {
        let path = self.path()?;
        make_directory(&path)?;
        Ok(path)
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> PathBuf {
        self.incoming.join(&self.name)
    }

    fn remove(&self) -> Result<()> {
        Ok(Root::open(&self.incoming)?.remove_all(Path::new(&self.name))?)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            // It is swept away when the store opens the next time.
            tracing::warn!(%error, name = self.name, "cannot remove what was half made");
        }
    }
}

impl Store {
    /// A place for things that are being made.
    pub(crate) fn workspace(&self) -> Result<Workspace> {
        let workspace = Workspace {
            incoming: self.inner.root.join("incoming"),
            name: layers::random_name()?,
        };
        make_directory(&workspace.directory())?;
        Ok(workspace)
    }
}
