//! Folders for what is started, gone with their owner. A test that is killed can remove nothing, and a
//! browser may still write while its profile is removed; so each folder is locked by its owner, and whoever
//! makes a folder first removes those that nobody has locked. The kernel lifts the lock of a process however
//! it ends, and no process started by the owner inherits it.
//!
//! ```text
//! temporary folder / dockercoins-tests-0 / Xy12ab / files   what the owner uses, and may lock
//!                    │                     └ locked as long as the owner lives
//!                    └ locked while somebody makes a folder or sweeps
//! ```

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// An empty folder, removed at the end.
pub(crate) struct Folder {
    files: PathBuf,
    // Before the lock: first removed, then free for all.
    _removed_at_the_end: TempDir,
    _lock: File,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self::new_in(&shared_folder())
    }

    fn new_in(shared: &Path) -> Self {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(shared)
            .unwrap();
        // Without it, another could sweep the folder before it is locked.
        let gate = File::open(shared).unwrap();
        gate.lock().unwrap();
        sweep(shared);
        let folder = tempfile::Builder::new()
            .prefix("")
            .tempdir_in(shared)
            .unwrap();
        let lock = File::open(folder.path()).unwrap();
        lock.lock().unwrap();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        Self {
            files,
            _removed_at_the_end: folder,
            _lock: lock,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.files
    }

    /// Its path, as an argument.
    pub(crate) fn as_str(&self) -> &str {
        self.path().to_str().unwrap()
    }
}

/// One for each user, since one cannot remove another's files.
fn shared_folder() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("dockercoins-tests-{user}"))
}

/// Removes what dead owners left. What somebody still writes into is for the next time.
fn sweep(shared: &Path) {
    for entry in std::fs::read_dir(shared).unwrap() {
        let path = entry.unwrap().path();
        // Another may just have removed it.
        let Ok(folder) = File::open(&path) else {
            continue;
        };
        match folder.try_lock() {
            Ok(()) => std::fs::remove_dir_all(&path).unwrap_or_default(),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => panic!("cannot lock {}: {error}", path.display()),
        }
    }
}

#[test]
fn folders_of_the_dead_are_swept() {
    let folder = Folder::new();
    let shared = folder.path().join("shared");
    let alive = Folder::new_in(&shared);
    let dead = shared.join("dead");
    std::fs::create_dir(&dead).unwrap();
    std::fs::write(dead.join("file"), "").unwrap();
    let next = Folder::new_in(&shared);
    assert!(!dead.exists());
    assert!(alive.path().exists() && next.path().exists());
    let path = next.path().to_owned();
    drop(next);
    assert!(!path.parent().unwrap().exists());
}
