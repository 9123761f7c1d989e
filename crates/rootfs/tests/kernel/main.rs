//! Paths beneath a root on a real file system, against whoever wants out. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod escape;
mod extract;
mod tree;

use std::path::Path;

use rootfs::Root;

/// A folder with a root in it and, beside it, what nobody may touch.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        std::fs::write(folder.path().join("outside/secret"), "secret").unwrap();
        Self { folder }
    }

    pub(crate) fn root(&self) -> Root {
        Root::open(self.path()).unwrap()
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn outside(&self) -> std::path::PathBuf {
        self.folder.path().join("outside")
    }

    /// Nothing outside was made, changed or removed.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        let names = |path: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(self.folder.path()), ["outside", "root"]);
        assert_eq!(names(&self.outside()), ["secret"]);
        let secret = std::fs::read(self.outside().join("secret")).unwrap();
        assert_eq!(secret, b"secret");
    }
}
