//! All that is beneath a directory, in one order: parents first, siblings by name.
//!
//! A directory that is swapped for a link while the walk is under way is not entered.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, OFlags};
use rustix::io::Errno;

use crate::attribute::Attributes;
use crate::error::{Context, Error};
use crate::root::{Kind, Links, Metadata, Root, path_in, read_link_at, reopen_file};

/// Directories within directories that a walk goes down: each holds a handle.
const MAX_DEPTH: usize = 512;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// What it was when the directory was read; none if the file system did not say.
    pub kind: Option<Kind>,
}

/// Goes through a tree; see [`Root::walk`].
#[derive(Debug)]
pub struct Walk {
    levels: Vec<Level>,
    /// Where the last level is; one part longer while something in it is being told.
    path: PathBuf,
    telling: Option<Telling>,
}

/// What happens with that which was told last.
#[derive(Debug)]
enum Telling {
    Enter(OsString),
    Leave,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    /// What is still to be told, last name first.
    remaining: Vec<Entry>,
}

/// A thing that a walk came by, with the handle of the directory it is in.
#[derive(Debug)]
pub struct Found<'walk> {
    /// Its path beneath where the walk began, without a leading slash.
    pub path: &'walk Path,
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub metadata: Metadata,
    /// The directory it is in.
    pub(crate) directory: &'walk OwnedFd,
}

impl Walk {
    pub(crate) fn new(root: Root) -> Result<Self, Error> {
        let top = Path::new("/");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = root.open_raw(top, flags, Links::Keep)?;
        let remaining = reversed_entries(&directory).context("list", top)?;
        Ok(Self {
            levels: vec![Level {
                directory,
                remaining,
            }],
            path: PathBuf::new(),
            telling: None,
        })
    }

    /// Does not go into the directory that was told last.
    pub fn skip(&mut self) {
        self.telling = self.telling.take().map(|_| Telling::Leave);
    }

    /// The next thing; none at the end. What vanishes under the walk is left out.
    pub fn find_next(&mut self) -> Option<Result<Found<'_>, Error>> {
        let (name, metadata) = match self.go_on().and_then(|()| self.find()) {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        self.path.push(&name);
        self.telling = Some(if metadata.kind == Kind::Directory {
            Telling::Enter(name.clone())
        } else {
            Telling::Leave
        });
        let level = self.levels.last()?;
        Some(Ok(Found {
            path: &self.path,
            name,
            metadata,
            directory: &level.directory,
        }))
    }

    fn find(&mut self) -> Result<Option<(OsString, Metadata)>, Error> {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.remaining.pop() else {
                self.levels.pop();
                self.path.pop();
                continue;
            };
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            match rustix::fs::statat(&level.directory, &entry.name, flags) {
                Ok(stat) => return Ok(Some((entry.name, Metadata::from_stat(&stat)))),
                Err(Errno::NOENT) => {}
                Err(error) => {
                    return Err(Error::new("stat", &self.path.join(&entry.name), error));
                }
            }
        }
        Ok(None)
    }

    /// Goes into the directory that was told last, or turns away from what was told.
    fn go_on(&mut self) -> Result<(), Error> {
        let entered = match self.telling.take() {
            None => return Ok(()),
            Some(Telling::Leave) => None,
            Some(Telling::Enter(name)) => match self.open_level(&name) {
                Ok(level) => level,
                Err(error) => {
                    self.path.pop();
                    return Err(error);
                }
            },
        };
        if let Some(level) = entered {
            self.levels.push(level);
        } else {
            self.path.pop();
        }
        Ok(())
    }

    fn open_level(&self, name: &OsStr) -> Result<Option<Level>, Error> {
        let Some(level) = self.levels.last() else {
            return Ok(None);
        };
        if self.levels.len() >= MAX_DEPTH {
            return Err(Error::new("walk", &self.path, Errno::NAMETOOLONG));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::empty();
        let directory = match rustix::fs::openat(&level.directory, name, flags, mode) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(Error::new("list", &self.path, error)),
        };
        let remaining = reversed_entries(&directory).context("list", &self.path)?;
        Ok(Some(Level {
            directory,
            remaining,
        }))
    }
}

impl Found<'_> {
    /// Opens it for reading, if it still is a regular file.
    pub fn open_file(&self) -> Result<File, Error> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(self.directory, &self.name, flags, rustix::fs::Mode::empty())
            .and_then(|handle| reopen_file(&handle, OFlags::RDONLY))
            .context("open", self.path)
    }

    /// What it says, if it is a link.
    pub fn read_link(&self) -> Result<PathBuf, Error> {
        read_link_at(self.directory.as_fd(), &self.name).context("read link", self.path)
    }

    /// Its extended attributes.
    pub fn attributes(&self) -> Result<Attributes, Error> {
        Attributes::read(&path_in(self.directory.as_fd(), &self.name))
            .context("read attributes of", self.path)
    }
}

/// The names in a directory, sorted by their bytes.
pub(crate) fn entries_of(directory: &OwnedFd) -> Result<Vec<Entry>, Errno> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            entries.push(Entry {
                name: name.to_owned(),
                kind: match entry.file_type() {
                    FileType::Unknown => None,
                    known => Kind::from_file_type(known),
                },
            });
        }
    }
    entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

fn reversed_entries(directory: &OwnedFd) -> Result<Vec<Entry>, Errno> {
    let mut entries = entries_of(directory)?;
    entries.reverse();
    Ok(entries)
}
