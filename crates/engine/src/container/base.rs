//! What containers need of images: the root to start from, and that it stays.

use std::path::PathBuf;

use model::digest::DiffId;

use super::Base;
use crate::Engine;
use crate::error::Result;

impl Engine {
    /// The folders of layers given lowest first: topmost first.
    pub(super) fn layer_directories(&self, layers: &[DiffId]) -> Result<Vec<PathBuf>> {
        Ok(self.image_store().layer_directories(layers)?)
    }

    pub(super) fn hold_layers(&self, base: &Base) -> Result<Option<image::Hold>> {
        self.hold(&base.layers)
    }

    /// Keeps layers until the answer is dropped.
    pub(super) fn hold(&self, layers: &[DiffId]) -> Result<Option<image::Hold>> {
        if layers.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.image_store().hold(layers)?))
    }

    pub(super) fn layers_size(&self, layers: &[DiffId]) -> u64 {
        let sizes = layers
            .iter()
            .map(|layer| self.image_store().layer_size(*layer).unwrap_or(0));
        sizes.sum()
    }

    /// The ids of an image and of all that were built on it here.
    pub(super) fn image_and_descendants(&self, name: &str) -> Vec<String> {
        let store = self.image_store();
        let Ok(image) = store.resolve(name) else {
            return Vec::new();
        };
        let mut ids = vec![image.id];
        let mut place = 0;
        while let Some(id) = ids.get(place).copied() {
            for child in store.children_of(id) {
                if !ids.contains(&child) {
                    ids.push(child);
                }
            }
            place += 1;
        }
        ids.iter().map(ToString::to_string).collect()
    }
}
