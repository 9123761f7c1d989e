//! Trees copied from beneath one root to beneath another.
//!
//! Owners, modes, times, extended attributes and hard links are kept; links are copied as links. Contents are
//! shared where the file system can, so that a copy costs no space.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;

use crate::attribute::{Attributes, OPAQUE, set_at};
use crate::error::{Context, Error};
use crate::extract::set_attributes;
use crate::root::{
    Kind, Links, Metadata, Mode, Owner, Root, create_at, path_in, remove_tree, set_mode_at,
    set_modified_at,
};
use crate::whiteout::Whiteouts;

/// How a tree is copied.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// Whose everything becomes, instead of the owners it has.
    pub owner: Option<Owner>,
    /// Permission bits of everything that is no link, instead of those it has.
    pub mode: Option<Mode>,
    /// `Overlay`: the tree is an overlay's changes, whose marks are copied too.
    pub whiteouts: Whiteouts,
    /// Whether a directory that is there already becomes like the one that is copied onto it.
    pub top: TopDirectory,
}

/// What becomes of the directory that a directory's contents are copied to, if it was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopDirectory {
    /// It keeps its owner, mode and time.
    #[default]
    Keeps,
    /// It takes those of the directory that is copied.
    Takes,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// How many things.
    pub entries: u64,
    /// Bytes of contents, all files together.
    pub bytes: u64,
}

/// Copies what is at `from_path` to `to_path`, whose parent must exist. Links at the end of either path are not
/// followed. A directory is merged into one that is there; of other things, the copied one takes the place.
pub fn copy(
    from: &Root,
    from_path: impl AsRef<Path>,
    to: &Root,
    to_path: impl AsRef<Path>,
    options: &CopyOptions,
) -> Result<Copied, Error> {
    let (from_path, to_path) = (from_path.as_ref(), to_path.as_ref());
    let mut copier = Copier {
        options,
        linked: HashMap::new(),
        done: Copied::default(),
        directories: Vec::new(),
    };
    let metadata = from.metadata(from_path, Links::Keep)?;
    let (parent, name) = to.parent_or_self(to_path)?;
    if metadata.kind != Kind::Directory {
        let source = Source {
            metadata,
            attributes: from.attributes(from_path)?,
        };
        copier.thing(
            &source,
            to_path,
            (&parent, &name),
            to,
            || from.open_file(from_path),
            || from.read_link(from_path),
        )?;
        return Ok(copier.done);
    }
    copier.top(from, from_path, &metadata, to_path, (&parent, &name))?;
    let target = to.enter(to_path)?;
    let mut walk = from.walk(from_path)?;
    let mut kept: Option<(PathBuf, OwnedFd)> = None;
    while let Some(found) = walk.find_next() {
        let found = found?;
        let parent_path = found.path.parent().unwrap_or(Path::new(""));
        let parent = match kept.take() {
            Some((path, parent)) if path == parent_path => parent,
            _ => target.open_raw(parent_path, OFlags::PATH | OFlags::DIRECTORY, Links::Keep)?,
        };
        let source = Source {
            metadata: found.metadata,
            attributes: found.attributes()?,
        };
        copier.thing(
            &source,
            found.path,
            (&parent, &found.name),
            &target,
            || found.open_file(),
            || found.read_link(),
        )?;
        kept = Some((parent_path.to_owned(), parent));
    }
    for (path, seconds, nanoseconds) in copier.directories.iter().rev() {
        target.set_modified(path, *seconds, *nanoseconds)?;
    }
    Ok(copier.done)
}

struct Copier<'options> {
    options: &'options CopyOptions,
    /// The path of the copy of the first name of a file with several.
    linked: HashMap<(u64, u64), PathBuf>,
    done: Copied,
    directories: Vec<(PathBuf, i64, u32)>,
}

struct Source {
    metadata: Metadata,
    attributes: Attributes,
}

type Place<'place> = (&'place OwnedFd, &'place OsStr);

