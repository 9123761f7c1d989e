//! Files from an archive that somebody else made, written beneath one folder and nowhere else.
//!
//! Each folder on a file's way is opened by itself, never through a link, so neither names with `..` nor links in
//! the archive or at the destination lead out. Devices are left out; the set-user-id bits of a stranger's file
//! are not taken over unless its owner is.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bytes::{Buf, Bytes};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::output;

/// How an archive is unpacked.
#[derive(Debug)]
pub(super) struct How {
    /// Another name for the archive's root.
    pub(super) rename: Option<String>,
    /// Whether the archive's entries have no root of their own.
    pub(super) contents_only: bool,
    /// Whether owners are taken over.
    pub(super) keep_owner: bool,
}

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExtractError {
    /// The folder that it goes to cannot be opened.
    #[error("opening {path}")]
    Open {
        path: String,
        #[source]
        source: io::Error,
    },
    /// The archive is broken or breaks off.
    #[error("reading the archive")]
    Read(#[source] io::Error),
    /// A name leads out of the folder.
    #[error("the archive names {name:?}, which lies outside of the destination")]
    Outside { name: String },
    /// A folder on the way is a link, or no folder.
    #[error("{name}: {component:?} on the way is not a folder")]
    NotAFolder { name: String, component: String },
    /// Something cannot be written.
    #[error("writing {name}")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
}

/// What folders get once all is in them.
struct Attributes {
    mode: u32,
    mtime: u64,
    owner: Option<(u32, u32)>,
}

/// Unpacks an archive and tells how many bytes of files were in it.
pub(super) fn extract(
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    folder: &Path,
    how: &How,
) -> Result<u64, ExtractError> {
    let root = rustix::fs::open(
        folder,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| ExtractError::Open {
        path: folder.display().to_string(),
        source: error.into(),
    })?;
    let mut archive = tar::Archive::new(Pieces {
        pieces,
        piece: Bytes::new(),
    });
    let mut folders = BTreeMap::new();
    let mut size = 0;
    for entry in archive.entries().map_err(ExtractError::Read)? {
        let mut entry = entry.map_err(ExtractError::Read)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let place = placed(&name, how)?;
        size += one(&root, &mut entry, &place, how, &mut folders)?;
    }
    // The deepest first: a folder may end up closed to us.
    for (place, attributes) in folders.iter().rev() {
        let name = place.join("/");
        let opened = open_folder(&root, place, &name)?;
        apply(opened.as_fd(), attributes, &name)?;
    }
    Ok(size)
}

/// The place of an entry beneath the folder: its names, with the root's changed.
fn placed(name: &str, how: &How) -> Result<Vec<String>, ExtractError> {
    let mut names: Vec<String> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                return Err(ExtractError::Outside {
                    name: name.to_owned(),
                });
            }
            part => names.push(part.to_owned()),
        }
    }
    match (&how.rename, how.contents_only) {
        (Some(root), true) => names.insert(0, root.clone()),
        (Some(root), false) => match names.first_mut() {
            Some(first) => first.clone_from(root),
            None => names.push(root.clone()),
        },
        (None, _) => {}
    }
    Ok(names)
}

