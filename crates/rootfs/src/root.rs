//! A directory that is the top of the world for every path beneath it.
//!
//! Parents of a path are resolved as a process in a container with this root would: links are followed, and
//! neither an absolute link nor `..` leaves. Whether the last part of a path is followed is the caller's choice
//! where both make sense ([`Links`]); making, renaming and removing never follow it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, OFlags, ResolveFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::error::{Context, Error};
use crate::walk::{Entry, Walk, entries_of};

/// How often a look-up is tried again that a rename elsewhere disturbed.
const MAX_DISTURBED: u32 = 1_000;

/// How many directories a removal holds open: well below what a process may open.
const MAX_REMOVE_DEPTH: usize = 64;

/// A directory beneath which paths are opened and made.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
}

/// Whether a symbolic link at the end of a path stands for what it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The link's target, looked up beneath the root, is meant.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Permission bits with set-id and sticky bits: the lower twelve of a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

/// A user and a group, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// The user's id.
    pub user: u32,
    /// The group's id.
    pub group: u32,
}

/// What the file system says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Its permissions.
    pub mode: Mode,
    /// Whose it is.
    pub owner: Owner,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last changed, in whole seconds since 1970.
    pub modified_seconds: i64,
    /// The rest of that time, in nanoseconds.
    pub modified_nanoseconds: u32,
    /// For a device: its major and minor number.
    pub device: (u32, u32),
    /// Which file it is, the same for all its hard links: device and inode.
    pub identity: (u64, u64),
    /// How many names it has.
    pub links: u64,
    /// What it takes on the disk, in bytes.
    pub allocated: u64,
}

