//! What can go wrong with images. Where Docker's clients look for words, they are Docker's.

use std::io;
use std::path::PathBuf;

use model::digest::{DiffId, Digest, ImageId};
use model::reference::InvalidReference;

use crate::registry::client::RegistryError;

/// The result of an operation on images.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation on images.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such image.
    #[error("No such image: {name}")]
    NoSuchImage {
        /// What was asked for, with its tag.
        name: String,
    },
    /// The beginning of an id is that of several images.
    #[error("image id {prefix:?} is ambiguous: several images begin like that")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    InvalidReference(#[from] InvalidReference),
    /// A name with a digest where only a tag makes sense.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    /// The image cannot be removed now.
    #[error("conflict: unable to {action} ({remedy}) - {reason}")]
    InUse {
        /// What was tried: `delete 0123456789ab`.
        action: String,
        /// `must be forced` or `cannot be forced`.
        remedy: &'static str,
        /// Who uses it.
        reason: String,
    },
    /// A layer that an image names is not there.
    #[error("layer {diff_id} is not in the store")]
    NoSuchLayer {
        /// Which.
        diff_id: DiffId,
    },
    /// The layer's directory no longer gives the archive it was made from.
    #[error("layer {diff_id} was changed on disk")]
    LayerChanged {
        /// Which.
        diff_id: DiffId,
    },
    /// Something does not have the digest it should.
    #[error("{what} has the digest {actual}, not {expected}")]
    WrongDigest {
        /// What it is.
        what: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// An archive or manifest that is not what it should be.
    #[error("invalid image archive: {reason}")]
    InvalidArchive {
        /// Why.
        reason: String,
    },
    /// A configuration that cannot be read.
    #[error("invalid image configuration: {source}")]
    InvalidConfig {
        /// Why.
        source: serde_json::Error,
    },
    /// A document that cannot be read.
    #[error("invalid {what}: {source}")]
    InvalidJson {
        /// Which.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Contents that are compressed in a way that is not known, or damaged.
    #[error("cannot decompress {what}")]
    Decompress {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A layer's archive could not be extracted.
    #[error("cannot extract layer: {source}")]
    Extract {
        /// Why.
        #[from]
        source: rootfs::ExtractError,
    },
    /// A directory could not be packed.
    #[error("cannot pack layer: {source}")]
    Pack {
        /// Why.
        #[from]
        source: rootfs::PackError,
    },
    /// A path in the store could not be worked with.
    #[error(transparent)]
    Path(#[from] rootfs::Error),
    /// A file of the store could not be worked with.
    #[error("{operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The other end of a stream failed.
    #[error("{operation}: {source}")]
    Stream {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The database failed.
    #[error("image database: {source}")]
    Database {
        /// Why.
        source: Box<redb::Error>,
    },
    /// A record of the database cannot be read.
    #[error("image database holds an unreadable {what}: {source}")]
    Record {
        /// Which.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A thread of ours ended where none may.
    #[error("{what} stopped unexpectedly")]
    Stopped {
        /// Which.
        what: &'static str,
    },
    /// The image is for other processors or another system.
    #[error("image {id} is for {platform}, which this computer cannot run")]
    Platform {
        /// Which.
        id: ImageId,
        /// What it is for.
        platform: String,
    },
    /// A registry failed.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// Not there yet.
    #[error("{what} is not there yet")]
    NotYet {
        /// What.
        what: &'static str,
    },
}

impl Error {
    pub(crate) fn file(
        operation: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::File {
            operation,
            path: path.into(),
            source: source.into(),
        }
    }

    pub(crate) fn archive(reason: impl Into<String>) -> Self {
        Self::InvalidArchive {
            reason: reason.into(),
        }
    }

    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NoSuchImage { .. } => true,
            Self::Registry(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// Whether a registry wants to know who asks, or does not believe it.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_unauthorized())
    }

    /// Whether the request itself is wrong.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            Self::Ambiguous { .. }
                | Self::InvalidReference(_)
                | Self::TagWithDigest
                | Self::WrongDigest { .. }
                | Self::InvalidArchive { .. }
                | Self::InvalidConfig { .. }
                | Self::InvalidJson { .. }
                | Self::Decompress { .. }
                | Self::Extract { .. }
                | Self::Platform { .. }
        )
    }

    /// Whether something that is there now stands in the way.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }
}

impl From<redb::Error> for Error {
    fn from(source: redb::Error) -> Self {
        Self::Database {
            source: Box::new(source),
        }
    }
}