fn one(
    root: &OwnedFd,
    entry: &mut tar::Entry<'_, Pieces>,
    place: &[String],
    how: &How,
    folders: &mut BTreeMap<Vec<String>, Attributes>,
) -> Result<u64, ExtractError> {
    let shown = place.join("/");
    let header = entry.header();
    let kind = header.entry_type();
    let number = |found: io::Result<u64>| found.ok().and_then(|id| u32::try_from(id).ok());
    let owner = if how.keep_owner {
        number(header.uid()).zip(number(header.gid()))
    } else {
        None
    };
    let mask = if owner.is_some() { 0o7777 } else { 0o777 };
    let attributes = Attributes {
        mode: header.mode().unwrap_or(0o644) & mask,
        mtime: header.mtime().unwrap_or_default(),
        owner,
    };
    let Some((last, parents)) = place.split_last() else {
        // The destination itself, which is there and keeps what it has.
        return Ok(0);
    };
    let failed = |error: Errno| ExtractError::Write {
        name: shown.clone(),
        source: error.into(),
    };
    let parent = open_folder(root, parents, &shown)?;
    if kind.is_dir() {
        match rustix::fs::mkdirat(&parent, last.as_str(), Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        // It may have been something else before: then this says so.
        open_folder(root, place, &shown)?;
        folders.insert(place.to_vec(), attributes);
        return Ok(0);
    }
    clear(&parent, last).map_err(failed)?;
    if kind.is_symlink() {
        let target = entry.link_name_bytes().unwrap_or_default();
        rustix::fs::symlinkat(target.as_ref(), &parent, last.as_str()).map_err(failed)?;
        return Ok(0);
    }
    if kind.is_hard_link() {
        let target = entry.link_name_bytes().unwrap_or_default();
        let target = placed(&String::from_utf8_lossy(&target), how)?;
        let Some((target, folders)) = target.split_last() else {
            return Err(failed(Errno::ISDIR));
        };
        let folder = open_folder(root, folders, &shown)?;
        return rustix::fs::linkat(
            &folder,
            target.as_str(),
            &parent,
            last.as_str(),
            AtFlags::empty(),
        )
        .map(|()| 0)
        .map_err(failed);
    }
    if !kind.is_file() && !kind.is_contiguous() && !kind.is_gnu_sparse() {
        output::warn(&format!(
            "WARNING: {shown} is a device or the like and was left out"
        ));
        return Ok(0);
    }
    write_file(&parent, last, entry, &attributes, &shown)
}

fn write_file(
    parent: &OwnedFd,
    last: &str,
    entry: &mut tar::Entry<'_, Pieces>,
    attributes: &Attributes,
    shown: &str,
) -> Result<u64, ExtractError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(parent, last, flags, Mode::from_raw_mode(0o600));
    let failed = |source: io::Error| ExtractError::Write {
        name: shown.to_owned(),
        source,
    };
    let mut file = std::fs::File::from(opened.map_err(|error| failed(error.into()))?);
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let count = entry.read(&mut buffer).map_err(ExtractError::Read)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(failed)?;
        size += u64::try_from(count).unwrap_or_default();
    }
    apply(file.as_fd(), attributes, shown)?;
    Ok(size)
}

/// Takes away what is in a file's place. A folder stays, and the file then cannot be written.
fn clear(parent: &OwnedFd, last: &str) -> Result<(), Errno> {
    match rustix::fs::statat(parent, last, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {
            Err(Errno::ISDIR)
        }
        Ok(_) => rustix::fs::unlinkat(parent, last, AtFlags::empty()),
    }
}

/// Opens a folder beneath the root, name by name, and makes what is missing.
fn open_folder(root: &OwnedFd, names: &[String], shown: &str) -> Result<OwnedFd, ExtractError> {
    let write = |error: Errno| ExtractError::Write {
        name: shown.to_owned(),
        source: error.into(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(root, ".", flags, Mode::empty()).map_err(write)?;
    for name in names {
        let opened = match rustix::fs::openat(&folder, name.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(&folder, name.as_str(), Mode::from_raw_mode(0o755))
                    .map_err(write)?;
                rustix::fs::openat(&folder, name.as_str(), flags, Mode::empty())
            }
            other => other,
        };
        folder = opened.map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => ExtractError::NotAFolder {
                name: shown.to_owned(),
                component: name.clone(),
            },
            error => write(error),
        })?;
    }
    Ok(folder)
}

