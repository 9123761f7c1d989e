//! An archive's entries made beneath a root, whatever the archive says.
//!
//! Paths are cleaned as text, and one that would climb out is refused; what is left of it the kernel resolves
//! beneath the root. Nothing that is there is ever written to: what is in the way is removed and made anew. Times
//! of directories come last, since making what is in them changes them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::attribute::{Attribute, OPAQUE, is_portable, set_at};
use crate::error::{Context, Error};
use crate::root::{
    Kind, Links, Metadata, Mode, Owner, Root, create_at, path_in, remove_tree, set_mode_at,
    set_modified_at,
};
use crate::tar::{self, EntryKind, Header, Reader, Tap};
use crate::whiteout::{Meaning, Whiteouts, meaning};

/// The mode of directories that the archive has no entry for.
const MISSING_DIRECTORY: Mode = Mode(0o755);

/// The kernel's own bound for a path.
const MAX_PATH: usize = 4_096;

/// How an archive is extracted.
#[derive(Debug, Clone, Default)]
pub struct ExtractOptions {
    /// What `.wh.` names mean.
    pub whiteouts: Whiteouts,
    /// Whose everything becomes, instead of the owners that the archive names.
    pub owner: Option<Owner>,
    /// What happens when a directory meets something else.
    pub overwriting: Overwriting,
    /// How much is made at most.
    pub limits: ExtractLimits,
}

/// What happens when an entry's path is taken by something of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwriting {
    /// The entry takes its place, even that of a whole directory.
    #[default]
    Replace,
    /// A directory and something that is none do not replace each other.
    KeepDirectories,
}

/// How much an archive may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtractLimits {
    /// Entries.
    pub entries: u64,
    /// Bytes of contents, all files together.
    pub bytes: u64,
}

impl Default for ExtractLimits {
    /// Larger than any sensible image, small enough to end.
    fn default() -> Self {
        Self {
            entries: 20_000_000,
            bytes: 1 << 40,
        }
    }
}

/// Why an archive was not extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] tar::Error),
    /// An entry's path or link leads out of the root.
    #[error("archive entry {path:?} leads out of the directory it is extracted to")]
    Escapes {
        /// The path, as the archive has it.
        path: OsString,
    },
    /// An entry's path is longer than any path can be.
    #[error("archive entry has a path of {length} bytes, which is too long")]
    PathTooLong {
        /// How long it is.
        length: usize,
    },
    /// There are more entries, or more contents, than allowed.
    #[error("archive holds more than the {limit} {unit} that are allowed")]
    TooMuch {
        /// The limit.
        limit: u64,
        /// Of what: `entries` or `bytes`.
        unit: &'static str,
    },
    /// A directory is in the way of something else.
    #[error("cannot overwrite directory {} with non-directory", path.display())]
    DirectoryInTheWay {
        /// Where.
        path: PathBuf,
    },
    /// Something is in the way of a directory.
    #[error("cannot overwrite non-directory {} with directory", path.display())]
    NoDirectoryInTheWay {
        /// Where.
        path: PathBuf,
    },
    /// An entry could not be made.
    #[error(transparent)]
    Make(#[from] Error),
}

/// What was extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extracted {
    /// How many entries.
    pub entries: u64,
    /// Bytes of contents, all files together.
    pub bytes: u64,
    /// Entries whose contents are no longer, or not in full, what stands at their path: because a later entry
    /// took it, or because holes were made.
    pub unfaithful: u64,
}

/// Makes entries beneath a root, one by one.
#[derive(Debug)]
pub struct Extractor<'root> {
    root: &'root Root,
    options: ExtractOptions,
    done: Extracted,
    /// The directory of the entry before: the next one is mostly in the same.
    parent: Option<(PathBuf, OwnedFd)>,
    /// Times to be set at the end.
    directories: Vec<(PathBuf, i64, u32)>,
    buffer: Vec<u8>,
}

/// Extracts the archive that `source` gives beneath `root`.
pub fn extract(
    source: impl Read,
    root: &Root,
    options: &ExtractOptions,
) -> Result<Extracted, ExtractError> {
    let mut reader = Reader::new(source);
    let mut extractor = Extractor::new(root, options.clone());
    while let Some(header) = reader.next_entry()? {
        extractor.entry(&header, &mut reader)?;
    }
    extractor.finish()
}

impl<'root> Extractor<'root> {
    /// Makes entries beneath `root`.
    pub fn new(root: &'root Root, options: ExtractOptions) -> Self {
        Self {
            root,
            options,
            done: Extracted::default(),
            parent: None,
            directories: Vec::new(),
            buffer: vec![0; 128 * 1_024],
        }
    }

