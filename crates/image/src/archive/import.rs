//! An image of one layer, from the archive of a root.

use std::io::Read;
use std::sync::Arc;

use model::api::image::ImageConfig;
use model::platform::Platform;

use crate::error::{Error, Result};
use crate::{Image, Progress, Store};

/// What an imported image is, beside its files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Import {
    /// What containers made from it are like: what `--change` says.
    pub config: ImageConfig,
    /// What it runs on; what is empty is this computer's.
    pub platform: Platform,
    /// A word about it: `--message`, or where it came from.
    pub comment: String,
}

impl Store {
    /// Makes an image of the archive that `source` gives, plain or compressed.
    pub fn import(
        &self,
        source: impl Read + Send,
        import: &Import,
        progress: &Progress,
    ) -> Result<Arc<Image>> {
        drop(source);
        drop((import.clone(), progress.clone()));
        Err(Error::NotYet {
            what: "importing images",
        })
    }
}