impl Copier<'_> {
    fn top(
        &mut self,
        from: &Root,
        from_path: &Path,
        metadata: &Metadata,
        to_path: &Path,
        (parent, name): Place<'_>,
    ) -> Result<(), Error> {
        let made = if name == "." {
            false
        } else {
            match rustix::fs::mkdirat(parent, name, Mode(0o700).raw()) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(Error::new("make directory", to_path, error)),
            }
        };
        if made || self.options.top == TopDirectory::Takes {
            let source = Source {
                metadata: *metadata,
                attributes: from.attributes(from_path)?,
            };
            self.dress(&source, to_path, (parent, name))?;
            self.remember_time(PathBuf::from("."), metadata);
        }
        Ok(())
    }

    fn thing(
        &mut self,
        source: &Source,
        path: &Path,
        place: Place<'_>,
        target: &Root,
        open: impl FnOnce() -> Result<File, Error>,
        read_link: impl FnOnce() -> Result<PathBuf, Error>,
    ) -> Result<(), Error> {
        let metadata = &source.metadata;
        let (parent, name) = place;
        self.done.entries += 1;
        if metadata.kind != Kind::Directory && metadata.links > 1 {
            if let Some(first) = self.linked.get(&metadata.identity) {
                let (first_parent, first_name) = target.parent(first)?;
                return replacing(parent, name, || {
                    let flags = AtFlags::empty();
                    rustix::fs::linkat(&first_parent, &first_name, parent, name, flags)
                })
                .context("make hard link", path);
            }
            self.linked.insert(metadata.identity, path.to_owned());
        }
        match metadata.kind {
            Kind::File => {
                let from = open()?;
                let to = replacing(parent, name, || create_at(parent, name, Mode(0o600)))
                    .context("create", path)?;
                self.done.bytes +=
                    copy_contents(&from, &to, metadata.size).context("copy", path)?;
            }
            Kind::Directory => {
                match rustix::fs::mkdirat(parent, name, Mode(0o700).raw()) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(Error::new("make directory", path, error)),
                }
                // Not through a link that is there: `dress` would change what it points to.
                let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
                    .context("make directory", path)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    return Err(Error::new("make directory", path, Errno::NOTDIR));
                }
                self.remember_time(path.to_owned(), metadata);
            }
            Kind::Symlink => {
                let link = read_link()?;
                replacing(parent, name, || rustix::fs::symlinkat(&link, parent, name))
                    .context("make link", path)?;
            }
            Kind::CharacterDevice | Kind::BlockDevice | Kind::Fifo | Kind::Socket => {
                let number = rustix::fs::makedev(metadata.device.0, metadata.device.1);
                let mode = Mode(0o600).raw();
                replacing(parent, name, || {
                    let file_type = metadata.kind.file_type();
                    rustix::fs::mknodat(parent, name, file_type, mode, number)
                })
                .context("make node", path)?;
            }
        }
        self.dress(source, path, place)?;
        if metadata.kind != Kind::Directory {
            let (seconds, rest) = (metadata.modified_seconds, metadata.modified_nanoseconds);
            set_modified_at(parent, name, seconds, rest).context("set time of", path)?;
        }
        Ok(())
    }

    /// Owner, mode and attributes.
    fn dress(&self, source: &Source, path: &Path, (parent, name): Place<'_>) -> Result<(), Error> {
        let owner = self.options.owner.unwrap_or(source.metadata.owner);
        owner
            .apply_at(parent.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .context("change owner of", path)?;
        if source.metadata.kind != Kind::Symlink {
            let mode = self.options.mode.unwrap_or(source.metadata.mode);
            set_mode_at(parent, name, mode).context("change mode of", path)?;
        }
        let file_path = path_in(parent.as_fd(), name);
        set_attributes(&source.attributes.0, &file_path).context("set attribute of", path)?;
        let hides = source.attributes.get(OPAQUE) == Some(b"y");
        if hides && self.options.whiteouts == Whiteouts::Overlay {
            set_at(&file_path, OPAQUE, b"y").context("set attribute of", path)?;
        }
        Ok(())
    }

    fn remember_time(&mut self, path: PathBuf, metadata: &Metadata) {
        self.directories.push((
            path,
            metadata.modified_seconds,
            metadata.modified_nanoseconds,
        ));
    }
}

/// Makes something; what is there and no directory is removed first.
fn replacing<M>(
    parent: &OwnedFd,
    name: &OsStr,
    make: impl Fn() -> Result<M, Errno>,
) -> Result<M, Errno> {
    match make() {
        Err(Errno::EXIST) => {}
        other => return other,
    }
    let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    remove_tree(parent.as_fd(), name)?;
    make()
}

fn copy_contents(from: &File, to: &File, size: u64) -> std::io::Result<u64> {
    if size == 0 {
        return Ok(0);
    }
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(size);
    }
    let mut to = to;
    // A file that grows while it is copied would otherwise never end.
    std::io::copy(&mut from.take(size), &mut to)
}