    /// Makes the entry that `reader` is at, with its contents.
    pub fn entry<R: Read, T: Tap>(
        &mut self,
        header: &Header,
        reader: &mut Reader<R, T>,
    ) -> Result<(), ExtractError> {
        self.count(header)?;
        let path = clean(&header.path)?;
        let Some(name) = path.file_name() else {
            return self.top(header);
        };
        let parent_path = path.parent().unwrap_or(Path::new(""));
        let parent = self.open_parent(parent_path)?;
        let made = self.make(header, &path, &parent, name, reader);
        self.parent = Some((parent_path.to_owned(), parent));
        made
    }

    /// Sets the times of directories, and says what was made.
    pub fn finish(self) -> Result<Extracted, ExtractError> {
        for (path, seconds, nanoseconds) in self.directories.iter().rev() {
            match self.root.set_modified(path, *seconds, *nanoseconds) {
                // A later entry took its place.
                Err(error) if error.is_not_found() => {}
                other => other?,
            }
        }
        Ok(self.done)
    }

    fn count(&mut self, header: &Header) -> Result<(), ExtractError> {
        let limits = self.options.limits;
        self.done.entries += 1;
        if self.done.entries > limits.entries {
            return Err(ExtractError::TooMuch {
                limit: limits.entries,
                unit: "entries",
            });
        }
        self.done.bytes = self.done.bytes.saturating_add(header.size);
        if self.done.bytes > limits.bytes {
            return Err(ExtractError::TooMuch {
                limit: limits.bytes,
                unit: "bytes",
            });
        }
        Ok(())
    }

    /// The entry for the root itself, whose attributes are set.
    fn top(&mut self, header: &Header) -> Result<(), ExtractError> {
        if header.kind != EntryKind::Directory {
            return Err(ExtractError::Escapes {
                path: header.path.clone(),
            });
        }
        let top = Path::new("/");
        self.root.set_owner(top, self.owner(header))?;
        self.root.set_mode(top, Mode(header.mode))?;
        self.remember_time(PathBuf::from("."), header);
        Ok(())
    }

    fn make<R: Read, T: Tap>(
        &mut self,
        header: &Header,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
        reader: &mut Reader<R, T>,
    ) -> Result<(), ExtractError> {
        if self.options.whiteouts == Whiteouts::Overlay {
            match meaning(name) {
                Meaning::Name => {}
                Meaning::Removed(gone) => return Ok(white_out(path, parent, gone)?),
                Meaning::Opaque => {
                    let directory = path_in(parent.as_fd(), OsStr::new("."));
                    return Ok(set_at(&directory, OPAQUE, b"y").context("white out", path)?);
                }
                Meaning::Ignored => return Ok(()),
            }
        }
        match header.kind {
            EntryKind::File => self.file(header, path, parent, name, reader)?,
            EntryKind::Directory => self.directory(header, path, parent, name)?,
            EntryKind::HardLink => return self.hard_link(header, path, parent, name),
            EntryKind::Symlink => {
                self.in_place(path, parent, name, || {
                    rustix::fs::symlinkat(&header.link, parent, name)
                })?;
            }
            EntryKind::CharacterDevice => {
                self.node(
                    header,
                    path,
                    parent,
                    name,
                    rustix::fs::FileType::CharacterDevice,
                )?;
            }
            EntryKind::BlockDevice => {
                self.node(
                    header,
                    path,
                    parent,
                    name,
                    rustix::fs::FileType::BlockDevice,
                )?;
            }
            EntryKind::Fifo => {
                self.node(header, path, parent, name, rustix::fs::FileType::Fifo)?;
            }
        }
        if header.kind != EntryKind::File {
            self.attributes(header, path, parent, name)?;
        }
        Ok(())
    }

    fn file<R: Read, T: Tap>(
        &mut self,
        header: &Header,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
        reader: &mut Reader<R, T>,
    ) -> Result<(), ExtractError> {
        // Nobody else may read it before it has its owner and mode.
        let mut file =
            self.in_place(path, parent, name, || create_at(parent, name, Mode(0o600)))?;
        if header.sparse.is_some() {
            self.done.unfaithful += 1;
            self.sparse_contents(header, path, &file, reader)?;
        } else {
            self.contents(header, path, &mut file, reader)?;
        }
        let owner = self.owner(header);
        owner.apply(file.as_fd()).context("change owner of", path)?;
        rustix::fs::fchmod(&file, Mode(header.mode).raw()).context("change mode of", path)?;
        let file_path = path_in(parent.as_fd(), name);
        set_attributes(&header.attributes, &file_path).context("set attribute of", path)?;
        set_modified_at(
            parent,
            name,
            header.modified_seconds,
            header.modified_nanoseconds,
        )
        .context("set time of", path)?;
        Ok(())
    }

