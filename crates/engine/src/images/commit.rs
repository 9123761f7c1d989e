//! A container's changes as an image, and the Dockerfile instructions that commit and import take.

use model::api::image::ImageConfig;

use crate::build::apply_changes;
use crate::error::Result;

/// The configuration after these instructions.
pub(super) fn changed(mut config: ImageConfig, changes: &[String]) -> Result<ImageConfig> {
    let changes = changes.iter().filter(|change| !change.trim().is_empty());
    let changes: Vec<_> = changes.cloned().collect();
    apply_changes(&mut config, &changes)?;
    Ok(config)
}
