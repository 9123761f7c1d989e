//! What the engine knows, kept on disk: a table per kind of object, a JSON value per object.
//!
//! Nothing is read from here after the start: whoever owns a kind of object keeps it in memory. One thread
//! writes. It takes all changes that wait, whoever sent them, into one transaction, so a hundred operations
//! at once cost few synchronisations of the disk. A [`State::commit`] returns when its changes are on disk.
//!
//! On a full disk the writer gives up a reserve it holds, so that removing things, which needs a little room
//! itself, still works.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// Of the database's pages only as much is kept in memory: nothing is read twice.
const CACHE_BYTES: usize = 1024 * 1024;

/// How many changes go into one transaction at most.
const BATCH: usize = 512;

/// What the reserve has room for: many transactions that only remove.
const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Containers as they were asked for; by id.
    Containers,
    /// What became of containers; by id.
    Conditions,
    /// Named and anonymous volumes; by name.
    Volumes,
    /// Networks; by id.
    Networks,
    /// Facts about the engine itself, such as its id; by name.
    Engine,
}

impl Table {
    const ALL: [Self; 5] = [
        Self::Containers,
        Self::Conditions,
        Self::Volumes,
        Self::Networks,
        Self::Engine,
    ];

    const fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Self::Containers => "containers",
            Self::Conditions => "conditions",
            Self::Volumes => "volumes",
            Self::Networks => "networks",
            Self::Engine => "engine",
        })
    }
}

/// One object's new value, or its end.
#[derive(Debug, Clone)]
pub struct Change {
    table: Table,
    key: String,
    value: Option<Vec<u8>>,
}

impl Change {
    /// The object `key` is `value` from now on.
    pub fn put<T: Serialize>(table: Table, key: impl Into<String>, value: &T) -> Result<Self> {
        let value = serde_json::to_vec(value)
            .map_err(|cause| Error::internal("encode an object of the state").because(cause))?;
        Ok(Self {
            table,
            key: key.into(),
            value: Some(value),
        })
    }

    /// There is no object `key` any more.
    pub fn remove(table: Table, key: impl Into<String>) -> Self {
        Self {
            table,
            key: key.into(),
            value: None,
        }
    }
}

/// The way to the disk.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    writer: Option<mpsc::Sender<Work>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Work {
    changes: Vec<Change>,
    done: Option<oneshot::Sender<Result<()>>>,
}

/// Every object that was on disk when the engine started.
#[derive(Debug, Default)]
pub struct Loaded(Vec<(Table, String, Vec<u8>)>);

impl Loaded {
    /// The objects of one kind. One that cannot be understood is left out and told in the log: it must not
    /// keep the engine from starting.
    pub fn objects<T: DeserializeOwned>(&self, table: Table) -> Vec<(String, T)> {
        let of_table = self.0.iter().filter(|(of, _, _)| *of == table);
        of_table
            .filter_map(|(_, key, value)| match serde_json::from_slice(value) {
                Ok(value) => Some((key.clone(), value)),
                Err(error) => {
                    tracing::error!(?table, key, %error, "an object of the state cannot be understood");
                    None
                }
            })
            .collect()
    }
}

impl State {
    /// Opens or makes the state in the file at `path` and reads all of it.
    pub fn open(path: &Path) -> Result<(Self, Loaded)> {
        let database = open(path)?;
        let loaded = read(&database).map_err(|cause| failed("read", path, cause))?;
        hold_reserve(path);
        let (sender, receiver) = mpsc::channel();
        let of_writer = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("state".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || write_until_closed(&of_writer, Some(database), &receiver))
            .map_err(|cause| Error::io("start the state's thread", cause))?;
        let state = Self {
            path: path.to_owned(),
            writer: Some(sender),
            thread: Some(thread),
        };
        Ok((state, loaded))
    }

    /// Writes these changes, all or none; returns when they are on disk.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<()> {
        let (done, wait) = oneshot::channel();
        self.send(Work {
            changes,
            done: Some(done),
        });
        wait.await
            .unwrap_or_else(|_| Err(Error::internal("the state's thread has ended")))
    }

    /// Writes these changes soon, after those given before them. Only for what a crash may lose, because the
    /// next start finds it out by itself.
    pub fn commit_soon(&self, changes: Vec<Change>) {
        self.send(Work {
            changes,
            done: None,
        });
    }

    fn send(&self, work: Work) {
        let gone = self
            .writer
            .as_ref()
            .is_none_or(|writer| writer.send(work).is_err());
        if gone {
            tracing::error!(path = %self.path.display(), "the state's thread has ended");
        }
    }
}

impl Drop for State {
    /// Writes what still waits.
    fn drop(&mut self) {
        self.writer = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the state's thread panicked");
        }
    }
}

fn open(path: &Path) -> Result<Database> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|cause| failed("open", path, cause.into()))
}

