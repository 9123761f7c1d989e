//! Layers' archives, put together again.

use std::fs::File;
use std::io::{self, Write};

use model::digest::DiffId;
use rootfs::{Root, pack};

use super::Store;
use super::commit::packing;
use super::database::{ArchiveForm, LayerRecord};
use crate::compression::decompress;
use crate::digest::Hashing;
use crate::error::{Error, Result};
use crate::recipe;

impl Store {
    /// How long a layer's uncompressed archive is.
    pub(crate) fn archive_size(&self, diff_id: DiffId) -> Result<u64> {
        Ok(self.layer_record(diff_id)?.archive_size)
    }

    /// Writes a layer's uncompressed archive to `target`, byte by byte what its digest was computed from. An
    /// error in the end means that what was written is not.
    pub fn write_archive(&self, diff_id: DiffId, target: impl Write) -> Result<()> {
        let record = self.layer_record(diff_id)?;
        let mut hashing = Hashing::new(target);
        let directory = self.path("layers", &record.directory);
        let kept = self.path("recipes", &record.directory);
        match record.archive {
            ArchiveForm::Packed => {
                let root = Root::open(&directory)?;
                pack(&root, "/", &mut hashing, &packing())?;
            }
            ArchiveForm::Recipe => {
                let root = Root::open(&directory)?;
                File::open(&kept)
                    .and_then(|recipe| recipe::follow(recipe, &root, &mut hashing))
                    .map_err(|source| Error::file("follow recipe", &kept, source))?;
            }
            ArchiveForm::Whole => {
                File::open(&kept)
                    .and_then(decompress)
                    .and_then(|(_, mut stream)| io::copy(&mut stream, &mut hashing))
                    .map_err(|source| Error::file("read", &kept, source))?;
            }
        }
        let (_, digest, _) = hashing.finish();
        if digest == diff_id.0 {
            Ok(())
        } else {
            Err(Error::LayerChanged { diff_id })
        }
    }

    pub(super) fn layer_record(&self, diff_id: DiffId) -> Result<LayerRecord> {
        self.index()
            .layer(diff_id)
            .cloned()
            .ok_or(Error::NoSuchLayer { diff_id })
    }
}
