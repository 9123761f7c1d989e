//! The files of an archive, set down where they can be read in any order.
//!
//! An archive comes as a stream and names its parts in any order, so all of it is taken in before anything is
//! looked at. Small files stay in memory, others go to the workspace; every file is hashed on the way.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use model::digest::Digest;
use rootfs::tar::{self, EntryKind, Header, Reader};

use crate::digest::Hashing;
use crate::error::{Error, Result};
use crate::store::Workspace;

/// Files up to this size stay in memory, as long as there is room for them.
const SMALL: u64 = 64 * 1024;
const ROOM: u64 = 16 * 1024 * 1024;

/// No archive of images needs more.
const MAX_ENTRIES: usize = 200_000;

/// Links from name to name that are followed.
const MAX_LINKS: usize = 8;

/// The files of an archive.
#[derive(Debug, Default)]
pub(super) struct Entries {
    files: HashMap<PathBuf, Entry>,
    links: HashMap<PathBuf, PathBuf>,
}

/// A file of an archive.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) contents: Contents,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// Where a file of an archive is.
#[derive(Debug)]
pub(super) enum Contents {
    Memory(Vec<u8>),
    File(PathBuf),
}

impl Entries {
    /// Takes in the whole archive.
    pub(super) fn read(source: impl Read, workspace: &Workspace) -> Result<Self> {
        let mut entries = Self::default();
        let mut reader = Reader::new(source);
        let mut room = ROOM;
        let mut count = 0;
        while let Some(header) = reader.next_entry().map_err(archive_error)? {
            count += 1;
            if count > MAX_ENTRIES {
                return Err(Error::archive(format!("more than {MAX_ENTRIES} files")));
            }
            let Some(path) = clean(&header.path) else {
                return Err(Error::archive(format!(
                    "{} leads out of the archive",
                    Path::new(&header.path).display()
                )));
            };
            match header.kind {
                EntryKind::File if header.sparse.is_none() => {
                    let entry = take(&header, &mut reader, workspace, &mut room)?;
                    if is_index(&path) && entries.files.contains_key(&path) {
                        return Err(Error::archive(format!("{} twice", path.display())));
                    }
                    entries.files.insert(path, entry);
                }
                EntryKind::Symlink => {
                    let parent = path.parent().unwrap_or(Path::new(""));
                    if let Some(target) = clean(parent.join(&header.link).as_os_str()) {
                        entries.links.insert(path, target);
                    }
                }
                EntryKind::HardLink => {
                    if let Some(target) = clean(&header.link) {
                        entries.links.insert(path, target);
                    }
                }
                _ => {}
            }
        }
        Ok(entries)
    }

    /// The file of this name; names are as manifests write them.
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        let mut path = clean(OsStr::new(name))?;
        for _ in 0..MAX_LINKS {
            if let Some(entry) = self.files.get(&path) {
                return Some(entry);
            }
            path = self.links.get(&path)?.clone();
        }
        None
    }

    /// The bytes of a document, which may not be longer than `most`.
    pub(super) fn document(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let Some(entry) = self.get(name) else {
            return Ok(None);
        };
        if entry.size > most {
            return Err(Error::archive(format!(
                "{name} has {} bytes, which is too much",
                entry.size
            )));
        }
        match &entry.contents {
            Contents::Memory(bytes) => Ok(Some(bytes.clone())),
            Contents::File(path) => std::fs::read(path)
                .map(Some)
                .map_err(|source| Error::file("read", path, source)),
        }
    }
}

impl Entry {
    /// The path of a file with the contents.
    pub(super) fn file(&self, workspace: &Workspace) -> Result<PathBuf> {
        match &self.contents {
            Contents::File(path) => Ok(path.clone()),
            Contents::Memory(bytes) => {
                let path = workspace.path()?;
                std::fs::write(&path, bytes)
                    .map_err(|source| Error::file("write", &path, source))?;
                Ok(path)
            }
        }
    }
}

/// Of these there can be only one.
fn is_index(path: &Path) -> bool {
    ["manifest.json", "index.json", "oci-layout"]
        .iter()
        .any(|name| path == Path::new(name))
}

fn take<R: Read>(
    header: &Header,
    reader: &mut Reader<R>,
    workspace: &Workspace,
    room: &mut u64,
) -> Result<Entry> {
    if header.size <= SMALL && header.size <= *room {
        *room -= header.size;
        let mut hashing = Hashing::new(Vec::new());
        copy(reader, &mut hashing, header.size)?;
        let (bytes, digest, size) = hashing.finish();
        return Ok(Entry {
            contents: Contents::Memory(bytes),
            size,
            digest,
        });
    }
    let path = workspace.path()?;
    let write_error = |source| Error::file("write", &path, source);
    let file = File::create_new(&path).map_err(write_error)?;
    let mut hashing = Hashing::new(BufWriter::with_capacity(256 * 1024, file));
    copy(reader, &mut hashing, header.size)?;
    let (mut file, digest, size) = hashing.finish();
    file.flush().map_err(write_error)?;
    Ok(Entry {
        contents: Contents::File(path),
        size,
        digest,
    })
}

fn copy(from: &mut impl Read, to: &mut impl Write, size: u64) -> Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    let mut left = size;
    while left > 0 {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Err(archive_error(tar::Error::CutOff)),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(archive_error(tar::Error::CutOff));
            }
            Err(source) => return Err(archive_error(tar::Error::Read(source))),
        };
        to.write_all(&buffer[..count])
            .map_err(|source| Error::Stream {
                operation: "write what was loaded",
                source,
            })?;
        left -= count as u64;
    }
    Ok(())
}

fn archive_error(error: tar::Error) -> Error {
    match error {
        tar::Error::Read(source) => Error::Stream {
            operation: "read image archive",
            source,
        },
        other => Error::archive(other.to_string()),
    }
}

/// A path without `.`, `..` and leading slashes; none if it climbs out.
fn clean(path: &OsStr) -> Option<PathBuf> {
    let mut cleaned = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                if !cleaned.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(cleaned)
}
