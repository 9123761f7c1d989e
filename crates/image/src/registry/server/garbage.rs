//! Blobs that no manifest names, found and removed.
//!
//! It may run beside the server: a blob that was pushed or mounted a short while ago is spared, for its manifest
//! may be on its way.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use model::digest::Digest;
use model::reference::Tag;

use super::ServerError;
use super::route::Name;
use super::storage::Storage;
use crate::manifest::Manifest;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Manifests without a tag, if they were to go.
    pub manifests: usize,
    /// Blobs.
    pub blobs: usize,
    /// How many bytes these had.
    pub bytes: u64,
}

/// Whether manifests stay that have no tag and that no other manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Untagged {
    /// They stay: somebody may pull them by digest.
    #[default]
    Keep,
    /// They go.
    Remove,
}

/// Removes from the registry at `root` what no manifest names and nobody has touched within `spared`. Blocks.
pub fn collect_garbage(
    root: &Path,
    untagged: Untagged,
    spared: Duration,
) -> Result<Collected, ServerError> {
    let storage = Storage::open(root)?;
    let mut collected = Collected::default();
    let mut needed = HashSet::new();
    for name in storage.repositories()? {
        if untagged == Untagged::Remove {
            collected.manifests += remove_untagged(&storage, &name)?;
        }
        let needed_here = needed_by(&storage, &name)?;
        for blob in storage.blobs_of(&name)? {
            if !needed_here.contains(&blob) && !is_fresh(&storage, blob, spared) {
                storage.unlink_blob(&name, blob)?;
            }
        }
        needed.extend(needed_here);
    }
    for blob in storage.blobs()? {
        if !needed.contains(&blob)
            && let Some(bytes) = storage.discard_blob(blob, spared)?
        {
            collected.blobs += 1;
            collected.bytes += bytes;
        }
    }
    Ok(collected)
}

fn is_fresh(storage: &Storage, blob: Digest, spared: Duration) -> bool {
    std::fs::metadata(storage.blob_path(blob))
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < spared))
}

/// What the manifests of a repository name, with themselves.
fn needed_by(storage: &Storage, name: &Name) -> Result<HashSet<Digest>, ServerError> {
    let mut needed = HashSet::new();
    for (digest, named) in named_by(storage, name)? {
        needed.insert(digest);
        needed.extend(named);
    }
    Ok(needed)
}

fn named_by(storage: &Storage, name: &Name) -> Result<HashMap<Digest, Vec<Digest>>, ServerError> {
    let mut all = HashMap::new();
    for digest in storage.manifests(name)? {
        let Some((media_type, bytes)) = storage.manifest(name, digest)? else {
            continue;
        };
        // One that cannot be read was taken by another version: it names nothing that is known.
        let named = match Manifest::parse(&bytes, Some(&media_type)) {
            Ok(Manifest::Image(image)) => image
                .layers
                .iter()
                .chain([&image.config])
                .map(|blob| blob.digest)
                .collect(),
            Ok(Manifest::Index(list)) => list.iter().map(|described| described.digest).collect(),
            Err(_) => Vec::new(),
        };
        all.insert(digest, named);
    }
    Ok(all)
}

fn remove_untagged(storage: &Storage, name: &Name) -> Result<usize, ServerError> {
    let named = named_by(storage, name)?;
    let mut reached = HashSet::new();
    let mut open = Vec::new();
    for tag in storage.tags(name)?.unwrap_or_default() {
        if let Ok(tag) = tag.parse::<Tag>() {
            open.extend(storage.tagged(name, &tag)?);
        }
    }
    while let Some(digest) = open.pop() {
        if reached.insert(digest) {
            open.extend(named.get(&digest).into_iter().flatten().copied());
        }
    }
    let mut removed = 0;
    for digest in named.keys().filter(|digest| !reached.contains(digest)) {
        storage.remove_manifest(name, *digest)?;
        removed += 1;
    }
    Ok(removed)
}
