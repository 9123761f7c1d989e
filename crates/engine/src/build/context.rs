//! A build's context as it comes in: an archive, written out beneath a root and hashed in the same pass.
//!
//! ```text
//! client ── pieces ──▶ channel (bounded) ──▶ a thread: gunzip ─ tar ─┬─ files beneath the workspace
//!                                                                    └─ a digest per path
//! ```
//!
//! When the client hangs up, the thread finds the archive cut off and takes the files away again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use blake3::{Hash, Hasher};
use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use rootfs::tar::{self, EntryKind, Header};
use rootfs::{ExtractError, ExtractOptions, Extractor, Root};
use tokio::sync::mpsc;

use super::workspace::Workspace;
use crate::error::{Error, Kind, Result};

/// How many pieces wait to be written.
const PIECES: usize = 8;

/// The longest Dockerfile or `.dockerignore` that is read.
const TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// A context on disk.
#[derive(Debug)]
pub(super) struct Context {
    /// What is in it.
    pub(super) root: Root,
    digests: BTreeMap<PathBuf, Hash>,
    /// Where it lies, and where layers are made.
    pub(super) workspace: Workspace,
}

impl Context {
    /// Takes a context in. Answers when all of it is there.
    pub(super) async fn receive(
        mut archive: impl Stream<Item = io::Result<Bytes>> + Unpin,
        workspace: Workspace,
    ) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(PIECES);
        let writing =
            tokio::task::spawn_blocking(move || write_out(Pieces::new(receiver), workspace));
        while let Some(piece) = archive.next().await {
            let is_last = piece.is_err();
            // When it cannot be sent, the thread has given up, and its result says why.
            if sender.send(piece).await.is_err() || is_last {
                break;
            }
        }
        drop(sender);
        writing
            .await
            .map_err(|cause| Error::internal("the context's thread ended").because(cause))?
    }

    /// The Dockerfile's text.
    pub(super) fn dockerfile(&self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| {
            Error::bad_parameter(format!("Cannot locate specified Dockerfile: {name}"))
        })
    }

    /// Takes out what the client had to send although `.dockerignore` says to leave it out.
    pub(super) fn forget_ignored(&mut self, dockerfile: &str) -> Result<()> {
        let Some(text) = self.text(context::IGNORE_FILE)? else {
            return Ok(());
        };
        let ignore = context::Ignore::parse(&text).map_err(|error| {
            Error::bad_parameter(format!("error checking context: {error}")).because(error)
        })?;
        for name in [context::IGNORE_FILE, dockerfile] {
            let path = clean(OsStr::new(name));
            if ignore.excludes(&path.to_string_lossy()) {
                match self.root.remove(&path) {
                    Err(error) if !error.is_not_found() => return Err(internal(error)),
                    _ => drop(self.digests.remove(&path)),
                }
            }
        }
        Ok(())
    }

    /// A digest of what is at `path`, a real path beneath the root: of a directory, of all that is in it.
    pub(super) fn digest(&self, path: &Path) -> Hash {
        let path = clean(path.as_os_str());
        let mut hasher = Hasher::new();
        let from = (Bound::Included(path.clone()), Bound::Unbounded);
        let beneath = self.digests.range(from).map_while(|(entry, digest)| {
            let rest = entry.strip_prefix(&path).ok()?;
            Some((rest, digest))
        });
        for (rest, digest) in beneath {
            let rest = rest.as_os_str().as_bytes();
            hasher.update(&(rest.len() as u64).to_le_bytes());
            hasher.update(rest);
            hasher.update(digest.as_bytes());
        }
        hasher.finalize()
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        let file = match self.root.open_file(clean(OsStr::new(name))) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => {
                return Err(Error::bad_parameter(format!("read {name}: {error}")).because(error));
            }
        };
        let mut text = Vec::new();
        let mut limited = file.take(TEXT_BYTES + 1);
        limited
            .read_to_end(&mut text)
            .map_err(|cause| Error::io(format_args!("read {name}"), cause))?;
        if text.len() as u64 > TEXT_BYTES {
            return Err(Error::bad_parameter(format!("{name} is too long")));
        }
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}