    fn contents<R: Read, T: Tap>(
        &mut self,
        header: &Header,
        path: &Path,
        file: &mut File,
        reader: &mut Reader<R, T>,
    ) -> Result<(), ExtractError> {
        let mut written = 0;
        while written < header.size {
            let count = read_some(reader, &mut self.buffer)?;
            file.write_all(&self.buffer[..count])
                .context("write", path)?;
            written += count as u64;
        }
        if header.size > 0 {
            reader
                .tap()
                .file(path, header.size)
                .map_err(tar::Error::Write)?;
        }
        Ok(())
    }

    fn sparse_contents<R: Read, T: Tap>(
        &mut self,
        header: &Header,
        path: &Path,
        file: &File,
        reader: &mut Reader<R, T>,
    ) -> Result<(), ExtractError> {
        let Some(map) = &header.sparse else {
            return Ok(());
        };
        for (offset, length) in &map.parts {
            let mut written = 0;
            while written < *length {
                let most = usize::try_from(length - written)
                    .map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
                let count = read_some(reader, &mut self.buffer[..most])?;
                let part = &self.buffer[..count];
                file.write_all_at(part, offset + written)
                    .context("write", path)?;
                reader.tap().raw(part).map_err(tar::Error::Write)?;
                written += count as u64;
            }
        }
        file.set_len(map.length).context("write", path)?;
        Ok(())
    }

    fn directory(
        &mut self,
        header: &Header,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> Result<(), ExtractError> {
        let mode = Mode(0o700).raw();
        match rustix::fs::mkdirat(parent, name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = stat(parent, name).context("make directory", path)?;
                if there.kind != Kind::Directory {
                    if self.options.overwriting == Overwriting::KeepDirectories {
                        return Err(ExtractError::NoDirectoryInTheWay {
                            path: path.to_owned(),
                        });
                    }
                    let hides = self.is_whiteout(&there);
                    self.remove(path, parent, name, &there)?;
                    rustix::fs::mkdirat(parent, name, mode).context("make directory", path)?;
                    if hides {
                        set_at(&path_in(parent.as_fd(), name), OPAQUE, b"y")
                            .context("white out", path)?;
                    }
                }
            }
            Err(error) => return Err(Error::new("make directory", path, error).into()),
        }
        self.remember_time(path.to_owned(), header);
        Ok(())
    }

