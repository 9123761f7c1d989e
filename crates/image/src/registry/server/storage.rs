//! What a registry keeps, as files.
//!
//! ```text
//! <root>/blobs/sha256/<digest>                       contents of any kind, manifests too
//!        repositories/<name>/_blobs/<digest>         the repository has this blob
//!                            _manifests/<digest>     … and this is a manifest of that type
//!                            _tags/<tag>             the digest it stands for
//!        uploads/<id>.<…>                            what is on its way
//! ```
//!
//! A file gets its name only when all of it is on disk. Names of repositories have no part that begins with `_`.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use model::digest::Digest;
use model::reference::Tag;

use super::ServerError;
use super::route::{Name, UploadId};

const BLOBS: &str = "_blobs";
const MANIFESTS: &str = "_manifests";
const TAGS: &str = "_tags";

/// Parts of a repository's name that are looked into when all are listed.
const MAX_DEPTH: usize = 32;

/// The files of a registry.
#[derive(Debug)]
pub(super) struct Storage {
    root: PathBuf,
    /// Uploads that a request is writing to right now.
    busy: Mutex<HashSet<String>>,
}

/// An upload that nobody else writes to, as long as this lives.
#[derive(Debug)]
pub(super) struct Claim<'storage> {
    storage: &'storage Storage,
    id: UploadId,
}

