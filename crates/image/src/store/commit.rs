//! New layers from directories of changes.
//!
//! Such a layer's archive is what packing its directory gives, always the same bytes, so it is not kept.

use std::io;
use std::path::{Path, PathBuf};

use model::digest::DiffId;
use rootfs::{CopyOptions, PackOptions, Root, TopDirectory, Whiteouts, copy, pack};

use super::database::{ArchiveForm, Change};
use super::{Layer, Prepared, Store, Workspace};
use crate::digest::Hashing;
use crate::error::{Error, Result};

impl Store {
    /// Takes the directory of changes of an overlay that is not mounted any more as a layer: it is moved, not
    /// copied, if it lies on the same file system.
    pub fn adopt_layer(&self, changes: &Path) -> Result<Layer> {
        let workspace = self.workspace()?;
        let directory = workspace.path()?;
        match std::fs::rename(changes, &directory) {
            Ok(()) => self.take_in(directory),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                self.take_in(copied(changes, &workspace)?)
            }
            Err(source) => Err(Error::file("move", changes, source)),
        }
    }

    /// Copies the directory of changes of an overlay, which may be in use, into a layer.
    pub fn commit_layer(&self, changes: &Path) -> Result<Layer> {
        let workspace = self.workspace()?;
        self.take_in(copied(changes, &workspace)?)
    }

    /// Waits until all layers are on disk, so that a loss of power takes none. Until then, a layer that was made
    /// is gone when the computer starts again after one, and its images with it: none is ever there in part.
    /// Beside busy disks this takes long, so it is called in the background.
    pub fn settle(&self) -> Result<()> {
        let unsettled: Vec<_> = {
            let index = self.index();
            index
                .layers()
                .filter(|(_, record)| record.unsettled.is_some())
                .map(|(diff_id, record)| (diff_id, record.directory.clone()))
                .collect()
        };
        if unsettled.is_empty() {
            return Ok(());
        }
        self.synchronise()?;
        let _writing = self.writing();
        let changes = {
            let index = self.index();
            unsettled
                .into_iter()
                .filter_map(|(diff_id, directory)| {
                    let mut record = index.layer(diff_id)?.clone();
                    record.unsettled = None;
                    // Another layer of the same contents may have taken the place in the meantime.
                    (record.directory == directory).then_some(Change::PutLayer(diff_id, record))
                })
                .collect()
        };
        self.commit(changes)
    }

    /// Makes a layer of a directory in a workspace.
    fn take_in(&self, directory: PathBuf) -> Result<Layer> {
        let prepared = prepare_packed(directory)?;
        let (diff_id, size) = (prepared.diff_id, prepared.size);
        let _writing = self.writing();
        let changes = self.place_layers(vec![prepared])?;
        self.commit(changes)?;
        Ok(Layer {
            diff_id,
            size,
            _hold: self.inner.holds.hold(&[diff_id]),
        })
    }
}

/// A layer whose archive is what packing the directory gives.
pub(crate) fn prepare_packed(directory: PathBuf) -> Result<Prepared> {
    let root = Root::open(&directory)?;
    let mut hashing = Hashing::new(io::sink());
    let packed = pack(&root, "/", &mut hashing, &packing())?;
    let (_, digest, archive_size) = hashing.finish();
    Ok(Prepared {
        diff_id: DiffId(digest),
        size: packed.bytes,
        archive_size,
        archive: ArchiveForm::Packed,
        directory,
        recipe: None,
    })
}

/// How layers are packed. Whatever this changes to, archives of layers that exist come out different.
pub(super) fn packing() -> PackOptions {
    PackOptions {
        whiteouts: Whiteouts::Overlay,
        ..PackOptions::default()
    }
}

fn copied(changes: &Path, workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.make_directory()?;
    let options = CopyOptions {
        whiteouts: Whiteouts::Overlay,
        top: TopDirectory::Takes,
        ..CopyOptions::default()
    };
    let (from, to) = (Root::open(changes)?, Root::open(&directory)?);
    copy(&from, "/", &to, "/", &options)?;
    Ok(directory)
}