impl Root {
    /// Takes the directory `path` of the computer as a root. Links on the way there are followed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, rustix::fs::Mode::empty())
            .map(Self::from)
            .context("open root", path)
    }

    /// A root of its own for the directory `path`.
    pub fn enter(&self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.open_raw(path.as_ref(), flags, Links::Follow)
            .map(Self::from)
    }

    /// Another handle of the same root.
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.directory
            .try_clone()
            .map(Self::from)
            .context("clone handle of", Path::new("/"))
    }

    /// A path of the computer that stands for this root while the handle lives.
    pub fn host_path(&self) -> PathBuf {
        handle_path(self.directory.as_fd())
    }

    /// Opens a regular file for reading; anything else is refused, so that nothing blocks or acts.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        let path = path.as_ref();
        let handle = self.open_raw(path, OFlags::PATH, Links::Follow)?;
        reopen_file(&handle, OFlags::RDONLY).context("open", path)
    }

    /// Makes a new file for writing; whatever is there already is an error.
    pub fn create_file(&self, path: impl AsRef<Path>, mode: Mode) -> Result<File, Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        create_at(&parent, &name, mode).context("create", path)
    }

    /// Makes a file for writing, in place of a file or link that is there already.
    pub fn replace_file(&self, path: impl AsRef<Path>, mode: Mode) -> Result<File, Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        match create_at(&parent, &name, mode) {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(&parent, &name, AtFlags::empty()).context("replace", path)?;
                create_at(&parent, &name, mode).context("create", path)
            }
            other => other.context("create", path),
        }
    }

    /// What is known of `path`.
    pub fn metadata(&self, path: impl AsRef<Path>, links: Links) -> Result<Metadata, Error> {
        let path = path.as_ref();
        let handle = self.open_raw(path, OFlags::PATH, links)?;
        rustix::fs::fstat(&handle)
            .map(|stat| Metadata::from_stat(&stat))
            .context("stat", path)
    }

    /// Whether there is anything at `path`, a link that leads nowhere too.
    pub fn exists(&self, path: impl AsRef<Path>) -> Result<bool, Error> {
        match self.metadata(path, Links::Keep) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where `path` really is beneath this root, all links followed; it must exist.
    pub fn canonical(&self, path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let path = path.as_ref();
        let handle = self.open_raw(path, OFlags::PATH, Links::Follow)?;
        let here = real_path(self.directory.as_fd()).context("locate", path)?;
        let there = real_path(handle.as_fd()).context("locate", path)?;
        let inside = there
            .strip_prefix(&here)
            .map_err(|_| Error::new("locate", path, Errno::XDEV))?;
        Ok(Path::new("/").join(inside))
    }

    /// What the link at `path` says.
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let path = path.as_ref();
        let handle = self.open_raw(path, OFlags::PATH, Links::Keep)?;
        read_link_at(handle.as_fd(), OsStr::new("")).context("read link", path)
    }

    /// Makes a directory; its parent must exist.
    pub fn make_directory(&self, path: impl AsRef<Path>, mode: Mode) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        rustix::fs::mkdirat(&parent, &name, mode.raw()).context("make directory", path)?;
        set_mode_at(&parent, &name, mode).context("make directory", path)
    }

    /// Makes a directory and those above it that are missing, all with this mode and owner. What is there
    /// already is left as it is; a link to a directory counts as one.
    pub fn make_directories(
        &self,
        path: impl AsRef<Path>,
        mode: Mode,
        owner: Owner,
    ) -> Result<(), Error> {
        let mut below = PathBuf::from("/");
        for component in path.as_ref().components() {
            match component {
                Component::Normal(name) => below.push(name),
                Component::ParentDir => {
                    // What comes before may be a link: only the kernel knows its parent.
                    below.push("..");
                    continue;
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            }
            match self.metadata(&below, Links::Follow) {
                Ok(there) if there.kind == Kind::Directory => {}
                Ok(_) => return Err(Error::new("make directory", &below, Errno::NOTDIR)),
                Err(error) if error.errno() == Some(Errno::NOENT) => {
                    match self.make_directory(&below, mode) {
                        Ok(()) => self.set_owner(&below, owner)?,
                        Err(error) if error.already_exists() => {
                            // Made by another in the meantime, or a link that leads nowhere.
                            self.enter(&below)?;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes a symbolic link at `path` that says `target`, whatever that is.
    pub fn symlink(&self, target: impl AsRef<OsStr>, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        rustix::fs::symlinkat(target.as_ref(), &parent, &name).context("make link", path)
    }

    /// Makes `path` another name of `existing`, which is not followed.
    pub fn hard_link(
        &self,
        existing: impl AsRef<Path>,
        path: impl AsRef<Path>,
    ) -> Result<(), Error> {
        let (existing, path) = (existing.as_ref(), path.as_ref());
        let (old_parent, old_name) = self.parent(existing)?;
        let (parent, name) = self.parent(path)?;
        rustix::fs::linkat(&old_parent, &old_name, &parent, &name, AtFlags::empty())
            .context("make hard link", path)
    }

    /// Makes a device, pipe or socket node.
    pub fn make_node(
        &self,
        path: impl AsRef<Path>,
        kind: Kind,
        mode: Mode,
        device: (u32, u32),
    ) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        let number = rustix::fs::makedev(device.0, device.1);
        rustix::fs::mknodat(&parent, &name, kind.file_type(), mode.raw(), number)
            .context("make node", path)
    }

    /// Moves `from` to `to`, over what is there as `rename` does.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), Error> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (old_parent, old_name) = self.parent(from)?;
        let (parent, name) = self.parent(to)?;
        rustix::fs::renameat(&old_parent, &old_name, &parent, &name).context("rename", from)
    }

    /// Removes a file, link, device or empty directory.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path)?;
        remove_at(&parent, &name).context("remove", path)
    }

    /// Removes `path` with all that is in it; nothing there is fine. Mounts are not entered.
    pub fn remove_all(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let parent = match self.parent(path) {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        remove_tree(parent.0.as_fd(), &parent.1).context("remove", path)
    }

    /// Removes all that is in the root, but not the root.
    pub fn clear(&self) -> Result<(), Error> {
        let top = Path::new("/");
        for entry in self.entries(top)? {
            remove_tree(self.directory.as_fd(), &entry.name)
                .context("remove", &top.join(&entry.name))?;
        }
        Ok(())
    }

    /// What is in the directory `path`, sorted by name.
    pub fn entries(&self, path: impl AsRef<Path>) -> Result<Vec<Entry>, Error> {
        let path = path.as_ref();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = self.open_raw(path, flags, Links::Follow)?;
        entries_of(&directory).context("list", path)
    }

    /// All that is beneath the directory `path`, each before what is in it, siblings sorted by name; links are
    /// told and not followed.
    pub fn walk(&self, path: impl AsRef<Path>) -> Result<Walk, Error> {
        Walk::new(self.enter(path)?)
    }

    /// Gives `path`, which is not followed, to `owner`.
    pub fn set_owner(&self, path: impl AsRef<Path>, owner: Owner) -> Result<(), Error> {
        let path = path.as_ref();
        let handle = self.open_raw(path, OFlags::PATH, Links::Keep)?;
        owner.apply(handle.as_fd()).context("change owner of", path)
    }

    /// Sets the permissions of `path`, which must not be a link.
    pub fn set_mode(&self, path: impl AsRef<Path>, mode: Mode) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent_or_self(path)?;
        set_mode_at(&parent, &name, mode).context("change mode of", path)
    }

    /// Sets when `path`, which is not followed, was last changed.
    pub fn set_modified(
        &self,
        path: impl AsRef<Path>,
        seconds: i64,
        nanoseconds: u32,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent_or_self(path)?;
        set_modified_at(&parent, &name, seconds, nanoseconds).context("set time of", path)
    }

    /// Opens `path` with these flags, beneath the root whatever it says.
    pub(crate) fn open_raw(
        &self,
        path: &Path,
        flags: OFlags,
        links: Links,
    ) -> Result<OwnedFd, Error> {
        let flags = match links {
            Links::Follow => flags,
            Links::Keep => flags | OFlags::NOFOLLOW,
        };
        open_beneath(self.directory.as_fd(), path, flags).context("open", path)
    }

    /// The directory that `path` is in, and the last part of its name.
    pub(crate) fn parent(&self, path: &Path) -> Result<(OwnedFd, OsString), Error> {
        let (parent, name) = split(path).ok_or_else(|| Error::new("open", path, Errno::INVAL))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory =
            open_beneath(self.directory.as_fd(), parent, flags).context("open", path)?;
        Ok((directory, name.to_owned()))
    }

    /// As [`Root::parent`]; for the root itself, the root and `.`.
    pub(crate) fn parent_or_self(&self, path: &Path) -> Result<(OwnedFd, OsString), Error> {
        if split(path).is_some() {
            self.parent(path)
        } else {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let directory = self.open_raw(path, flags, Links::Follow)?;
            Ok((directory, OsString::from(".")))
        }
    }
}

impl From<OwnedFd> for Root {
    /// Takes a directory that is open already.
    fn from(directory: OwnedFd) -> Self {
        Self { directory }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Mode {
    pub(crate) fn raw(self) -> rustix::fs::Mode {
        rustix::fs::Mode::from_raw_mode(self.0 & 0o7777)
    }
}

impl Owner {
    /// The superuser.
    pub const ROOT: Self = Self { user: 0, group: 0 };

    /// Gives what `handle` stands for, even a link, to this owner.
    pub(crate) fn apply(self, handle: BorrowedFd<'_>) -> Result<(), Errno> {
        self.apply_at(handle, OsStr::new(""), AtFlags::EMPTY_PATH)
    }

    pub(crate) fn apply_at(
        self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        flags: AtFlags,
    ) -> Result<(), Errno> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        rustix::fs::chownat(directory, name, Some(user), Some(group), flags)
    }
}

impl Kind {
    pub(crate) fn from_file_type(file_type: FileType) -> Option<Self> {
        match file_type {
            FileType::RegularFile => Some(Self::File),
            FileType::Directory => Some(Self::Directory),
            FileType::Symlink => Some(Self::Symlink),
            FileType::CharacterDevice => Some(Self::CharacterDevice),
            FileType::BlockDevice => Some(Self::BlockDevice),
            FileType::Fifo => Some(Self::Fifo),
            FileType::Socket => Some(Self::Socket),
            FileType::Unknown => None,
        }
    }

    pub(crate) fn file_type(self) -> FileType {
        match self {
            Self::File => FileType::RegularFile,
            Self::Directory => FileType::Directory,
            Self::Symlink => FileType::Symlink,
            Self::CharacterDevice => FileType::CharacterDevice,
            Self::BlockDevice => FileType::BlockDevice,
            Self::Fifo => FileType::Fifo,
            Self::Socket => FileType::Socket,
        }
    }
}

impl Metadata {
    #[expect(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "the widths of these fields differ between architectures"
    )]
    pub(crate) fn from_stat(stat: &rustix::fs::Stat) -> Self {
        let file_type = FileType::from_raw_mode(stat.st_mode);
        Self {
            kind: Kind::from_file_type(file_type).unwrap_or(Kind::Socket),
            mode: Mode(stat.st_mode & 0o7777),
            owner: Owner {
                user: stat.st_uid,
                group: stat.st_gid,
            },
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified_seconds: stat.st_mtime,
            modified_nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            device: (
                rustix::fs::major(stat.st_rdev),
                rustix::fs::minor(stat.st_rdev),
            ),
            identity: (stat.st_dev, stat.st_ino),
            links: u64::from(stat.st_nlink),
            allocated: u64::try_from(stat.st_blocks as i64).unwrap_or(0) * 512,
        }
    }
}

/// The path of the computer that leads to what `handle` stands for, whatever names it has.
pub(crate) fn handle_path(handle: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

/// The path of `name` in the directory `handle`, for calls that do not take a directory.
pub(crate) fn path_in(handle: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    handle_path(handle).join(name)
}

pub(crate) fn read_link_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<PathBuf, Errno> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

/// Opens a regular file again, by a handle that only names it.
pub(crate) fn reopen_file(handle: &OwnedFd, flags: OFlags) -> Result<File, Errno> {
    let stat = rustix::fs::fstat(handle)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(
        handle_path(handle.as_fd()),
        flags,
        rustix::fs::Mode::empty(),
    )
    .map(File::from)
}

pub(crate) fn create_at(parent: &OwnedFd, name: &OsStr, mode: Mode) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, mode.raw())?;
    rustix::fs::fchmod(&file, mode.raw())?;
    Ok(File::from(file))
}

/// Sets permissions without following a link, which plain `fchmodat` would, out of every root.
pub(crate) fn set_mode_at(parent: &OwnedFd, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(parent, name, flags, rustix::fs::Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    rustix::fs::chmod(handle_path(handle.as_fd()), mode.raw())
}

pub(crate) fn set_modified_at(
    parent: &OwnedFd,
    name: &OsStr,
    seconds: i64,
    nanoseconds: u32,
) -> Result<(), Errno> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

fn open_beneath(directory: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    for _ in 0..MAX_DISTURBED {
        let opened =
            rustix::fs::openat2(directory, path, flags, rustix::fs::Mode::empty(), resolve);
        // `..` cannot be resolved safely while something is renamed: the kernel asks to try again.
        match opened {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// A path's directory and last part; none if it ends in `..` or has no part at all.
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    // `file_name` sees through a trailing `.` or `/`, which does not matter to what makes and removes.
    let name = path.file_name()?;
    Some((path.parent()?, name))
}

fn real_path(handle: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    let target = rustix::fs::readlink(handle_path(handle), Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

fn remove_at(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR),
        other => other,
    }
}

/// Removes a tree of any depth. No more than [`MAX_REMOVE_DEPTH`] directories are open at once: what lies deeper
/// is moved up to the top of the tree first.
pub(crate) fn remove_tree(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let Some(top) = remove_or_open(parent, name)? else {
        return Ok(());
    };
    let mut moved = 0;
    for _ in 0..MAX_DISTURBED {
        for entry in entries_of(&top)? {
            remove_level(&top, &entry.name, &top, 1, &mut moved)?;
        }
        match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Something was moved up here, or somebody else made something.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Errno::NOTEMPTY)
}

fn remove_level(
    directory: &OwnedFd,
    name: &OsStr,
    top: &OwnedFd,
    depth: usize,
    moved: &mut u64,
) -> Result<(), Errno> {
    let Some(inner) = remove_or_open(directory.as_fd(), name)? else {
        return Ok(());
    };
    if depth >= MAX_REMOVE_DEPTH {
        return move_up(directory, name, top, moved);
    }
    for entry in entries_of(&inner)? {
        remove_level(&inner, &entry.name, top, depth + 1, moved)?;
    }
    drop(inner);
    match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(other) => Err(other),
    }
}

fn move_up(directory: &OwnedFd, name: &OsStr, top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    loop {
        *moved += 1;
        let target = format!(".removed-{moved}");
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(directory, name, top, target, flags) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
}

/// Removes `name`; a directory that is not empty is opened instead.
fn remove_or_open(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Option<OwnedFd>, Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(None),
        Err(Errno::ISDIR) => {}
        Err(other) => return Err(other),
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(other) => return Err(other),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let mode = rustix::fs::Mode::empty();
    rustix::fs::openat2(parent, name, flags, mode, resolve).map(Some)
}