pub(super) fn internal(error: rootfs::Error) -> Error {
    Error::internal(format!("{error}: {}", error.source)).because(error)
}

fn write_out(pieces: Pieces, workspace: Workspace) -> Result<Context> {
    let folder = workspace.folder("context")?;
    let root = Root::open(&folder).map_err(internal)?;
    let digests = extract(pieces, &root).map_err(|error| {
        let kind = match &error {
            ExtractError::Make(_) => Kind::Internal,
            ExtractError::Archive(_)
            | ExtractError::Escapes { .. }
            | ExtractError::PathTooLong { .. }
            | ExtractError::TooMuch { .. }
            | ExtractError::DirectoryInTheWay { .. }
            | ExtractError::NoDirectoryInTheWay { .. } => Kind::BadParameter,
        };
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let message = format!("read the context: {error}{}", cause.unwrap_or_default());
        Error::new(kind, message).because(error)
    })?;
    Ok(Context {
        root,
        digests,
        workspace,
    })
}

fn extract(pieces: Pieces, root: &Root) -> Result<BTreeMap<PathBuf, Hash>, ExtractError> {
    let hasher = RefCell::new(None);
    let source = Hashed {
        source: decompressed(pieces).map_err(tar::Error::Read)?,
        hasher: &hasher,
    };
    let mut reader = tar::Reader::new(source);
    let mut extractor = Extractor::new(root, ExtractOptions::default());
    let mut digests = BTreeMap::new();
    while let Some(header) = reader.next_entry()? {
        // What the reader takes from here on, until it is asked for the next entry, are the contents.
        *hasher.borrow_mut() = Some(begun(&header, &digests));
        extractor.entry(&header, &mut reader)?;
        let Some(done) = hasher.take() else {
            continue;
        };
        let path = clean(&header.path);
        if header.kind != EntryKind::Directory {
            forget_beneath(&mut digests, &path);
        }
        if !path.as_os_str().is_empty() {
            digests.insert(path, done.finalize());
        }
    }
    extractor.finish()?;
    Ok(digests)
}

/// The digest of an entry, before its contents. Its time is no part of it.
fn begun(header: &Header, digests: &BTreeMap<PathBuf, Hash>) -> Hasher {
    let mut hasher = Hasher::new();
    if header.kind == EntryKind::HardLink {
        // As the file that it is another name of.
        if let Some(digest) = digests.get(&clean(&header.link)) {
            hasher.update(digest.as_bytes());
        }
        return hasher;
    }
    let kind = format!("{:?}", header.kind);
    let numbers = format!(
        "{:o} {} {} {} {:?} {:?}",
        header.mode & 0o7777,
        header.user,
        header.group,
        header.size,
        header.device,
        header.sparse,
    );
    for part in [kind.as_bytes(), numbers.as_bytes(), header.link.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    for attribute in &header.attributes {
        for part in [attribute.name.to_bytes(), &attribute.value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher
}

/// What was in a directory is gone when something else takes its place.
fn forget_beneath(digests: &mut BTreeMap<PathBuf, Hash>, path: &Path) {
    let from = (Bound::Excluded(path.to_owned()), Bound::Unbounded);
    let gone: Vec<_> = digests
        .range(from)
        .map_while(|(entry, _)| entry.starts_with(path).then(|| entry.clone()))
        .collect();
    for entry in gone {
        digests.remove(&entry);
    }
}

/// A path without `.`, `..` and slashes at its start, by its text: where the extractor puts it.
pub(super) fn clean(path: &OsStr) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => drop(cleaned.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

/// What is inside of a compressed stream, or the stream itself.
pub(super) fn decompressed<'stream>(
    mut stream: impl Read + 'stream,
) -> io::Result<Box<dyn Read + 'stream>> {
    let mut head = Vec::new();
    stream.by_ref().take(6).read_to_end(&mut head)?;
    let form = compression(&head);
    let whole = Read::chain(io::Cursor::new(head), stream);
    match form {
        None => Ok(Box::new(whole)),
        Some("gzip") => Ok(Box::new(flate2::read::MultiGzDecoder::new(whole))),
        Some(other) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("archives compressed with {other} are not supported by this engine"),
        )),
    }
}

