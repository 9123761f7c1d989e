//! An image of one layer, from the archive of a root.

use std::io::{self, Read};
use std::sync::Arc;

use jiff::Timestamp;
use model::api::image::ImageConfig;
use model::api::progress::Message;
use model::api::time;
use model::platform::Platform;
use rootfs::{ExtractOptions, Root, Whiteouts, extract};

use super::this_platform;
use crate::compression::decompress;
use crate::config::{Config, ConfigHistory, ConfigRootFs};
use crate::error::{Error, Result};
use crate::store::{NewImage, prepare_packed};
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
        let workspace = self.workspace()?;
        let counted = Counted {
            source,
            count: 0,
            told: 0,
            progress,
        };
        let (_, stream) = decompress(counted).map_err(|source| Error::Decompress {
            what: "archive to import".to_owned(),
            source,
        })?;
        let directory = workspace.make_directory()?;
        let root = Root::open(&directory)?;
        root.set_mode("/", rootfs::Mode(0o755))?;
        let options = ExtractOptions {
            whiteouts: Whiteouts::Overlay,
            ..ExtractOptions::default()
        };
        extract(stream, &root, &options)?;
        let prepared = prepare_packed(directory)?;
        let now = time::text(Timestamp::now());
        let here = this_platform();
        let or_here = |wanted: &String, here: String| {
            if wanted.is_empty() {
                here
            } else {
                wanted.clone()
            }
        };
        let config = Config {
            created: now.clone(),
            comment: import.comment.clone(),
            architecture: or_here(&import.platform.architecture, here.architecture),
            os: or_here(&import.platform.os, here.os),
            config: import.config.clone(),
            rootfs: ConfigRootFs {
                diff_ids: vec![prepared.diff_id],
                ..ConfigRootFs::default()
            },
            history: vec![ConfigHistory {
                created: now,
                comment: import.comment.clone(),
                ..ConfigHistory::default()
            }],
            ..Config::default()
        };
        let bytes = config
            .to_bytes()
            .map_err(|source| Error::InvalidConfig { source })?;
        let image = NewImage {
            config: bytes.into(),
            ..NewImage::default()
        };
        let mut recorded = self.record(vec![prepared], &[image])?;
        recorded.pop().ok_or(Error::Stopped {
            what: "the index of images",
        })
    }
}

/// Bytes between two lines about how far it is.
const PROGRESS_STEP: u64 = 1024 * 1024;

/// Tells how much has been read.
struct Counted<'progress, R> {
    source: R,
    count: u64,
    told: u64,
    progress: &'progress Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count += count as u64;
        if self.count >= self.told + PROGRESS_STEP {
            self.told = self.count;
            self.progress.hint(Message {
                id: None,
                ..Message::layer_progress("", "Importing", self.count, None)
            });
        }
        Ok(count)
    }
}
