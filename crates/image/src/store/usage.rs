//! What images are made of and take up.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use model::api::image::HistoryItem;
use model::digest::{DiffId, ImageId};
use model::reference::Reference;

use super::{Image, Store};

/// What the images take up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of contents of all layers, each counted once.
    pub layers: u64,
    /// Bytes of each image's layers that other images have too.
    pub shared: HashMap<ImageId, u64>,
}

impl Store {
    /// How an image was made, newest step first. Steps whose images are here are named by them.
    pub fn history(&self, image: &Image) -> Vec<HistoryItem> {
        let mut layers = image.layers().iter();
        let mut items: Vec<HistoryItem> = image
            .config
            .history
            .iter()
            .map(|step| {
                let layer = if step.empty_layer {
                    None
                } else {
                    layers.next()
                };
                HistoryItem {
                    comment: step.comment.clone(),
                    created: step.created_at().map_or(0, Timestamp::as_second),
                    created_by: step.created_by.clone(),
                    id: "<missing>".to_owned(),
                    size: layer
                        .and_then(|layer| self.layer_size(*layer))
                        .and_then(|size| i64::try_from(size).ok())
                        .unwrap_or(0),
                    tags: None,
                }
            })
            .collect();
        items.reverse();
        let mut step = Some(image.id);
        for item in &mut items {
            let Some(id) = step else { break };
            item.id = id.to_string();
            let tags = self.names_of(id).tags;
            if !tags.is_empty() {
                item.tags = Some(tags.iter().map(Reference::familiar).collect());
            }
            step = self.get(id).and_then(|image| image.parent);
        }
        items
    }

    /// What the images take up.
    pub fn usage(&self) -> Usage {
        let images = self.list();
        let mut users: HashMap<DiffId, usize> = HashMap::new();
        for image in &images {
            let layers: HashSet<_> = image.layers().iter().copied().collect();
            for layer in layers {
                *users.entry(layer).or_default() += 1;
            }
        }
        let size = |layer: &DiffId| self.layer_size(*layer).unwrap_or(0);
        Usage {
            layers: self.index().layers().map(|(_, record)| record.size).sum(),
            shared: images
                .iter()
                .map(|image| {
                    let shared = image
                        .layers()
                        .iter()
                        .filter(|layer| users.get(layer).is_some_and(|count| *count > 1))
                        .map(size)
                        .sum();
                    (image.id, shared)
                })
                .collect(),
        }
    }
}
