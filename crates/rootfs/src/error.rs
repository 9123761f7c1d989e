//! What can go wrong with a path beneath a root.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub struct Error {
    /// What was tried, as a verb: `open`, `make directory`.
    pub operation: &'static str,
    /// The path beneath the root, as it was given.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl Error {
    pub(crate) fn new(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self {
            operation,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// The kernel's number for the failure, if it came from there.
    pub fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.source)
    }

    /// Whether the path, or a directory on the way, does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOENT | Errno::NOTDIR))
    }

    /// Whether something is there already.
    pub fn already_exists(&self) -> bool {
        self.errno() == Some(Errno::EXIST)
    }
}

/// Names the operation and path of a failed system call.
pub(crate) trait Context<T> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::new(operation, path, source))
    }
}
