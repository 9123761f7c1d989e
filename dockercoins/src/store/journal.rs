//! The writes on disk, in the order in which they were made, in the format of Redis's own append-only file.
//! A write is acknowledged only once the kernel has it, so it survives the death of the process at any
//! moment; each second it is brought to the disk itself, so a power cut costs a second at most. It must
//! never leave half a record for a later one to follow.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use rustix::fs::{FlockOperation, flock};

use super::command::{self, Command, WriteCommand};
use super::data::Data;
use super::request;

/// Name of the journal in its folder.
const FILE: &str = "journal.aof";
/// Name of its successor while that is written.
const NEW_FILE: &str = "journal.aof.new";
/// Below this size a journal is not worth writing anew.
const SMALL_BYTES: u64 = 1024 * 1024;
/// A journal this many times as long as when it was last written anew is written anew again.
const GROWTH: u64 = 4;

/// What went wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("another store already keeps its data in {}", .0.display())]
    InUse(PathBuf),
    #[error("{} is no journal of this store: what begins at byte {at} is no write", path.display())]
    Damaged { path: PathBuf, at: u64 },
    #[error("{} could not be repaired after a write failed; nothing more is written to it", .0.display())]
    Unusable(PathBuf),
}

impl JournalError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::InUse(_) => {
                Some("stop the other store, or name another folder with --dir".into())
            }
            Self::Damaged { path, .. } => Some(format!(
                "move {} away to begin anew, or put back the copy that you have of it",
                path.display()
            )),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => Some("make room on that disk".into()),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("name a folder that can be written with --dir".into())
                }
                _ => None,
            },
            Self::Unusable(_) => {
                Some("see that the disk is whole and has room, then restart the store".into())
            }
        }
    }
}

/// An open journal; one process at a time has it.
pub(super) struct Journal {
    folder: PathBuf,
    /// Held for its lock.
    locked: File,
    file: File,
    length: u64,
    /// Its length when it held the data and nothing else.
    compact_length: u64,
    usable: bool,
}

