//! A layer's archive, maybe compressed, made into a directory, with its digest computed on the way.
//!
//! ```text
//! file ──decompress──▶ chunks ──┬──▶ hash
//!      (a thread)               └──▶ extract, and write the recipe
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use model::digest::{DiffId, Digest};
use rootfs::tar::Reader;
use rootfs::{ExtractOptions, Extracted, Extractor, Mode, Owner, Root, Whiteouts};
use sha2::{Digest as _, Sha256};

use crate::compression::{Compression, decompress};
use crate::error::{Error, Result};
use crate::recipe;
use crate::store::{ArchiveForm, Prepared, Workspace};

/// Bytes handed from thread to thread at once, and how many such pieces may wait.
const CHUNK: usize = 256 * 1024;
const WAITING: usize = 8;

/// What a layer's directory is like if its archive has no entry for it.
const TOP_MODE: Mode = Mode(0o755);

type Chunk = io::Result<Arc<Vec<u8>>>;

/// Extracts the layer whose archive is the file `blob` into a directory of `workspace`; `told` hears, now and then,
/// how many bytes of the file have been read.
pub(crate) fn unpack(
    blob: &Path,
    workspace: &Workspace,
    told: &(dyn Fn(u64) + Sync),
) -> Result<Prepared> {
    let directory = workspace.make_directory()?;
    let recipe_path = workspace.path()?;
    let root = Root::open(&directory)?;
    root.set_mode("/", TOP_MODE)?;
    root.set_owner("/", Owner::ROOT)?;
    let source = File::open(blob).map_err(|source| Error::file("open", blob, source))?;
    let counted = Counted {
        source,
        count: 0,
        told,
    };
    let (compression, stream) = decompress(counted).map_err(decompress_error)?;
    let (extracted, digest, archive_size) = thread::scope(|scope| {
        let (to_hash, hash_chunks) = sync_channel(WAITING);
        let (to_extract, extract_chunks) = sync_channel(WAITING);
        let pump = scope.spawn(move || pump(stream, &to_hash, &to_extract));
        let hash = scope.spawn(move || hash_all(&hash_chunks));
        let extracted = extract_all(extract_chunks, &root, &recipe_path);
        let stopped = Error::Stopped {
            what: "a thread that reads a layer",
        };
        match (pump.join(), hash.join()) {
            (Ok(()), Ok((digest, size))) => Ok((extracted?, digest, size)),
            _ => Err(stopped),
        }
    })?;
    let (archive, recipe) = if extracted.unfaithful == 0 {
        (ArchiveForm::Recipe, recipe_path)
    } else {
        let whole = keep_whole(blob, compression, workspace)?;
        (ArchiveForm::Whole, whole)
    };
    Ok(Prepared {
        diff_id: DiffId(digest),
        size: extracted.bytes,
        archive_size,
        archive,
        directory,
        recipe: Some(recipe),
    })
}

/// Reads the stream and hands each piece to both.
fn pump(mut stream: impl Read, hash: &SyncSender<Arc<Vec<u8>>>, extract: &SyncSender<Chunk>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        match fill(&mut stream, &mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                let chunk = Arc::new(chunk);
                // Either ends early only when the whole fails; the extraction says why.
                if hash.send(Arc::clone(&chunk)).is_err() || extract.send(Ok(chunk)).is_err() {
                    return;
                }
            }
            Err(error) => {
                extract.send(Err(error)).ok();
                return;
            }
        }
    }
}

/// Fills the buffer as far as the stream goes.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn hash_all(chunks: &Receiver<Arc<Vec<u8>>>) -> (Digest, u64) {
    let mut hasher = Sha256::new();
    let mut length = 0;
    for chunk in chunks {
        hasher.update(chunk.as_slice());
        length += chunk.len() as u64;
    }
    (Digest::from_bytes(hasher.finalize().into()), length)
}

fn extract_all(chunks: Receiver<Chunk>, root: &Root, recipe_path: &Path) -> Result<Extracted> {
    let write_error = |source| Error::file("write", recipe_path, source);
    let recipe = File::create_new(recipe_path)
        .and_then(recipe::Writer::new)
        .map_err(write_error)?;
    let mut reader = Reader::with_tap(ChunkReader::new(chunks), recipe);
    let options = ExtractOptions {
        whiteouts: Whiteouts::Overlay,
        ..ExtractOptions::default()
    };
    let mut extractor = Extractor::new(root, options);
    while let Some(header) = reader.next_entry().map_err(archive_error)? {
        extractor
            .entry(&header, &mut reader)
            .map_err(extract_error)?;
    }
    let extracted = extractor.finish()?;
    let (_, recipe) = reader.into_parts();
    recipe.finish().map_err(write_error)?;
    Ok(extracted)
}

/// Keeps the archive as it came, or compressed if it was not.
fn keep_whole(blob: &Path, compression: Compression, workspace: &Workspace) -> Result<PathBuf> {
    let path = workspace.path()?;
    let kept = match compression {
        Compression::Gzip | Compression::Zstd => std::fs::hard_link(blob, &path),
        Compression::Plain => File::open(blob).and_then(|source| {
            let target = File::create_new(&path)?;
            zstd::stream::copy_encode(source, target, 1)
        }),
    };
    kept.map_err(|source| Error::file("write", &path, source))?;
    Ok(path)
}

/// Damage that shows while decompressing is told as such.
fn archive_error(error: rootfs::tar::Error) -> Error {
    match error {
        rootfs::tar::Error::Read(source) => decompress_error(source),
        other => rootfs::ExtractError::from(other).into(),
    }
}

fn extract_error(error: rootfs::ExtractError) -> Error {
    match error {
        rootfs::ExtractError::Archive(error) => archive_error(error),
        other => other.into(),
    }
}

fn decompress_error(source: io::Error) -> Error {
    Error::Decompress {
        what: "layer".to_owned(),
        source,
    }
}

/// The pieces as one stream.
struct ChunkReader {
    chunks: Receiver<Chunk>,
    current: Arc<Vec<u8>>,
    at: usize,
}

impl ChunkReader {
    fn new(chunks: Receiver<Chunk>) -> Self {
        Self {
            chunks,
            current: Arc::default(),
            at: 0,
        }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() {
            match self.chunks.recv() {
                Ok(chunk) => {
                    self.current = chunk?;
                    self.at = 0;
                }
                Err(_) => return Ok(0),
            }
        }
        let rest = &self.current[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

struct Counted<'told> {
    source: File,
    count: u64,
    told: &'told (dyn Fn(u64) + Sync),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count += count as u64;
        (self.told)(self.count);
        Ok(count)
    }
}