/// How something that starts so is compressed.
pub(super) fn compression(head: &[u8]) -> Option<&'static str> {
    const FORMS: [(&[u8], &str); 4] = [
        (b"\x1f\x8b\x08", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ];
    FORMS
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, form)| *form)
}

/// What comes through the channel, as a stream for a thread.
#[derive(Debug)]
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Pieces {
    fn new(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self {
            receiver,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Hashes what is read while there is a hasher.
struct Hashed<'a, Source> {
    source: Source,
    hasher: &'a RefCell<Option<Hasher>>,
}

impl<Source: Read> Read for Hashed<'_, Source> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        if let Some(hasher) = &mut *self.hasher.borrow_mut() {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use bytes::Bytes;
    use futures_util::stream;
    use rootfs::tar::{EntryKind, Header, Writer};

    use super::{Context, Workspace};
    use crate::error::Kind;

    /// An archive of files, with times that differ each time.
    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, contents) in files {
            let mut header = Header::new(*name, EntryKind::File, contents.len() as u64);
            header.modified_seconds = i64::from(getrandom::u32().unwrap() % 1_000_000);
            writer.append_data(&header, contents.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    async fn receive(data_root: &Path, archive: &[u8]) -> crate::error::Result<Context> {
        let pieces: Vec<_> = archive
            .chunks(1000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Context::receive(stream::iter(pieces), Workspace::new(data_root).unwrap()).await
    }

    #[tokio::test]
    async fn a_context_is_written_and_hashed() {
        let data_root = tempfile::tempdir().unwrap();
        let files = [("Dockerfile", "FROM scratch\n"), ("a/b", "1"), ("a/c", "2")];
        let one = receive(data_root.path(), &archive(&files)).await.unwrap();
        assert_eq!(one.dockerfile("./Dockerfile").unwrap(), "FROM scratch\n");
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        compressed.write_all(&archive(&files)).unwrap();
        let other = receive(data_root.path(), &compressed.finish().unwrap())
            .await
            .unwrap();
        for path in ["/", "a", "a/b"] {
            assert_eq!(one.digest(Path::new(path)), other.digest(Path::new(path)));
        }
        assert_ne!(one.digest(Path::new("a/b")), one.digest(Path::new("a/c")));

        let changed = [("Dockerfile", "FROM scratch\n"), ("a/b", "3"), ("a/c", "2")];
        let changed = receive(data_root.path(), &archive(&changed)).await.unwrap();
        assert_ne!(one.digest(Path::new("a")), changed.digest(Path::new("a")));
        assert_eq!(
            one.digest(Path::new("a/c")),
            changed.digest(Path::new("a/c"))
        );
        drop((one, other, changed));
    }

    #[tokio::test]
    async fn what_is_ignored_is_forgotten() {
        let data_root = tempfile::tempdir().unwrap();
        let files = [("Dockerfile", ""), (".dockerignore", "*\n!a\n"), ("a", "")];
        let mut context = receive(data_root.path(), &archive(&files)).await.unwrap();
        context.forget_ignored("Dockerfile").unwrap();
        let names: Vec<_> = context.root.entries("/").unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!(names[0].name, "a");
    }

    #[tokio::test]
    async fn hostile_and_broken_archives_are_refused_and_leave_nothing() {
        let data_root = tempfile::tempdir().unwrap();
        let whole = archive(&[("a", "1")]);
        for (what, bytes) in [
            ("leads out", archive(&[("../../a", "1")])),
            ("cut off", whole[..600].to_vec()),
            ("no archive", b"x".repeat(2000)),
            ("not supported", b"BZh91AY".to_vec()),
        ] {
            let error = receive(data_root.path(), &bytes).await.unwrap_err();
            assert_eq!(error.kind(), Kind::BadParameter, "{what}: {error}");
        }
        let context = receive(data_root.path(), &whole).await.unwrap();
        let missing = context.dockerfile("Dockerfile").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "Cannot locate specified Dockerfile: Dockerfile"
        );
    }
}