fn apply(
    file: std::os::fd::BorrowedFd<'_>,
    attributes: &Attributes,
    shown: &str,
) -> Result<(), ExtractError> {
    let failed = |error: Errno| ExtractError::Write {
        name: shown.to_owned(),
        source: error.into(),
    };
    if let Some((user, group)) = attributes.owner {
        rustix::fs::fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
            .map_err(failed)?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(attributes.mode)).map_err(failed)?;
    let time = Timespec {
        tv_sec: i64::try_from(attributes.mtime).unwrap_or_default(),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::futimens(file, &times).map_err(failed)
}

/// The archive as it comes in from the asynchronous side.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::{How, extract};

    /// One entry: its name, its kind, its content or the target of a link.
    type Entry<'a> = (&'a str, tar::EntryType, &'a str);

    fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            // Names that the library would refuse to write.
            let field = &mut header.as_gnu_mut().unwrap().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            let links = kind.is_symlink() || kind.is_hard_link();
            if links {
                header.set_link_name_literal(content.as_bytes()).unwrap();
            }
            let content = if links { "" } else { content };
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn unpack(
        entries: &[Entry<'_>],
        folder: &Path,
        rename: Option<&str>,
        contents_only: bool,
    ) -> Result<u64, String> {
        let (sender, receiver) = mpsc::channel(1);
        let bytes = Bytes::from(archive(entries));
        let sending = std::thread::spawn(move || {
            let _sent = sender.blocking_send(Ok(bytes));
        });
        let how = How {
            rename: rename.map(str::to_owned),
            contents_only,
            keep_owner: false,
        };
        let outcome =
            extract(receiver, folder, &how).map_err(|error| crate::failure::with_causes(&error));
        sending.join().unwrap();
        outcome
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;
    const FOLDER: tar::EntryType = tar::EntryType::Directory;
    const LINK: tar::EntryType = tar::EntryType::Symlink;
    const HARD: tar::EntryType = tar::EntryType::Link;

    #[test]
    fn the_root_is_renamed_and_strange_bits_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let entries = [
            ("a", FOLDER, ""),
            ("a/f", FILE, "text"),
            ("a/h", HARD, "a/f"),
            ("a/l", LINK, "f"),
        ];
        assert_eq!(unpack(&entries, folder.path(), Some("b"), false), Ok(4));
        let at = |name: &str| folder.path().join(name);
        assert_eq!(fs::read_to_string(at("b/f")).unwrap(), "text");
        assert_eq!(fs::read_to_string(at("b/h")).unwrap(), "text");
        assert_eq!(fs::read_link(at("b/l")).unwrap(), Path::new("f"));
        assert_eq!(
            fs::metadata(at("b/f")).unwrap().permissions().mode() & 0o7777,
            0o755
        );
    }

    #[test]
    fn contents_go_into_the_folder_itself_or_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let entries = [("./", FOLDER, ""), ("./f", FILE, "x")];
        unpack(&entries, folder.path(), None, true).unwrap();
        unpack(&entries, folder.path(), Some("new"), true).unwrap();
        assert!(folder.path().join("f").is_file());
        assert!(folder.path().join("new/f").is_file());
    }

    #[test]
    fn nothing_is_written_outside() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("in");
        let secret = outer.path().join("secret");
        fs::create_dir(&folder).unwrap();
        fs::write(&secret, "kept").unwrap();
        let hostile: &[&[Entry<'_>]] = &[
            &[("../secret", FILE, "lost")],
            &[("a/../../secret", FILE, "lost")],
            // A link in the archive, then a file through it.
            &[("d", LINK, ".."), ("d/secret", FILE, "lost")],
            &[("d", LINK, "/"), ("d/tmp/lost", FILE, "lost")],
            &[("h", HARD, "../secret"), ("h", FILE, "lost")],
        ];
        for entries in hostile {
            assert!(unpack(entries, &folder, None, true).is_err(), "{entries:?}");
            assert_eq!(fs::read_to_string(&secret).unwrap(), "kept");
        }
        // A link at the destination is replaced, not followed.
        symlink(&secret, folder.join("f")).unwrap();
        unpack(&[("f", FILE, "new")], &folder, None, true).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "kept");
        assert_eq!(fs::read_to_string(folder.join("f")).unwrap(), "new");
        // An absolute name is one beneath the folder.
        unpack(&[("/abs", FILE, "x")], &folder, None, true).unwrap();
        assert!(folder.join("abs").is_file());
    }

    #[test]
    fn half_an_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let mut bytes = archive(&[("f", FILE, "text")]);
        bytes.truncate(514);
        let sending = std::thread::spawn(move || {
            let _sent = sender.blocking_send(Ok(Bytes::from(bytes)));
        });
        let how = How {
            rename: None,
            contents_only: true,
            keep_owner: false,
        };
        assert!(extract(receiver, folder.path(), &how).is_err());
        sending.join().unwrap();
    }
}
