//! Images read from an archive that `docker save` or an OCI tool made.
//!
//! What the archive says about itself is believed nowhere: digests are computed, layers must have the digests
//! that the configuration names, and only when all of it holds is anything recorded.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use model::api::progress::Message;
use model::digest::{DiffId, Digest, ImageId};
use model::platform::Platform;
use model::reference::Reference;

use super::entries::Entries;
use crate::compression::decompress;
use crate::config::{Config, MAX_CONFIG_BYTES};
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, DockerImage, MAX_LAYERS, MAX_MANIFEST_BYTES, Manifest, choose};
use crate::store::{NewImage, Prepared, Workspace};
use crate::unpack::unpack;
use crate::{Progress, Store};

/// Indexes within indexes.
const MAX_INDEX_DEPTH: usize = 4;

/// Images in one archive.
const MAX_IMAGES: usize = 1_000;

/// How many layers are extracted at once at most; a disk gains nothing from more.
const MAX_PARALLEL: usize = 8;

/// Bytes between two lines about how far a layer is.
const PROGRESS_STEP: u64 = 1024 * 1024;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: ImageId,
    /// The names that the archive gave it.
    pub names: Vec<Reference>,
}

/// An image as the archive has it.
struct Found {
    config: Vec<u8>,
    /// The layers' files in the archive, lowest first.
    layers: Vec<String>,
    names: Vec<Reference>,
}

/// A layer that is to be extracted.
struct Wanted {
    diff_id: DiffId,
    blob: PathBuf,
    size: u64,
}

impl Store {
    /// Loads all images of the archive that `source` gives: a `docker save` archive or an OCI layout in a tar,
    /// plain or compressed. Nothing of it stays if any of it is wrong.
    pub fn load(&self, source: impl Read + Send, progress: &Progress) -> Result<Vec<Loaded>> {
        let workspace = self.workspace()?;
        let (_, stream) = decompress(source).map_err(|source| Error::Stream {
            operation: "read image archive",
            source,
        })?;
        let entries = Entries::read(stream, &workspace)?;
        let found = find_images(&entries)?;
        let mut images = Vec::new();
        let mut wanted: HashMap<DiffId, String> = HashMap::new();
        for image in &found {
            let config = parse_config(&image.config)?;
            let diff_ids = &config.rootfs.diff_ids;
            if diff_ids.len() != image.layers.len() {
                return Err(Error::archive(format!(
                    "the configuration names {} layers, the manifest {}",
                    diff_ids.len(),
                    image.layers.len()
                )));
            }
            for (diff_id, layer) in diff_ids.iter().zip(&image.layers) {
                wanted.entry(*diff_id).or_insert_with(|| layer.clone());
            }
            images.push(NewImage {
                config: image.config.clone().into(),
                names: image.names.clone(),
                ..NewImage::default()
            });
        }
        let known: Vec<DiffId> = wanted
            .keys()
            .copied()
            .filter(|diff_id| self.has_layer(*diff_id))
            .collect();
        let hold = self.hold(&known)?;
        let missing = wanted
            .into_iter()
            .filter(|(diff_id, _)| !known.contains(diff_id))
            .map(|(diff_id, name)| {
                let entry = entries
                    .get(&name)
                    .ok_or_else(|| Error::archive(format!("the layer {name} is missing")))?;
                Ok(Wanted {
                    diff_id,
                    blob: entry.file(&workspace)?,
                    size: entry.size,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let prepared = extract_all(&missing, &workspace, progress)?;
        let recorded = self.record(prepared, &images)?;
        drop(hold);
        Ok(recorded
            .iter()
            .zip(found)
            .map(|(image, found)| Loaded {
                id: image.id,
                names: found.names,
            })
            .collect())
    }
}

/// Extracts the layers, several at once, and checks what they are.
fn extract_all(
    wanted: &[Wanted],
    workspace: &Workspace,
    progress: &Progress,
) -> Result<Vec<Prepared>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Result<Prepared>>> = Mutex::new(Vec::new());
    let work = || {
        while let Some(layer) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = extract(layer, workspace, progress);
            let failed = result.is_err();
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(result);
            if failed {
                next.store(wanted.len(), Ordering::Relaxed);
            }
        }
    };
    let parallel = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..parallel.min(MAX_PARALLEL).min(wanted.len()) {
            scope.spawn(work);
        }
        work();
    });
    done.into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .collect()
}

fn extract(layer: &Wanted, workspace: &Workspace, progress: &Progress) -> Result<Prepared> {
    let id = layer.diff_id.short();
    let told = std::sync::atomic::AtomicU64::new(0);
    let tell = |count: u64| {
        let before = told.load(Ordering::Relaxed);
        if count >= before + PROGRESS_STEP || count == layer.size {
            told.store(count, Ordering::Relaxed);
            progress.hint(Message::layer_progress(
                id.clone(),
                "Loading layer",
                count,
                Some(layer.size),
            ));
        }
    };
    let prepared = unpack(&layer.blob, workspace, &tell)?;
    // Its place on the disk is needed no more, and a second layer may need it.
    std::fs::remove_file(&layer.blob)
        .map_err(|source| Error::file("remove", &layer.blob, source))?;
    if prepared.diff_id == layer.diff_id {
        Ok(prepared)
    } else {
        Err(Error::WrongDigest {
            what: "layer".to_owned(),
            expected: layer.diff_id.0,
            actual: prepared.diff_id.0,
        })
    }
}

