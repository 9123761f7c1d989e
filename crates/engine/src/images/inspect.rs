//! One image in full, and how it was made.

use std::path::PathBuf;

use model::api::Labels;
use model::api::image::{HistoryItem, Inspect, Metadata, RootFs};
use model::api::inspect::GraphDriver;
use model::api::time::text_or_never;

use super::list::familiar;
use crate::Engine;
use crate::error::Result;

/// What clients know our way of stacking layers by.
pub(crate) const STORAGE_DRIVER: &str = "overlay2";

impl Engine {
    /// One image in full.
    pub fn inspect_image(&self, name: &str) -> Result<Inspect> {
        let store = self.image_store();
        let image = store.resolve(name)?;
        let names = store.names_of(image.id);
        let config = &image.config;
        let directories = store.layer_directories(image.layers())?;
        Ok(Inspect {
            id: image.id.to_string(),
            repo_tags: familiar(&names.tags),
            repo_digests: familiar(&names.digests),
            parent: image
                .parent
                .map(|parent| parent.to_string())
                .unwrap_or_default(),
            comment: config.comment.clone(),
            created: config.created.clone(),
            docker_version: config.docker_version.clone(),
            author: config.author.clone(),
            config: Some(config.config.clone()),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            os: config.os.clone(),
            os_version: config.os_version.clone(),
            size: i64::try_from(image.size).unwrap_or(i64::MAX),
            graph_driver: graph_driver(&directories),
            root_fs: RootFs {
                kind: "layers".to_owned(),
                layers: image.layers().iter().map(ToString::to_string).collect(),
            },
            metadata: Metadata {
                last_tag_time: text_or_never(image.tagged),
            },
        })
    }

    /// How an image was made, the newest step first.
    pub fn image_history(&self, name: &str) -> Result<Vec<HistoryItem>> {
        let store = self.image_store();
        let image = store.resolve(name)?;
        Ok(store.history(&image))
    }
}

/// Where an image's layers are; the topmost is what an overlay of the image alone would write to.
fn graph_driver(directories: &[PathBuf]) -> GraphDriver {
    let mut data = Labels::new();
    if let Some((top, below)) = directories.split_first() {
        let below: Vec<_> = below
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        data.insert("UpperDir".to_owned(), top.display().to_string());
        if !below.is_empty() {
            data.insert("LowerDir".to_owned(), below.join(":"));
        }
    }
    GraphDriver {
        data: Some(data),
        name: STORAGE_DRIVER.to_owned(),
    }
}
