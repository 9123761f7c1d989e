//! Network namespaces, and work done inside them.
//!
//! Work inside is done by a thread made for it, which ends with it: none is kept there, and none that others use
//! ever changes its namespace.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, Result};

/// A handle on a network namespace. It keeps the namespace alive, so it should not outlive the container.
#[derive(Debug)]
pub struct Namespace {
    file: OwnedFd,
    path: PathBuf,
}

impl Namespace {
    /// Opens the namespace at `path`, as `/proc/<pid>/ns/net`.
    pub fn open(path: &Path) -> Result<Self> {
        match File::open(path) {
            Ok(file) => Ok(Self {
                file: file.into(),
                path: path.to_owned(),
            }),
            Err(source) => Err(Error::OpenNamespace {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// A second handle on the same namespace.
    pub fn duplicate(&self) -> Result<Self> {
        match self.file.try_clone() {
            Ok(file) => Ok(Self {
                file,
                path: self.path.clone(),
            }),
            Err(source) => Err(Error::OpenNamespace {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Moves the calling thread in. Only for threads that end right after.
    pub(crate) fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
            |errno| Error::EnterNamespace {
                path: self.path.clone(),
                source: errno.into(),
            },
        )
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Does `work` on a thread of its own, which may enter namespaces, and waits for it without holding up the
/// executor.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("namespace".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            // The other side only goes away with the whole operation; nobody is left to tell.
            drop(sender.send(work()));
        })
        .map_err(|source| Error::StartThread { source })?;
    receiver.await.unwrap_or(Err(Error::ThreadPanicked))
}
