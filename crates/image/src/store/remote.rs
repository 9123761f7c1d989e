//! Which compressed forms of layers registries are known to have.

use model::digest::{DiffId, ImageId};
use model::reference::Reference;

use super::Store;
use super::database::{Change, RemoteBlob};
use crate::error::Result;

/// Places that are remembered for a layer; the latest count.
const MAX_REMEMBERED: usize = 8;

impl Store {
    /// Remembers where layers were seen.
    pub(crate) fn remember_remote(&self, seen: Vec<(DiffId, RemoteBlob)>) -> Result<()> {
        let _writing = self.writing();
        let mut changes = Vec::new();
        {
            let index = self.index();
            for (diff_id, blob) in seen {
                let Some(known) = index.layer(diff_id) else {
                    continue;
                };
                if known.remote.contains(&blob) {
                    continue;
                }
                let mut record = known.clone();
                record
                    .remote
                    .retain(|old| old.repository != blob.repository);
                record.remote.push(blob);
                let surplus = record.remote.len().saturating_sub(MAX_REMEMBERED);
                record.remote.drain(..surplus);
                changes.push(Change::PutLayer(diff_id, record));
            }
        }
        self.commit(changes)
    }

    /// Where a layer was seen.
    pub(crate) fn remote_blobs(&self, diff_id: DiffId) -> Result<Vec<RemoteBlob>> {
        Ok(self.layer_record(diff_id)?.remote)
    }

    /// The image that has this very name.
    pub(crate) fn index_name(&self, name: &Reference) -> Option<ImageId> {
        self.index().find_name(name).map(|image| image.id)
    }
}
