//! New layers from directories of changes.
//!
//! Such a layer's archive is what packing its directory gives, always the same bytes, so it is not kept.

use std::path::Path;

use super::{Layer, Store};
use crate::error::{Error, Result};

impl Store {
    /// Takes the directory of changes of an overlay that is not mounted any more as a layer: it is moved, not
    /// copied, and so has to lie on the same file system.
    pub fn adopt_layer(&self, changes: &Path) -> Result<Layer> {
        self.commit_layer(changes)
    }

    /// Copies the directory of changes of an overlay, which may be in use, into a layer.
    pub fn commit_layer(&self, changes: &Path) -> Result<Layer> {
        Err(Error::file(
            "commit",
            changes,
            std::io::Error::from(std::io::ErrorKind::Unsupported),
        ))
    }

    /// Makes sure that all layers are on disk, so that a loss of power takes none. Loading, pulling and importing
    /// end with it; whoever adopts or commits layers calls it when the image is done.
    pub fn settle(&self) -> Result<()> {
        Ok(())
    }
}