impl Storage {
    pub(super) fn open(root: &Path) -> Result<Self, ServerError> {
        let storage = Self {
            root: root.to_owned(),
            busy: Mutex::default(),
        };
        for directory in ["blobs/sha256", "repositories", "uploads"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).map_err(|source| file("make directory", &path, source))?;
        }
        Ok(storage)
    }

    pub(super) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether the repository has the blob, and how long it is.
    pub(super) fn blob_size(
        &self,
        name: &Name,
        digest: Digest,
    ) -> Result<Option<u64>, ServerError> {
        if !exists(&self.link(name, BLOBS, digest))? {
            return Ok(None);
        }
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(file("look for", &path, source)),
        }
    }

    /// Gives the repository a blob that another has. Whether it has.
    pub(super) fn mount(
        &self,
        name: &Name,
        from: &Name,
        digest: Digest,
    ) -> Result<bool, ServerError> {
        if self.blob_size(from, digest)?.is_none() {
            return Ok(false);
        }
        self.link_blob(name, digest)?;
        Ok(true)
    }

    pub(super) fn unlink_blob(&self, name: &Name, digest: Digest) -> Result<bool, ServerError> {
        remove(&self.link(name, BLOBS, digest))
    }

    /// Takes the file `path` in as a blob of the repository; its digest has been checked.
    pub(super) fn keep_blob(
        &self,
        name: &Name,
        digest: Digest,
        path: &Path,
    ) -> Result<(), ServerError> {
        let target = self.blob_path(digest);
        File::open(path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(path, &target))
            .map_err(|source| file("keep", path, source))?;
        self.link_blob(name, digest)
    }

    /// Keeps a manifest; `tag` stands for it from now on.
    pub(super) fn keep_manifest(
        &self,
        name: &Name,
        tag: Option<&Tag>,
        digest: Digest,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), ServerError> {
        self.write(&self.blob_path(digest), bytes)?;
        self.link_blob(name, digest)?;
        self.write(&self.link(name, MANIFESTS, digest), media_type.as_bytes())?;
        if let Some(tag) = tag {
            let path = self.repository(name).join(TAGS).join(tag.as_str());
            self.write(&path, digest.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Type and bytes of a manifest.
    pub(super) fn manifest(
        &self,
        name: &Name,
        digest: Digest,
    ) -> Result<Option<(String, Vec<u8>)>, ServerError> {
        let Some(media_type) = read(&self.link(name, MANIFESTS, digest))? else {
            return Ok(None);
        };
        let Some(bytes) = read(&self.blob_path(digest))? else {
            return Ok(None);
        };
        Ok(Some((
            String::from_utf8_lossy(&media_type).into_owned(),
            bytes,
        )))
    }

    /// What a tag stands for.
    pub(super) fn tagged(&self, name: &Name, tag: &Tag) -> Result<Option<Digest>, ServerError> {
        let path = self.repository(name).join(TAGS).join(tag.as_str());
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        Ok(String::from_utf8_lossy(&bytes).trim().parse().ok())
    }

    pub(super) fn untag(&self, name: &Name, tag: &Tag) -> Result<bool, ServerError> {
        remove(&self.repository(name).join(TAGS).join(tag.as_str()))
    }

    /// Removes a manifest and the tags that stand for it. Whether it was there.
    pub(super) fn remove_manifest(&self, name: &Name, digest: Digest) -> Result<bool, ServerError> {
        for tag in self.tags(name)?.unwrap_or_default() {
            if let Ok(tag) = tag.parse::<Tag>()
                && self.tagged(name, &tag)? == Some(digest)
            {
                self.untag(name, &tag)?;
            }
        }
        remove(&self.link(name, MANIFESTS, digest))
    }

    /// The tags of a repository, sorted; none if there is no such repository.
    pub(super) fn tags(&self, name: &Name) -> Result<Option<Vec<String>>, ServerError> {
        let repository = self.repository(name);
        let known = exists(&repository.join(MANIFESTS))?;
        let mut tags = names_in(&repository.join(TAGS))?;
        tags.sort_unstable();
        Ok(known.then_some(tags))
    }

    /// The manifests of a repository.
    pub(super) fn manifests(&self, name: &Name) -> Result<Vec<Digest>, ServerError> {
        digests_in(&self.repository(name).join(MANIFESTS))
    }

    /// The blobs that a repository has.
    pub(super) fn blobs_of(&self, name: &Name) -> Result<Vec<Digest>, ServerError> {
        digests_in(&self.repository(name).join(BLOBS))
    }

    /// All blobs.
    pub(super) fn blobs(&self) -> Result<Vec<Digest>, ServerError> {
        digests_in(&self.root.join("blobs/sha256"))
    }

    /// All repositories, sorted.
    pub(super) fn repositories(&self) -> Result<Vec<Name>, ServerError> {
        let mut found = BTreeSet::new();
        let top = self.root.join("repositories");
        let mut open = vec![(top, String::new(), 0)];
        while let Some((path, name, depth)) = open.pop() {
            for part in names_in(&path)? {
                if part == MANIFESTS {
                    found.insert(name.clone());
                } else if !part.starts_with('_') && depth < MAX_DEPTH {
                    let below = if name.is_empty() {
                        part.clone()
                    } else {
                        format!("{name}/{part}")
                    };
                    open.push((path.join(&part), below, depth + 1));
                }
            }
        }
        Ok(found.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Removes a blob, unless it was touched within `spared`. How long it was, if it went.
    pub(super) fn discard_blob(
        &self,
        digest: Digest,
        spared: Duration,
    ) -> Result<Option<u64>, ServerError> {
        let path = self.blob_path(digest);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(file("look for", &path, source)),
        };
        if age(&metadata) < spared {
            return Ok(None);
        }
        remove(&path)?;
        Ok(Some(metadata.len()))
    }

    /// Begins an upload to the repository.
    pub(super) fn begin_upload(&self, name: &Name) -> Result<UploadId, ServerError> {
        let id = random_upload()?;
        let path = self.upload_path(&id);
        File::create_new(&path).map_err(|source| file("begin upload", &path, source))?;
        self.write(&self.upload_owner(&id), name.as_str().as_bytes())?;
        Ok(id)
    }

    /// Makes this the only request that writes to the upload; none if there is no such upload or another does.
    pub(super) fn claim(
        &self,
        name: &Name,
        id: &UploadId,
    ) -> Result<Option<Claim<'_>>, ServerError> {
        let owner = read(&self.upload_owner(id))?;
        if owner.as_deref() != Some(name.as_str().as_bytes()) {
            return Ok(None);
        }
        let claimed = self
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.as_str().to_owned());
        Ok(claimed.then(|| Claim {
            storage: self,
            id: id.clone(),
        }))
    }

    pub(super) fn upload_path(&self, id: &UploadId) -> PathBuf {
        self.root
            .join("uploads")
            .join(format!("{}.data", id.as_str()))
    }

    /// How much of an upload is here.
    pub(super) fn upload_size(&self, id: &UploadId) -> Result<u64, ServerError> {
        let path = self.upload_path(id);
        fs::metadata(&path)
            .map(|metadata| metadata.len())
            .map_err(|source| file("look for", &path, source))
    }

    pub(super) fn remove_upload(&self, id: &UploadId) -> Result<(), ServerError> {
        remove(&self.upload_path(id))?;
        remove(&self.upload_owner(id))?;
        Ok(())
    }

    /// Removes what nobody has touched for so long.
    pub(super) fn expire_uploads(&self, older: Duration) -> Result<usize, ServerError> {
        let directory = self.root.join("uploads");
        let mut removed = 0;
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let data = path.with_extension("data");
            // The owner's file is written once; the data say when the upload was last touched.
            let touched = fs::metadata(&data).unwrap_or(metadata);
            if age(&touched) >= older {
                remove(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn upload_owner(&self, id: &UploadId) -> PathBuf {
        self.root
            .join("uploads")
            .join(format!("{}.owner", id.as_str()))
    }

    fn link_blob(&self, name: &Name, digest: Digest) -> Result<(), ServerError> {
        // So that a collection of garbage sees that it is needed again.
        let path = self.blob_path(digest);
        File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(|source| file("touch", &path, source))?;
        self.write(&self.link(name, BLOBS, digest), b"")
    }

    fn repository(&self, name: &Name) -> PathBuf {
        self.root.join("repositories").join(name.as_str())
    }

    fn link(&self, name: &Name, kind: &str, digest: Digest) -> PathBuf {
        self.repository(name).join(kind).join(digest.hex())
    }

    /// Writes a file whole, or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
        let aside = self
            .root
            .join("uploads")
            .join(format!("{}.part", random_upload()?.as_str()));
        let parent = path.parent().unwrap_or(&self.root);
        let write = || {
            fs::create_dir_all(parent)?;
            let mut file = File::create_new(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&aside, path)
        };
        write().map_err(|source| {
            fs::remove_file(&aside).ok();
            file("write", path, source)
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.storage
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(self.id.as_str());
    }
}

fn random_upload() -> Result<UploadId, ServerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| ServerError::Random)?;
    Ok(UploadId::from_random(u128::from_ne_bytes(bytes)))
}

fn age(metadata: &fs::Metadata) -> Duration {
    metadata
        .modified()
        .ok()
        .and_then(|modified| modified.elapsed().ok())
        .unwrap_or_default()
}

fn exists(path: &Path) -> Result<bool, ServerError> {
    path.try_exists()
        .map_err(|source| file("look for", path, source))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ServerError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file("read", path, source)),
    }
}

fn remove(path: &Path) -> Result<bool, ServerError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(file("remove", path, source)),
    }
}

fn names_in(path: &Path) -> Result<Vec<String>, ServerError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(file("list", path, source)),
    };
    entries
        .map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|source| file("list", path, source))
}

fn digests_in(path: &Path) -> Result<Vec<Digest>, ServerError> {
    Ok(names_in(path)?
        .iter()
        .filter_map(|name| Digest::from_hex(name).ok())
        .collect())
}

fn file(operation: &'static str, path: &Path, source: io::Error) -> ServerError {
    ServerError::File {
        operation,
        path: path.to_owned(),
        source,
    }
}
