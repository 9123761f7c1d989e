//! The table of volumes and their directories.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use model::api::Labels;
use rootfs::Root;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, RwLockWriteGuard};

use crate::error::{Error, Result};
use crate::state::{Change, Loaded, State, Table};

/// Where volumes are moved to that are being removed; no name can begin with a point.
const REMOVING: &str = ".removing";

/// What is known of a volume besides its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was made.
    pub created: Timestamp,
    /// Its labels.
    #[serde(default)]
    pub labels: Labels,
    /// The driver's options.
    #[serde(default)]
    pub options: Labels,
}

/// All volumes.
#[derive(Debug)]
pub struct Volumes {
    root: PathBuf,
    table: Mutex<BTreeMap<String, Arc<Record>>>,
    /// Whoever makes a volume has it while looking whether there is one.
    making: tokio::sync::Mutex<()>,
    /// Read by who makes a container, written by who removes volumes.
    holding: Arc<RwLock<()>>,
}

impl Volumes {
    /// Finds the volumes again that the state knows, and ends what a crash left half done.
    pub(crate) fn open(root: PathBuf, loaded: &Loaded) -> Result<Self> {
        let failed = |cause| Error::io(format_args!("open {}", root.display()), cause);
        make_directory(&root, 0o701).map_err(failed)?;
        make_directory(&root.join(REMOVING), 0o700).map_err(failed)?;
        let table: BTreeMap<String, Arc<Record>> = loaded
            .objects::<Record>(Table::Volumes)
            .into_iter()
            .map(|(name, record)| (name, Arc::new(record)))
            .collect();
        mend(&root, &table).map_err(failed)?;
        Ok(Self {
            root,
            table: Mutex::new(table),
            making: tokio::sync::Mutex::default(),
            holding: Arc::default(),
        })
    }

    /// The directory that containers see.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Record>> {
        self.table().get(name).cloned()
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Record>)> {
        let table = self.table();
        let all = table.iter();
        all.map(|(name, record)| (name.clone(), Arc::clone(record)))
            .collect()
    }

    /// The volume of this name, and whether it was made just now.
    pub(crate) async fn find_or_make(
        &self,
        state: &State,
        name: &str,
        record: Record,
    ) -> Result<(Arc<Record>, bool)> {
        let _making = self.making.lock().await;
        if let Some(known) = self.get(name) {
            return Ok((known, false));
        }
        let data = self.data(name);
        let made = make_directory(&self.root.join(name), 0o701)
            .and_then(|()| make_directory(&data, 0o755));
        made.map_err(|cause| Error::io(format_args!("make {}", data.display()), cause))?;
        let change = Change::put(Table::Volumes, name, &record)?;
        state.commit(vec![change]).await?;
        let record = Arc::new(record);
        self.table().insert(name.to_owned(), Arc::clone(&record));
        Ok((record, true))
    }

    /// Waits until nobody makes a container.
    pub(crate) async fn turn_to_remove(&self) -> RwLockWriteGuard<'_, ()> {
        self.holding.write().await
    }

    /// Keeps volumes from being removed.
    pub(crate) async fn hold(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.holding).read_owned().await
    }

    /// Removes a volume. It is out of the way first, so that a crash leaves it whole or gone.
    pub(crate) async fn remove(&self, state: &State, name: &str) -> Result<()> {
        let _making = self.making.lock().await;
        let (path, removing) = (self.root.join(name), self.root.join(REMOVING));
        let aside = removing.join(name);
        let failed = |cause| Error::io(format_args!("remove volume {name}"), cause);
        match std::fs::rename(&path, &aside) {
            // Somebody removed the directory by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(failed)?,
        }
        let change = Change::remove(Table::Volumes, name);
        if let Err(error) = state.commit(vec![change]).await {
            std::fs::rename(&aside, &path).map_err(failed)?;
            return Err(error);
        }
        self.table().remove(name);
        let owned = name.to_owned();
        let removed = tokio::task::spawn_blocking(move || remove_tree(&removing, &owned));
        match removed.await {
            Ok(done) => done.map_err(|cause| failed(io::Error::other(cause))),
            Err(error) => Err(Error::internal(format!("remove volume {name}")).because(error)),
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Record>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn remove_tree(parent: &Path, name: &str) -> Result<(), rootfs::Error> {
    Root::open(parent)?.remove_all(name)
}

/// A volume being removed that the state still knows comes back; others go. So does an empty directory that the
/// state does not know; one with contents is left for a person to look at.
fn mend(root: &Path, table: &BTreeMap<String, Arc<Record>>) -> io::Result<()> {
    let removing = root.join(REMOVING);
    for entry in std::fs::read_dir(&removing)? {
        let name = entry?.file_name();
        let known = name.to_str().filter(|name| table.contains_key(*name));
        match known {
            Some(known) => std::fs::rename(removing.join(known), root.join(known))?,
            None => Root::open(&removing)
                .and_then(|removing| removing.remove_all(&name))
                .map_err(io::Error::other)?,
        }
    }
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == REMOVING || name.to_str().is_some_and(|name| table.contains_key(name)) {
            continue;
        }
        // Fails, as it should, when there is something in it.
        let emptied = std::fs::remove_dir(entry.path().join("_data"));
        if emptied.is_ok() || matches!(&emptied, Err(e) if e.kind() == io::ErrorKind::NotFound) {
            std::fs::remove_dir(entry.path()).ok();
        }
    }
    for name in table.keys() {
        make_directory(&root.join(name), 0o701)?;
        make_directory(&root.join(name).join("_data"), 0o755)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;
    use model::api::Labels;

    use super::{REMOVING, Record, Volumes};
    use crate::state::State;

    fn record() -> Record {
        Record {
            created: Timestamp::UNIX_EPOCH,
            labels: Labels::new(),
            options: Labels::new(),
        }
    }

    #[tokio::test]
    async fn volumes_are_there_again_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("volumes");
        let path = folder.path().join("state.redb");
        let (state, loaded) = State::open(&path).unwrap();
        let volumes = Volumes::open(root.clone(), &loaded).unwrap();
        for name in ["kept", "moved", "gone"] {
            let (_, made) = volumes.find_or_make(&state, name, record()).await.unwrap();
            assert!(made);
            fs::write(volumes.data(name).join("file"), name).unwrap();
        }
        let (_, made) = volumes
            .find_or_make(&state, "kept", record())
            .await
            .unwrap();
        assert!(!made);
        volumes.remove(&state, "gone").await.unwrap();
        assert!(!root.join("gone").exists() && !root.join(REMOVING).join("gone").exists());
        // As crashes leave it: moved but recorded, removed but not deleted, made but not recorded.
        fs::rename(root.join("moved"), root.join(REMOVING).join("moved")).unwrap();
        fs::create_dir_all(root.join(REMOVING).join("half/_data/x")).unwrap();
        fs::create_dir_all(root.join("unknown/_data")).unwrap();
        fs::create_dir_all(root.join("unknown-but-full/_data/x")).unwrap();
        drop((volumes, state));
        let (_state, loaded) = State::open(&path).unwrap();
        let volumes = Volumes::open(root.clone(), &loaded).unwrap();
        let names: Vec<_> = volumes.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["kept", "moved"]);
        assert_eq!(
            fs::read_to_string(volumes.data("moved").join("file")).unwrap(),
            "moved"
        );
        assert_eq!(fs::read_dir(root.join(REMOVING)).unwrap().count(), 0);
        assert!(!root.join("unknown").exists() && root.join("unknown-but-full").exists());
    }
}
