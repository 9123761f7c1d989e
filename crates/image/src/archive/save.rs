//! Images written to an archive that Docker and OCI tools read.
//!
//! ```text
//! oci-layout, index.json      for OCI tools
//! manifest.json, repositories for Docker
//! blobs/sha256/…              manifests, configurations and layers, for both
//! ```
//!
//! Layers are not compressed, so that they are in the archive by the digests that configurations name them by.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::sync::Arc;

use model::digest::{DiffId, Digest, ImageId};
use model::reference::Reference;
use rootfs::tar::{self, EntryKind, Header, Writer};
use serde::Serialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::manifest::{Descriptor, DockerImage, ImageManifest, media};
use crate::{Image, Store};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// An image to be saved, with the names it is asked for by.
struct Chosen {
    image: Arc<Image>,
    names: BTreeSet<Reference>,
}

/// Everything in the archive but the layers.
struct Documents {
    /// By names of files.
    files: BTreeMap<String, Vec<u8>>,
    layers: BTreeMap<DiffId, u64>,
}

impl Store {
    /// Writes these images, by names or ids, as one archive in Docker's and OCI's form. A repository without a
    /// tag stands for all its tags.
    pub fn save(&self, names: &[String], target: impl Write) -> Result<()> {
        let chosen = self.choose(names)?;
        let layers: Vec<DiffId> = chosen
            .iter()
            .flat_map(|chosen| chosen.image.layers().iter().copied())
            .collect();
        let _hold = self.hold(&layers)?;
        let documents = self.documents(&chosen)?;
        let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, target));
        for directory in ["blobs/", "blobs/sha256/"] {
            let header = Header::new(directory, EntryKind::Directory, 0);
            writer.append(&header).map_err(write_error)?;
        }
        for (name, bytes) in &documents.files {
            let header = Header::new(name, EntryKind::File, bytes.len() as u64);
            writer
                .append_data(&header, bytes.as_slice())
                .map_err(write_error)?;
        }
        for (diff_id, size) in &documents.layers {
            let header = Header::new(blob_name(diff_id.0), EntryKind::File, *size);
            writer.append_written(&header, |contents| {
                self.write_archive(*diff_id, contents)
                    .map_err(Failure::Layer)
            })?;
        }
        writer.finish().map_err(write_error)?;
        Ok(())
    }

    /// The images that names mean, each once.
    fn choose(&self, names: &[String]) -> Result<Vec<Chosen>> {
        let mut chosen: BTreeMap<ImageId, Chosen> = BTreeMap::new();
        let mut add = |image: Arc<Image>, name: Option<Reference>| {
            chosen
                .entry(image.id)
                .or_insert_with(|| Chosen {
                    image,
                    names: BTreeSet::new(),
                })
                .names
                .extend(name);
        };
        for text in names {
            let reference = text.parse::<Reference>().ok();
            let all = reference
                .as_ref()
                .filter(|reference| reference.is_name_only())
                .map(|reference| self.tags_in(reference.repository()))
                .unwrap_or_default();
            if all.is_empty() {
                let image = self.resolve(text)?;
                // An id, or a digest, is no name that could be kept.
                let name = reference
                    .map(Reference::or_latest)
                    .filter(|name| name.digest().is_none())
                    .filter(|name| self.names_of(image.id).tags.contains(name));
                add(image, name);
            }
            for (name, image) in all {
                add(image, Some(name));
            }
        }
        Ok(chosen.into_values().collect())
    }

    fn documents(&self, chosen: &[Chosen]) -> Result<Documents> {
        let mut documents = Documents {
            files: BTreeMap::new(),
            layers: BTreeMap::new(),
        };
        let mut docker = Vec::new();
        let mut index = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for Chosen { image, names } in chosen {
            let layers = image
                .layers()
                .iter()
                .map(|diff_id| {
                    let size = self.archive_size(*diff_id)?;
                    documents.layers.insert(*diff_id, size);
                    Ok(descriptor(media::OCI_LAYER, diff_id.0, size))
                })
                .collect::<Result<Vec<_>>>()?;
            docker.push(DockerImage {
                config: blob_name(image.id.0),
                repo_tags: Some(names.iter().map(Reference::familiar).collect::<Vec<_>>())
                    .filter(|names| !names.is_empty()),
                layers: layers.iter().map(|layer| blob_name(layer.digest)).collect(),
            });
            let config = image.config_bytes.to_vec();
            let manifest = to_json(&ImageManifest {
                schema_version: 2,
                media_type: media::OCI_MANIFEST.to_owned(),
                config: descriptor(media::OCI_CONFIG, image.id.0, config.len() as u64),
                layers,
            })?;
            let digest = crate::digest::of(&manifest);
            let about = descriptor(media::OCI_MANIFEST, digest, manifest.len() as u64);
            if names.is_empty() {
                index.push(about);
            } else {
                index.extend(names.iter().map(|name| named(about.clone(), name)));
            }
            for name in names {
                let tag = name.tag().map(ToString::to_string).unwrap_or_default();
                repositories
                    .entry(name.repository().familiar())
                    .or_default()
                    .insert(tag, image.id.0.hex());
            }
            documents.files.insert(blob_name(image.id.0), config);
            documents.files.insert(blob_name(digest), manifest);
        }
        let index = json!({
            "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": index,
        });
        let layout = json!({ "imageLayoutVersion": "1.0.0" });
        for (name, bytes) in [
            ("index.json", to_json(&index)?),
            ("manifest.json", to_json(&docker)?),
            ("oci-layout", to_json(&layout)?),
            ("repositories", to_json(&repositories)?),
        ] {
            documents.files.insert(name.to_owned(), bytes);
        }
        Ok(documents)
    }
}

fn named(mut descriptor: Descriptor, name: &Reference) -> Descriptor {
    let tag = name.tag().map(ToString::to_string).unwrap_or_default();
    descriptor.annotations = BTreeMap::from([
        ("io.containerd.image.name".to_owned(), name.to_string()),
        ("org.opencontainers.image.ref.name".to_owned(), tag),
    ]);
    descriptor
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| Error::InvalidJson {
        what: "document to save".to_owned(),
        source,
    })
}

/// Why a layer's entry could not be written.
enum Failure {
    Layer(Error),
    Archive(tar::Error),
}

impl From<tar::Error> for Failure {
    fn from(error: tar::Error) -> Self {
        Self::Archive(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Layer(error) => error,
            Failure::Archive(error) => write_error(error),
        }
    }
}

fn write_error(error: tar::Error) -> Error {
    match error {
        tar::Error::Read(source) | tar::Error::Write(source) => Error::Stream {
            operation: "write image archive",
            source,
        },
        other => Error::archive(other.to_string()),
    }
}
