//! What a container changed in its root: `docker diff`.
//!
//! The overlay keeps what was written apart; each thing in there was added, changed, or marks that something below
//! is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::api::container::Change;
use rootfs::{Kind, Links, Metadata, Overlay, Root};

use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::spec::Files;

/// What every container is given and nobody wrote.
const GIVEN: &[&str] = &[
    ".dockerenv",
    "dev",
    "dev/console",
    "dev/mqueue",
    "dev/pts",
    "dev/shm",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
];

/// What became of a path, as the API counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Modified,
    Added,
    Deleted,
}

impl Engine {
    /// What a container changed in its root, by path.
    pub async fn container_changes(&self, name: &str) -> Result<Vec<Change>> {
        self.ready().await;
        let container = self.containers().find(name)?;
        let record = container.record();
        let files = Files::new(self.settings(), &record.id.to_string());
        let image = self.image_store().layer_directories(&record.layers)?;
        let changed = tokio::task::spawn_blocking(move || {
            let changed = changes(&files.upper(), image);
            changed.map_err(|error| Error::io("look at what a container changed", error.source))
        });
        let changed = changed
            .await
            .map_err(|error| Error::internal("look at what a container changed").because(error))?;
        Ok(container
            .unless_leaving(changed)?
            .into_iter()
            .map(|(path, fate)| Change {
                kind: match fate {
                    Fate::Modified => 0,
                    Fate::Added => 1,
                    Fate::Deleted => 2,
                },
                path: format!("/{}", path.display()),
            })
            .collect())
    }
}

fn changes(upper: &Path, image: Vec<PathBuf>) -> Result<BTreeMap<PathBuf, Fate>, rootfs::Error> {
    let upper = Root::open(upper)?;
    // An image may have no layers at all.
    let image = if image.is_empty() {
        None
    } else {
        Some(Overlay::read_only(image).mount()?)
    };
    let mut fates = BTreeMap::new();
    let mut walk = upper.walk("")?;
    while let Some(found) = walk.find_next() {
        // Files come and go while the container runs.
        let Ok(found) = found else { continue };
        let is_given = GIVEN.iter().any(|given| found.path == Path::new(given));
        if is_given {
            continue;
        }
        let below = image
            .as_ref()
            .and_then(|image| image.metadata(found.path, Links::Keep).ok());
        if let Some(fate) = fate(&found.metadata, below.as_ref()) {
            note(&mut fates, found.path, fate);
        }
    }
    Ok(fates)
}

/// What became of something that the overlay has, by what is below it.
fn fate(metadata: &Metadata, below: Option<&Metadata>) -> Option<Fate> {
    if metadata.kind == Kind::CharacterDevice && metadata.device == (0, 0) {
        // What was added and removed again leaves a mark for nothing.
        return below.map(|_| Fate::Deleted);
    }
    let Some(below) = below else {
        return Some(Fate::Added);
    };
    // A directory is there already if only something in it was changed, which also sets its time.
    let same_directory = metadata.kind == Kind::Directory
        && below.kind == Kind::Directory
        && metadata.mode == below.mode
        && metadata.owner == below.owner;
    (!same_directory).then_some(Fate::Modified)
}

/// Notes a change, and that the directories it is in changed.
fn note(fates: &mut BTreeMap<PathBuf, Fate>, path: &Path, fate: Fate) {
    let above = path.ancestors().skip(1);
    for directory in above.filter(|directory| !directory.as_os_str().is_empty()) {
        fates.entry(directory.to_owned()).or_insert(Fate::Modified);
    }
    fates.insert(path.to_owned(), fate);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Fate, changes};

    #[test]
    fn changes_are_told_with_the_directories_they_are_in() {
        let folder = tempfile::tempdir().unwrap();
        let (upper, image) = (folder.path().join("upper"), folder.path().join("image"));
        for directory in ["image/etc/deep", "upper/etc/deep", "upper/new", "upper/dev"] {
            fs::create_dir_all(folder.path().join(directory)).unwrap();
        }
        fs::write(image.join("etc/deep/file"), "old").unwrap();
        fs::write(upper.join("etc/deep/file"), "new").unwrap();
        fs::write(upper.join("new/file"), "new").unwrap();
        fs::write(upper.join("etc/hosts"), "").unwrap();
        let fates = changes(&upper, vec![image]).unwrap();
        let fates: Vec<_> = fates
            .iter()
            .map(|(path, fate)| (path.to_str().unwrap(), *fate))
            .collect();
        assert_eq!(
            fates,
            [
                ("etc", Fate::Modified),
                ("etc/deep", Fate::Modified),
                ("etc/deep/file", Fate::Modified),
                ("new", Fate::Added),
                ("new/file", Fate::Added),
            ]
        );
    }
}