    fn hard_link(
        &mut self,
        header: &Header,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> Result<(), ExtractError> {
        let target = clean(&header.link)?;
        let (target_parent, target_name) = self.root.parent(&target)?;
        let link = || {
            let flags = AtFlags::empty();
            rustix::fs::linkat(&target_parent, &target_name, parent, name, flags)
        };
        match link() {
            Err(Errno::EXIST) => {}
            other => return Ok(other.context("make hard link", path)?),
        }
        // A link to itself must not remove what it links to.
        let there = stat(parent, name).context("make hard link", path)?;
        let target_there = stat(&target_parent, &target_name).context("make hard link", &target)?;
        if there.identity == target_there.identity {
            return Ok(());
        }
        self.clear_the_way(path, parent, name, &there)?;
        Ok(link().context("make hard link", path)?)
    }

    fn node(
        &mut self,
        header: &Header,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
        file_type: rustix::fs::FileType,
    ) -> Result<(), ExtractError> {
        let number = rustix::fs::makedev(header.device.0, header.device.1);
        self.in_place(path, parent, name, || {
            rustix::fs::mknodat(parent, name, file_type, Mode(0o600).raw(), number)
        })
    }

    /// Owner, mode, attributes and time of what is no regular file.
    fn attributes(
        &self,
        header: &Header,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> Result<(), ExtractError> {
        self.owner(header)
            .apply_at(parent.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .context("change owner of", path)?;
        if header.kind != EntryKind::Symlink {
            set_mode_at(parent, name, Mode(header.mode)).context("change mode of", path)?;
        }
        let file_path = path_in(parent.as_fd(), name);
        set_attributes(&header.attributes, &file_path).context("set attribute of", path)?;
        if header.kind != EntryKind::Directory {
            set_modified_at(
                parent,
                name,
                header.modified_seconds,
                header.modified_nanoseconds,
            )
            .context("set time of", path)?;
        }
        Ok(())
    }

    /// Makes something; what is in the way is removed first.
    fn in_place<M>(
        &mut self,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
        make: impl Fn() -> Result<M, Errno>,
    ) -> Result<M, ExtractError> {
        match make() {
            Err(Errno::EXIST) => {}
            other => return Ok(other.context("make", path)?),
        }
        let there = stat(parent, name).context("make", path)?;
        self.clear_the_way(path, parent, name, &there)?;
        Ok(make().context("make", path)?)
    }

    fn clear_the_way(
        &mut self,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
        there: &Metadata,
    ) -> Result<(), ExtractError> {
        let keeps = self.options.overwriting == Overwriting::KeepDirectories;
        if keeps && there.kind == Kind::Directory {
            return Err(ExtractError::DirectoryInTheWay {
                path: path.to_owned(),
            });
        }
        self.remove(path, parent, name, there)
    }

    fn remove(
        &mut self,
        path: &Path,
        parent: &OwnedFd,
        name: &OsStr,
        there: &Metadata,
    ) -> Result<(), ExtractError> {
        if matches!(there.kind, Kind::File | Kind::Directory) {
            self.done.unfaithful += 1;
        }
        remove_tree(parent.as_fd(), name).context("replace", path)?;
        Ok(())
    }

    fn is_whiteout(&self, there: &Metadata) -> bool {
        self.options.whiteouts == Whiteouts::Overlay
            && there.kind == Kind::CharacterDevice
            && there.device == (0, 0)
    }

    fn owner(&self, header: &Header) -> Owner {
        self.options.owner.unwrap_or(Owner {
            user: header.user,
            group: header.group,
        })
    }

    fn remember_time(&mut self, path: PathBuf, header: &Header) {
        self.directories
            .push((path, header.modified_seconds, header.modified_nanoseconds));
    }

    fn open_parent(&mut self, path: &Path) -> Result<OwnedFd, ExtractError> {
        if let Some((kept, handle)) = self.parent.take()
            && kept == path
        {
            return Ok(handle);
        }
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        match self.root.open_raw(path, flags, Links::Follow) {
            Err(error) if error.errno() == Some(Errno::NOENT) => {
                let owner = self.options.owner.unwrap_or(Owner::ROOT);
                self.root.make_directories(path, MISSING_DIRECTORY, owner)?;
                Ok(self.root.open_raw(path, flags, Links::Follow)?)
            }
            other => Ok(other?),
        }
    }
}

/// The overlay's form of "the thing of this name below is gone".
fn white_out(path: &Path, parent: &OwnedFd, gone: &OsStr) -> Result<(), Error> {
    let file_type = rustix::fs::FileType::CharacterDevice;
    let mode = rustix::fs::Mode::empty();
    let number = rustix::fs::makedev(0, 0);
    match rustix::fs::mknodat(parent, gone, file_type, mode, number) {
        Ok(()) => Ok(()),
        // What this very archive has put there stays, and hides what is below.
        Err(Errno::EXIST) => {
            let there = stat(parent, gone).context("white out", path)?;
            if there.kind == Kind::Directory {
                let directory = path_in(parent.as_fd(), gone);
                set_at(&directory, OPAQUE, b"y").context("white out", path)?;
            }
            Ok(())
        }
        Err(error) => Err(Error::new("white out", path, error)),
    }
}

/// A path without `.`, `..` and leading slashes; refused if it climbs above where it starts.
fn clean(path: &OsStr) -> Result<PathBuf, ExtractError> {
    if path.len() > MAX_PATH {
        return Err(ExtractError::PathTooLong { length: path.len() });
    }
    let escapes = || ExtractError::Escapes {
        path: path.to_owned(),
    };
    if path.as_bytes().contains(&0) {
        return Err(escapes());
    }
    let mut cleaned = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                if !cleaned.pop() {
                    return Err(escapes());
                }
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(cleaned)
}

fn stat(parent: &OwnedFd, name: &OsStr) -> Result<Metadata, Errno> {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|stat| Metadata::from_stat(&stat))
}

/// Sets those attributes that may come from elsewhere, as far as the file system has such.
pub(crate) fn set_attributes(attributes: &[Attribute], path: &Path) -> Result<(), Errno> {
    for attribute in attributes {
        if !is_portable(&attribute.name) {
            continue;
        }
        match set_at(path, &attribute.name, &attribute.value) {
            // Classes of attributes that this file system or kind of file does not have.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL) => {}
            other => other?,
        }
    }
    Ok(())
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, tar::Error> {
    loop {
        match reader.read(buffer) {
            Ok(0) => return Err(tar::Error::CutOff),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(tar::Error::CutOff);
            }
            Err(error) => return Err(tar::Error::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::clean;

    #[track_caller]
    fn check(path: &str, expect: Option<&str>) {
        let cleaned = clean(OsStr::new(path)).ok();
        assert_eq!(cleaned.as_deref(), expect.map(Path::new), "{path:?}");
    }

    #[test]
    fn paths_are_cleaned_and_may_not_climb_out() {
        check("a/b", Some("a/b"));
        check("./a//b/", Some("a/b"));
        check("/etc/passwd", Some("etc/passwd"));
        check("a/../b", Some("b"));
        check("./", Some(""));
        check("", Some(""));
        check("..", None);
        check("a/../../b", None);
        check("/..", None);
        check("a\0b", None);
    }
}
