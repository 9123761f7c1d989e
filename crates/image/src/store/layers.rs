//! Layers: directories that overlayfs mounts, each known by the digest of its archive.

use std::path::{Path, PathBuf};

use model::digest::DiffId;
use rootfs::Root;

use super::database::{ArchiveForm, Change, LayerRecord};
use super::{Hold, Store};
use crate::error::{Error, Result};

/// Letters and digits of a layer directory's name: enough that two are never equal, few because the names of
/// all of an image's layers go into one mount option.
const NAME_LENGTH: usize = 6;

/// A layer in the store, kept there until this is dropped.
#[derive(Debug)]
pub struct Layer {
    /// The digest of its uncompressed archive.
    pub diff_id: DiffId,
    /// Bytes of contents, all files together.
    pub size: u64,
    pub(crate) _hold: Hold,
}

/// A layer that is ready in `incoming` and only has to be moved to its place and recorded.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) diff_id: DiffId,
    pub(crate) size: u64,
    pub(crate) archive_size: u64,
    pub(crate) archive: ArchiveForm,
    /// Its files.
    pub(crate) directory: PathBuf,
    /// Its recipe or archive, unless it is what packing gives.
    pub(crate) recipe: Option<PathBuf>,
}

impl Store {
    /// The directories of these layers, given lowest first as images name them: topmost first, as overlayfs
    /// wants them.
    pub fn layer_directories(&self, layers: &[DiffId]) -> Result<Vec<PathBuf>> {
        let index = self.index();
        // The kernel refuses a directory twice, and the same layer further below adds nothing to itself.
        let mut seen = std::collections::BTreeSet::new();
        layers
            .iter()
            .rev()
            .filter(|diff_id| seen.insert(**diff_id))
            .map(|diff_id| {
                index
                    .layer(*diff_id)
                    .map(|record| self.path("layers", &record.directory))
                    .ok_or(Error::NoSuchLayer { diff_id: *diff_id })
            })
            .collect()
    }

    /// Keeps these layers in the store, whatever becomes of the images, until the hold is dropped.
    pub fn hold(&self, layers: &[DiffId]) -> Result<Hold> {
        // Whoever removes looks at the holds while it has this.
        let _writing = self.writing();
        let index = self.index();
        if let Some(missing) = layers.iter().find(|layer| index.layer(**layer).is_none()) {
            return Err(Error::NoSuchLayer { diff_id: *missing });
        }
        Ok(self.inner.holds.hold(layers))
    }

    /// Bytes of contents of a layer.
    pub fn layer_size(&self, diff_id: DiffId) -> Option<u64> {
        self.index().layer(diff_id).map(|record| record.size)
    }

    /// Whether a layer is in the store.
    pub fn has_layer(&self, diff_id: DiffId) -> bool {
        self.index().layer(diff_id).is_some()
    }

    /// Moves prepared layers to their places and gives the changes that record them. What another has put into
    /// the store in the meantime is left as it is. The caller holds [`Store::writing`] until they are committed.
    pub(crate) fn place_layers(&self, prepared: Vec<Prepared>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for layer in prepared {
            let placed = changes.iter().any(
                |change| matches!(change, Change::PutLayer(diff_id, _) if *diff_id == layer.diff_id),
            );
            // What is not moved goes with the workspace it is in.
            if placed || self.has_layer(layer.diff_id) {
                continue;
            }
            let name = self.free_name()?;
            if let Some(recipe) = &layer.recipe {
                move_to(recipe, &self.path("recipes", &name))?;
            }
            move_to(&layer.directory, &self.path("layers", &name))?;
            let record = LayerRecord {
                directory: name,
                size: layer.size,
                archive_size: layer.archive_size,
                archive: layer.archive,
                remote: Vec::new(),
                unsettled: Some(self.inner.boot.clone()),
            };
            changes.push(Change::PutLayer(layer.diff_id, record));
        }
        Ok(changes)
    }

    /// Removes what an end of the program left in `layers` and `recipes` without a record.
    pub(super) fn sweep_unrecorded(&self) -> Result<()> {
        let recorded: std::collections::HashSet<String> = self
            .index()
            .layers()
            .map(|(_, record)| record.directory.clone())
            .collect();
        for directory in ["layers", "recipes"] {
            let root = Root::open(self.inner.root.join(directory))?;
            for entry in root.entries("/")? {
                if entry
                    .name
                    .to_str()
                    .is_none_or(|name| !recorded.contains(name))
                {
                    root.remove_all(&entry.name)?;
                }
            }
        }
        Ok(())
    }

    /// Removes a layer's files. They are moved aside first, so that nothing half-removed is ever found at the
    /// name of a layer.
    pub(super) fn discard(&self, name: &str) -> Result<()> {
        let workspace = self.workspace()?;
        for directory in ["layers", "recipes"] {
            let from = self.path(directory, name);
            match std::fs::rename(&from, workspace.path()?) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::file("remove", from, source)),
            }
        }
        Ok(())
    }

    fn free_name(&self) -> Result<String> {
        loop {
            let name = random_name()?;
            let path = self.path("layers", &name);
            match path.try_exists() {
                Ok(false) => return Ok(name),
                Ok(true) => {}
                Err(source) => return Err(Error::file("look for", path, source)),
            }
        }
    }
}

fn move_to(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|source| Error::file("move", from, source))
}

pub(super) fn random_name() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; NAME_LENGTH];
    getrandom::fill(&mut bytes).map_err(|source| Error::Stream {
        operation: "read random bytes",
        source: std::io::Error::other(source.to_string()),
    })?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect())
}