fn failed(tried: &str, path: &Path, cause: redb::Error) -> Error {
    Error::internal(format!("{tried} {}: {cause}", path.display())).because(cause)
}

fn read(database: &Database) -> Result<Loaded, redb::Error> {
    let transaction = database.begin_read()?;
    let mut objects = Vec::new();
    for table in Table::ALL {
        let opened = match transaction.open_table(table.definition()) {
            Err(redb::TableError::TableDoesNotExist(_)) => continue,
            opened => opened?,
        };
        for entry in opened.iter()? {
            let (key, value) = entry?;
            objects.push((table, key.value().to_owned(), value.value().to_vec()));
        }
    }
    Ok(Loaded(objects))
}

fn write_until_closed(path: &Path, mut database: Option<Database>, work: &mpsc::Receiver<Work>) {
    while let Ok(first) = work.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = work.try_recv()
        {
            batch.push(next);
        }
        let outcome = write_or_make_room(path, &mut database, &batch);
        for Work { done, .. } in batch {
            let outcome = match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(Error::internal(error.to_string())),
            };
            match (done, outcome) {
                // Whoever asked may have gone away meanwhile.
                (Some(done), outcome) => drop(done.send(outcome)),
                (None, Ok(())) => {}
                (None, Err(error)) => tracing::error!(%error, "a change of the state is lost"),
            }
        }
    }
}

/// A failed write closes the database for good, so it is opened again; and once the reserve is given up.
fn write_or_make_room(path: &Path, database: &mut Option<Database>, batch: &[Work]) -> Result<()> {
    let first = write_or_open(path, database, batch);
    let Err(error) = first else {
        return Ok(());
    };
    *database = None;
    if give_up_reserve(path) {
        tracing::warn!(%error, "writing the state failed; trying again with the reserve given up");
    }
    let second = write_or_open(path, database, batch);
    if second.is_err() {
        *database = None;
    } else {
        hold_reserve(path);
    }
    second
}

fn write_or_open(path: &Path, database: &mut Option<Database>, batch: &[Work]) -> Result<()> {
    let opened = match database.take() {
        Some(opened) => opened,
        None => open(path)?,
    };
    write(database.insert(opened), batch).map_err(|cause| failed("write", path, cause))
}

fn write(database: &Database, batch: &[Work]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for table in Table::ALL {
        let mut changes = batch
            .iter()
            .flat_map(|work| &work.changes)
            .filter(|change| change.table == table)
            .peekable();
        if changes.peek().is_none() {
            continue;
        }
        let mut opened = transaction.open_table(table.definition())?;
        for Change { key, value, .. } in changes {
            match value {
                Some(value) => drop(opened.insert(key.as_str(), value.as_slice())?),
                None => drop(opened.remove(key.as_str())?),
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn reserve_path(path: &Path) -> PathBuf {
    path.with_extension("reserve")
}

/// Takes room on the disk that can be given up later. Where that fails there is none, and nothing else changes.
fn hold_reserve(path: &Path) {
    let held = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(reserve_path(path))
        .and_then(|file| {
            let flags = rustix::fs::FallocateFlags::empty();
            Ok(rustix::fs::fallocate(&file, flags, 0, RESERVE_BYTES)?)
        });
    if held.is_err() {
        give_up_reserve(path);
    }
}

fn give_up_reserve(path: &Path) -> bool {
    std::fs::remove_file(reserve_path(path)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Change, State, Table};

    #[tokio::test]
    async fn what_was_committed_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (state, loaded) = State::open(&path).unwrap();
        assert!(loaded.objects::<u32>(Table::Volumes).is_empty());
        state
            .commit(vec![
                Change::put(Table::Volumes, "one", &1).unwrap(),
                Change::put(Table::Volumes, "two", &2).unwrap(),
                Change::put(Table::Networks, "one", &3).unwrap(),
            ])
            .await
            .unwrap();
        state.commit_soon(vec![Change::remove(Table::Volumes, "one")]);
        state.commit_soon(vec![Change::put(Table::Volumes, "odd", &"text").unwrap()]);
        drop(state);
        let (_state, loaded) = State::open(&path).unwrap();
        assert_eq!(loaded.objects(Table::Volumes), [("two".to_owned(), 2)]);
        assert_eq!(loaded.objects(Table::Networks), [("one".to_owned(), 3)]);
    }

    #[tokio::test]
    async fn later_changes_of_one_batch_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (state, _) = State::open(&path).unwrap();
        for number in 0..2_000_u32 {
            state.commit_soon(vec![Change::put(Table::Engine, "n", &number).unwrap()]);
        }
        drop(state);
        let (_state, loaded) = State::open(&path).unwrap();
        assert_eq!(loaded.objects(Table::Engine), [("n".to_owned(), 1_999)]);
    }
}
