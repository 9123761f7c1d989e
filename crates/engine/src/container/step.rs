//! Steps of a build: containers on a root that is not an image yet.

use std::path::PathBuf;

use model::api::image::ImageConfig;

/// What a container is made from.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// The image's id, `sha256:…`; empty if it is none yet.
    pub id: String,
    /// What it says about containers.
    pub config: ImageConfig,
    /// Its layers, topmost first.
    pub layers: Vec<PathBuf>,
}
