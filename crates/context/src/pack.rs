//! Writing a folder as a tar archive: the same bytes for the same files, whoever owns them.
//!
//! Names in their order, folders before what is in them, everything root's, hard links as such, sockets left out.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{OFlags, major, minor};
use tar::{Builder, EntryType, Header};

use crate::{Error, Ignore};

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes everything in `root` that is not ignored, and `added`, a file that is not in there.
pub(crate) fn pack(
    root: &Path,
    ignore: &Ignore,
    added: Option<(&str, &[u8])>,
    out: impl Write,
    progress: impl FnMut(u64),
) -> Result<u64, Error> {
    let mut packer = Packer {
        root,
        ignore,
        archive: Builder::new(Counted {
            out,
            bytes: 0,
            progress,
        }),
        linked: HashMap::new(),
    };
    packer.folder(Path::new(""))?;
    if let Some((name, contents)) = added {
        append_file(&mut packer.archive, name, contents).map_err(Error::Write)?;
    }
    let mut counted = packer.archive.into_inner().map_err(Error::Write)?;
    counted.out.flush().map_err(Error::Write)?;
    Ok(counted.bytes)
}

/// Writes an archive of one file.
pub(crate) fn pack_one(name: &str, contents: &[u8], out: impl Write) -> Result<(), Error> {
    let mut archive = Builder::new(out);
    append_file(&mut archive, name, contents).map_err(Error::Write)?;
    archive.into_inner().map(drop).map_err(Error::Write)
}

fn append_file(archive: &mut Builder<impl Write>, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(contents.len() as u64);
    archive.append_data(&mut header, name, contents)
}

struct Packer<'a, Out: Write, Progress: FnMut(u64)> {
    root: &'a Path,
    ignore: &'a Ignore,
    archive: Builder<Counted<Out, Progress>>,
    /// The first name of each file that has several.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<Out: Write, Progress: FnMut(u64)> Packer<'_, Out, Progress> {
    fn folder(&mut self, folder: &Path) -> Result<(), Error> {
        let place = self.root.join(folder);
        let mut names = fs::read_dir(&place)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.file_name()))
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(|source| Error::Read {
                path: place,
                source,
            })?;
        names.sort_unstable();
        for name in names {
            self.entry(&folder.join(name))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) -> Result<(), Error> {
        let place = self.root.join(path);
        let read = |source| Error::Read {
            path: place.clone(),
            source,
        };
        let facts = match fs::symlink_metadata(&place) {
            Ok(facts) => facts,
            // Gone since its folder was listed: as if it had never been there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(read(error)),
        };
        // A name that is no text can be matched by no pattern exactly; close is enough to leave it out.
        let text = path.to_string_lossy();
        if self.ignore.excludes(&text) {
            if facts.is_dir() && self.ignore.may_keep_beneath(&text) {
                return self.folder(path);
            }
            return Ok(());
        }
        let kind = facts.file_type();
        let mut header = header_of(&facts);
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            // With a slash at the end, as every tar writes folders.
            let mut name = path.as_os_str().as_bytes().to_vec();
            name.push(b'/');
            let name = Path::new(std::ffi::OsStr::from_bytes(&name));
            self.archive
                .append_data(&mut header, name, io::empty())
                .map_err(Error::Write)?;
            return self.folder(path);
        }
        if facts.nlink() > 1 {
            let first = self
                .linked
                .entry((facts.dev(), facts.ino()))
                .or_insert_with(|| path.to_owned());
            if first.as_path() != path {
                header.set_entry_type(EntryType::Link);
                return self
                    .archive
                    .append_link(&mut header, path, first.as_path())
                    .map_err(Error::Write);
            }
        }
        if kind.is_file() {
            self.file(path, &place, &facts, header)
        } else if kind.is_symlink() {
            let target = fs::read_link(&place).map_err(read)?;
            header.set_entry_type(EntryType::Symlink);
            self.archive
                .append_link(&mut header, path, target)
                .map_err(Error::Write)
        } else if kind.is_socket() {
            // Nothing that an archive could hold.
            Ok(())
        } else {
            self.device(path, &facts, header)
        }
    }

    fn file(
        &mut self,
        path: &Path,
        place: &Path,
        facts: &fs::Metadata,
        mut header: Header,
    ) -> Result<(), Error> {
        // Not through a link that has taken the file's place since.
        let mut options = fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed(),
        );
        let file = options
            .read(true)
            .open(place)
            .map_err(|source| Error::Read {
                path: place.to_owned(),
                source,
            })?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(facts.len());
        let mut failure = None;
        let contents = Exactly {
            file: io::BufReader::with_capacity(CHUNK_BYTES, file),
            left: facts.len(),
            failure: &mut failure,
        };
        let written = self.archive.append_data(&mut header, path, contents);
        match failure {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Changed {
                path: place.to_owned(),
            }),
            Some(source) => Err(Error::Read {
                path: place.to_owned(),
                source,
            }),
            None => written.map_err(Error::Write),
        }
    }

    fn device(
        &mut self,
        path: &Path,
        facts: &fs::Metadata,
        mut header: Header,
    ) -> Result<(), Error> {
        let kind = facts.file_type();
        header.set_entry_type(if kind.is_fifo() {
            EntryType::Fifo
        } else if kind.is_block_device() {
            EntryType::Block
        } else {
            EntryType::Char
        });
        if !kind.is_fifo() {
            let numbers = header
                .set_device_major(major(facts.rdev()))
                .and_then(|()| header.set_device_minor(minor(facts.rdev())));
            numbers.map_err(Error::Write)?;
        }
        self.archive
            .append_data(&mut header, path, io::empty())
            .map_err(Error::Write)
    }
}

/// What an archive says of any file, but for its kind.
fn header_of(facts: &fs::Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(facts.mode() & 0o7777);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(facts.mtime().try_into().unwrap_or(0));
    header.set_size(0);
    header
}

/// As many bytes of a file as its header promises; what goes wrong with it is kept apart from what goes wrong with
/// the writing.
struct Exactly<'a, File> {
    file: File,
    left: u64,
    failure: &'a mut Option<io::Error>,
}

impl<File: Read> Read for Exactly<'_, File> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = match self.file.read(&mut buffer[..most]) {
            Ok(0) => {
                *self.failure = Some(io::ErrorKind::UnexpectedEof.into());
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.failure = Some(error);
                return Err(kind.into());
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}

/// Counts what goes through.
struct Counted<Out, Progress> {
    out: Out,
    bytes: u64,
    progress: Progress,
}

impl<Out: Write, Progress: FnMut(u64)> Write for Counted<Out, Progress> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        (self.progress)(self.bytes);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
