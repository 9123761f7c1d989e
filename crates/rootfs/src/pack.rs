//! A tree as an archive: always the same bytes for the same tree.
//!
//! Entries come in the order of their names, times in whole seconds, owners as numbers. Sockets, which mean
//! nothing elsewhere, are left out.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::attribute::Attributes;
use crate::error::Error;
use crate::root::{Kind, Links, Metadata, Owner, Root};
use crate::tar::{self, EntryKind, Header, Writer};
use crate::whiteout::{OPAQUE_NAME, PREFIX, Whiteouts};

/// How a tree is packed.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// Where in the archive the tree goes. Empty: a directory's contents only, without an entry for itself.
    pub name: PathBuf,
    /// What becomes of an overlay's whiteouts.
    pub whiteouts: Whiteouts,
    /// Whose everything is said to be, instead of the owners it has.
    pub owner: Option<Owner>,
}

/// Why a tree was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] tar::Error),
    /// Something in the tree could not be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// A tree of changes refers to what is below it, and so cannot stand alone.
    #[error("{} has only part of its contents in this layer", path.display())]
    Partial {
        /// Where.
        path: PathBuf,
    },
}

/// What was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packed {
    /// How many entries.
    pub entries: u64,
    /// Bytes of contents, all files together.
    pub bytes: u64,
}

/// Writes what is at `path` beneath `root` as an archive to `target`, with the blocks that end an archive.
pub fn pack<W: Write>(
    root: &Root,
    path: impl AsRef<Path>,
    target: W,
    options: &PackOptions,
) -> Result<Packed, PackError> {
    let path = path.as_ref();
    let mut packer = Packer {
        writer: Writer::new(target),
        options,
        linked: HashMap::new(),
        done: Packed::default(),
    };
    let metadata = root.metadata(path, Links::Keep)?;
    if !options.name.as_os_str().is_empty() || metadata.kind != Kind::Directory {
        let attributes = root.attributes(path)?;
        packer.entry(
            &options.name,
            &metadata,
            attributes,
            || root.open_file(path),
            || root.read_link(path),
        )?;
    }
    if metadata.kind == Kind::Directory {
        let mut walk = root.walk(path)?;
        while let Some(found) = walk.find_next() {
            let found = found?;
            let name = options.name.join(found.path);
            packer.entry(
                &name,
                &found.metadata,
                found.attributes()?,
                || found.open_file(),
                || found.read_link(),
            )?;
        }
    }
    let done = packer.done;
    packer.writer.finish()?;
    Ok(done)
}

struct Packer<'options, W> {
    writer: Writer<W>,
    options: &'options PackOptions,
    /// Where in the archive the first name of a file with several is.
    linked: HashMap<(u64, u64), PathBuf>,
    done: Packed,
}

impl<W: Write> Packer<'_, W> {
    fn entry(
        &mut self,
        name: &Path,
        metadata: &Metadata,
        attributes: Attributes,
        open: impl FnOnce() -> Result<File, Error>,
        read_link: impl FnOnce() -> Result<PathBuf, Error>,
    ) -> Result<(), PackError> {
        let overlay = self.options.whiteouts == Whiteouts::Overlay;
        if overlay && is_partial(&attributes) {
            return Err(PackError::Partial {
                path: name.to_owned(),
            });
        }
        let opaque = overlay && attributes.get(crate::attribute::OPAQUE) == Some(b"y");
        let kind = match metadata.kind {
            Kind::Socket => return Ok(()),
            Kind::CharacterDevice if overlay && metadata.device == (0, 0) => {
                return self.marker(name, metadata);
            }
            Kind::CharacterDevice => EntryKind::CharacterDevice,
            Kind::BlockDevice => EntryKind::BlockDevice,
            Kind::Fifo => EntryKind::Fifo,
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink,
            Kind::File => EntryKind::File,
        };
        let mut header = self.header(name, kind, metadata);
        if metadata.kind != Kind::Directory && metadata.links > 1 {
            if let Some(first) = self.linked.get(&metadata.identity) {
                header.kind = EntryKind::HardLink;
                header.link = first.clone().into_os_string();
                return self.append(&header);
            }
            self.linked.insert(metadata.identity, name.to_owned());
        }
        header.attributes = attributes.into_portable().0;
        match kind {
            EntryKind::File => {
                header.size = metadata.size;
                self.done.entries += 1;
                self.done.bytes += metadata.size;
                return Ok(self.writer.append_data(&header, open()?)?);
            }
            EntryKind::Symlink => header.link = read_link()?.into_os_string(),
            _ => {}
        }
        self.append(&header)?;
        if opaque {
            let marker = Header::new(name.join(OPAQUE_NAME), EntryKind::File, 0);
            self.append(&marker)?;
        }
        Ok(())
    }

    /// The entry that says that what has this name is gone.
    fn marker(&mut self, name: &Path, metadata: &Metadata) -> Result<(), PackError> {
        let Some(gone) = name.file_name() else {
            return Ok(());
        };
        let marker = [PREFIX.as_bytes(), gone.as_bytes()].concat();
        let path = name.with_file_name(OsString::from_vec(marker));
        let mut header = self.header(&path, EntryKind::File, metadata);
        header.mode = 0;
        self.append(&header)
    }

    fn header(&self, name: &Path, kind: EntryKind, metadata: &Metadata) -> Header {
        let mut path = name.as_os_str().to_owned();
        if kind == EntryKind::Directory {
            path.push("/");
        }
        let owner = self.options.owner.unwrap_or(metadata.owner);
        Header {
            mode: metadata.mode.0,
            user: owner.user,
            group: owner.group,
            modified_seconds: metadata.modified_seconds,
            device: match kind {
                EntryKind::CharacterDevice | EntryKind::BlockDevice => metadata.device,
                _ => (0, 0),
            },
            ..Header::new(path, kind, 0)
        }
    }

    fn append(&mut self, header: &Header) -> Result<(), PackError> {
        self.done.entries += 1;
        Ok(self.writer.append(header)?)
    }
}

/// Whether the overlay has left something in a lower directory.
fn is_partial(attributes: &Attributes) -> bool {
    [c"trusted.overlay.metacopy", c"trusted.overlay.redirect"]
        .into_iter()
        .any(|name| attributes.get(name).is_some())
}

impl PackError {
    /// The kernel's number for the failure, if it came from there.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Read(error) => error.errno(),
            Self::Archive(tar::Error::Read(error) | tar::Error::Write(error)) => {
                Errno::from_io_error(error)
            }
            Self::Archive(_) | Self::Partial { .. } => None,
        }
    }
}