impl Journal {
    /// Opens or makes the folder's journal, and the data that it holds. The third value is how many bytes
    /// of an unfinished record were cut off its end.
    pub(super) fn open(folder: &Path) -> Result<(Self, Data, Option<u64>), JournalError> {
        let error = |what| {
            move |source| JournalError::Io {
                what,
                path: folder.to_owned(),
                source,
            }
        };
        std::fs::create_dir_all(folder).map_err(error("make"))?;
        let lock = File::open(folder).map_err(error("open"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| JournalError::InUse(folder.to_owned()))?;
        let path = folder.join(FILE);
        let error = |what| {
            let path = path.clone();
            move |source| JournalError::Io { what, path, source }
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(error("open"))?;
        let mut data = Data::default();
        let whole = replay(&mut file, &path, &mut data)?;
        let length = file.metadata().map_err(error("read"))?.len();
        if whole < length {
            file.set_len(whole).map_err(error("repair"))?;
        }
        let mut journal = Self {
            folder: folder.to_owned(),
            locked: lock,
            file,
            length: whole,
            compact_length: SMALL_BYTES,
            usable: true,
        };
        if journal.is_long() {
            journal.write_anew(&data)?;
        }
        Ok((journal, data, (whole < length).then(|| length - whole)))
    }

    /// Appends writes; when this returns, they survive the process. If it fails, the journal is as before.
    pub(super) fn append(&mut self, writes: &[&WriteCommand]) -> Result<(), JournalError> {
        if !self.usable {
            return Err(JournalError::Unusable(self.path()));
        }
        let mut records = BytesMut::new();
        for write in writes {
            encode(write, &mut records);
        }
        match self.file.write_all(&records) {
            Ok(()) => {
                self.length += records.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Part of a record may be there. If it cannot be cut off, what follows would be unreadable.
                self.usable = self.file.set_len(self.length).is_ok();
                Err(self.failed("write", source))
            }
        }
    }

    /// Whether so much has been appended that the data alone would be much shorter.
    pub(super) fn is_long(&self) -> bool {
        self.length > self.compact_length.max(SMALL_BYTES) * GROWTH
    }

    /// Replaces the journal by one that holds the data and nothing else. If it fails, the old one stays.
    pub(super) fn write_anew(&mut self, data: &Data) -> Result<(), JournalError> {
        let path = self.folder.join(NEW_FILE);
        let error = |source| JournalError::Io {
            what: "write",
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .map_err(error)?;
        let mut length = 0;
        let mut records = BytesMut::new();
        for write in data.writes() {
            records.clear();
            encode(&write, &mut records);
            file.write_all(&records).map_err(error)?;
            length += records.len() as u64;
        }
        file.sync_data().map_err(error)?;
        drop(file);
        let appending = OpenOptions::new().append(true).open(&path).map_err(error)?;
        std::fs::rename(&path, self.path()).map_err(|source| self.failed("replace", source))?;
        self.locked
            .sync_all()
            .map_err(|source| self.failed("replace", source))?;
        self.file = appending;
        self.length = length;
        self.compact_length = length;
        self.usable = true;
        Ok(())
    }

    /// The file, to be synchronised with the disk elsewhere: that takes milliseconds.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn failed(&self, what: &'static str, source: io::Error) -> JournalError {
        JournalError::Io {
            what,
            path: self.path(),
            source,
        }
    }
}

fn encode(write: &WriteCommand, output: &mut BytesMut) {
    request::put(write.request(), output).expect("a buffer that grows takes any request");
}

/// Carries out all whole records; returns where the last one ends.
fn replay(file: &mut File, path: &Path, data: &mut Data) -> Result<u64, JournalError> {
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    let mut chunk = vec![0; 64 * 1024];
    let mut at = 0;
    loop {
        let count = file.read(&mut chunk).map_err(|source| JournalError::Io {
            what: "read",
            path: path.to_owned(),
            source,
        })?;
        buffer.extend_from_slice(&chunk[..count]);
        loop {
            let before = buffer.len();
            let damaged = || JournalError::Damaged {
                path: path.to_owned(),
                at,
            };
            let Some(request) = request::take(&mut buffer).map_err(|_| damaged())? else {
                break;
            };
            let Ok(Command::Write(write)) = command::parse(request) else {
                return Err(damaged());
            };
            data.write(&write);
            at += (before - buffer.len()) as u64;
        }
        if count == 0 {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(number: i64) -> WriteCommand {
        WriteCommand::IncrBy(b"hashes".to_vec(), number)
    }

    fn reopened(folder: &Path) -> (Data, Option<u64>) {
        let (_, data, cut) = Journal::open(folder).unwrap();
        (data, cut)
    }

    #[test]
    fn a_journal_cut_anywhere_opens_with_every_whole_record() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut expect, _) = Journal::open(folder.path()).unwrap();
        journal.append(&[&write(1), &write(2)]).unwrap();
        expect.write(&write(3));
        let whole = journal.length;
        journal.append(&[&write(4)]).unwrap();
        let path = journal.path();
        let all = journal.length;
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        for end in whole + 1..all {
            std::fs::write(&path, &bytes[..usize::try_from(end).unwrap()]).unwrap();
            let (data, cut) = reopened(folder.path());
            assert_eq!((data, cut), (expect.clone(), Some(end - whole)));
        }
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "*1\r\n$4\r\nPING\r\n").unwrap();
        let Err(error) = Journal::open(folder.path()) else {
            panic!("PING is no write")
        };
        assert!(
            matches!(error, JournalError::Damaged { at: 0, .. }),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap().len(), 14);
    }

    #[test]
    fn one_store_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Journal::open(folder.path()).unwrap();
        let second = Journal::open(folder.path());
        assert!(matches!(second, Err(JournalError::InUse(_))));
        drop(first);
        Journal::open(folder.path()).unwrap();
    }

    #[test]
    fn a_long_journal_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut data, _) = Journal::open(folder.path()).unwrap();
        let big = WriteCommand::Set(b"big".to_vec(), vec![b'x'; 1024 * 1024]);
        while !journal.is_long() {
            journal.append(&[&big, &write(1)]).unwrap();
            data.write(&big);
            data.write(&write(1));
        }
        journal.write_anew(&data).unwrap();
        assert!(journal.length < 2 * 1024 * 1024);
        journal.append(&[&write(7)]).unwrap();
        data.write(&write(7));
        drop(journal);
        assert_eq!(reopened(folder.path()), (data, None));
    }
}
