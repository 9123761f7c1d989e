//! A container's changes as an image, and the Dockerfile instructions that commit and import take.

use model::api::image::ImageConfig;

use crate::error::{Error, Result};

/// The configuration after these instructions.
pub(super) fn changed(config: ImageConfig, changes: &[String]) -> Result<ImageConfig> {
    let changes = changes.iter().filter(|change| !change.trim().is_empty());
    match changes.count() {
        0 => Ok(config),
        _ => Err(Error::not_implemented("--change")),
    }
}