fn parse_config(bytes: &[u8]) -> Result<Config> {
    let config = Config::parse(bytes).map_err(|source| Error::InvalidConfig { source })?;
    if config.rootfs.diff_ids.len() > MAX_LAYERS {
        return Err(Error::archive(format!(
            "an image has {} layers, which is too many",
            config.rootfs.diff_ids.len()
        )));
    }
    Ok(config)
}

fn find_images(entries: &Entries) -> Result<Vec<Found>> {
    if let Some(bytes) = entries.document("manifest.json", MAX_MANIFEST_BYTES)? {
        return docker_images(entries, &bytes);
    }
    if let Some(bytes) = entries.document("index.json", MAX_MANIFEST_BYTES)? {
        let mut found = Vec::new();
        let Manifest::Index(list) = Manifest::parse(&bytes, None)? else {
            return Err(Error::archive("index.json is no index"));
        };
        for descriptor in &list {
            oci_images(entries, descriptor, &names_of(descriptor), 0, &mut found)?;
        }
        if found.is_empty() {
            return Err(Error::archive(
                "index.json lists no image for this computer",
            ));
        }
        return Ok(found);
    }
    Err(Error::archive(
        "it has neither manifest.json nor index.json: perhaps it is the archive of a root, for import",
    ))
}

fn docker_images(entries: &Entries, bytes: &[u8]) -> Result<Vec<Found>> {
    let images: Vec<DockerImage> =
        serde_json::from_slice(bytes).map_err(|source| Error::InvalidJson {
            what: "manifest.json".to_owned(),
            source,
        })?;
    if images.is_empty() || images.len() > MAX_IMAGES {
        return Err(Error::archive(format!(
            "manifest.json lists {} images",
            images.len()
        )));
    }
    images
        .into_iter()
        .map(|image| {
            let config = entries
                .document(&image.config, MAX_CONFIG_BYTES)?
                .ok_or_else(|| {
                    Error::archive(format!("the configuration {} is missing", image.config))
                })?;
            check_name(&image.config, &config)?;
            let names = image
                .repo_tags
                .unwrap_or_default()
                .iter()
                .map(|name| Ok(name.parse::<Reference>()?.or_latest()))
                .collect::<Result<Vec<_>>>()?;
            if names.iter().any(|name| name.digest().is_some()) {
                return Err(Error::archive("a tag in manifest.json has a digest"));
            }
            Ok(Found {
                config,
                layers: image.layers,
                names,
            })
        })
        .collect()
}

/// A file that is named by a digest has to have it.
fn check_name(name: &str, bytes: &[u8]) -> Result<()> {
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    match Digest::from_hex(stem) {
        Ok(expected) => check_digest(name, expected, crate::digest::of(bytes)),
        Err(_) => Ok(()),
    }
}

fn check_digest(what: &str, expected: Digest, actual: Digest) -> Result<()> {
    if expected == actual {
        Ok(())
    } else {
        Err(Error::WrongDigest {
            what: what.to_owned(),
            expected,
            actual,
        })
    }
}

/// What an index calls an image: in full, or by a tag only, which is no name.
fn names_of(descriptor: &Descriptor) -> Vec<Reference> {
    [
        "io.containerd.image.name",
        "org.opencontainers.image.ref.name",
    ]
    .into_iter()
    .filter_map(|key| descriptor.annotations.get(key))
    .filter(|text| text.contains(['/', ':']))
    .find_map(|text| text.parse::<Reference>().ok())
    .filter(|name| name.digest().is_none())
    .map(Reference::or_latest)
    .into_iter()
    .collect()
}

fn oci_images(
    entries: &Entries,
    descriptor: &Descriptor,
    names: &[Reference],
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<()> {
    if depth > MAX_INDEX_DEPTH || found.len() >= MAX_IMAGES {
        return Err(Error::archive("it has too many images"));
    }
    let bytes = blob_document(entries, descriptor, MAX_MANIFEST_BYTES)?;
    match Manifest::parse(&bytes, Some(&descriptor.media_type))? {
        Manifest::Index(list) => {
            let chosen = choose(&list, &this_platform(), "")
                .ok_or_else(|| Error::archive("an index lists no image for this computer"))?;
            oci_images(entries, chosen, names, depth + 1, found)
        }
        Manifest::Image(manifest) => {
            let layers = manifest
                .layers
                .iter()
                .map(|layer| checked_blob(entries, layer))
                .collect::<Result<Vec<_>>>()?;
            found.push(Found {
                config: blob_document(entries, &manifest.config, MAX_CONFIG_BYTES)?,
                layers,
                names: names.to_vec(),
            });
            Ok(())
        }
    }
}

pub(crate) fn this_platform() -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: model::platform::architecture(std::env::consts::ARCH).to_owned(),
    }
}

fn blob_name(descriptor: &Descriptor) -> String {
    format!("blobs/sha256/{}", descriptor.digest.hex())
}

/// The name of a blob whose digest and size are those that its descriptor gives.
fn checked_blob(entries: &Entries, descriptor: &Descriptor) -> Result<String> {
    let name = blob_name(descriptor);
    let entry = entries
        .get(&name)
        .ok_or_else(|| Error::archive(format!("the blob {} is missing", descriptor.digest)))?;
    check_digest("blob", descriptor.digest, entry.digest)?;
    if entry.size != descriptor.size {
        return Err(Error::archive(format!(
            "the blob {} has {} bytes, not {}",
            descriptor.digest, entry.size, descriptor.size
        )));
    }
    Ok(name)
}

fn blob_document(entries: &Entries, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>> {
    let name = checked_blob(entries, descriptor)?;
    entries
        .document(&name, most)?
        .ok_or_else(|| Error::archive(format!("the blob {} is missing", descriptor.digest)))
}
