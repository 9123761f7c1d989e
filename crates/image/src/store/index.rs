//! All records in memory, and the questions that are asked of them. Pure: it reads and writes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::api::time;
use model::digest::{DiffId, ImageId};
use model::reference::{Reference, Repository};

use super::database::{Change, ImageRecord, LayerRecord, Records};
use super::{Image, Names};
use crate::config::Config;
use crate::error::{Error, Result};

/// How short the beginning of an id may be.
const MIN_PREFIX: usize = 1;

#[derive(Debug, Default)]
pub(super) struct Index {
    layers: HashMap<DiffId, LayerRecord>,
    images: BTreeMap<ImageId, Arc<Image>>,
    /// By names in full.
    names: BTreeMap<String, ImageId>,
    named: HashMap<ImageId, BTreeSet<String>>,
    cache: HashMap<String, ImageId>,
    /// Configurations whose image comes with the next change.
    pending: HashMap<ImageId, Arc<[u8]>>,
}

impl Index {
    /// The index of these records, and the changes that make them whole again if a loss of power has left
    /// layers that may not be on disk.
    pub(super) fn from_records(records: Records, boot: &str) -> (Self, Vec<Change>) {
        let mut index = Self::default();
        let mut mended = Vec::new();
        for (diff_id, record) in records.layers {
            if record.unsettled.as_deref().is_none_or(|made| made == boot) {
                index.layers.insert(diff_id, record);
            } else {
                mended.push(Change::RemoveLayer(diff_id));
            }
        }
        for (id, record, bytes) in records.images {
            match index.image_of(id, record, &bytes.into()) {
                Ok(image)
                    if image
                        .layers()
                        .iter()
                        .all(|layer| index.layers.contains_key(layer)) =>
                {
                    index.images.insert(id, Arc::new(image));
                }
                Ok(_) | Err(_) => mended.push(Change::RemoveImage(id)),
            }
        }
        for (name, id) in records.names {
            if index.images.contains_key(&id) {
                index.add_name(name, id);
            } else {
                mended.push(Change::RemoveName(name));
            }
        }
        for (key, id) in records.cache {
            if index.images.contains_key(&id) {
                index.cache.insert(key, id);
            } else {
                mended.push(Change::RemoveCache(key));
            }
        }
        (index, mended)
    }

    pub(super) fn apply(&mut self, changes: Vec<Change>) -> Result<()> {
        for change in changes {
            match change {
                Change::PutLayer(diff_id, record) => {
                    self.layers.insert(diff_id, record);
                }
                Change::RemoveLayer(diff_id) => {
                    self.layers.remove(&diff_id);
                }
                Change::PutConfig(id, bytes) => {
                    self.pending.insert(id, bytes);
                }
                Change::PutImage(id, record) => {
                    let bytes = match (self.pending.remove(&id), self.images.get(&id)) {
                        (Some(bytes), _) => bytes,
                        (None, Some(image)) => Arc::clone(&image.config_bytes),
                        (None, None) => continue,
                    };
                    let image = self.image_of(id, record, &bytes)?;
                    self.images.insert(id, Arc::new(image));
                }
                Change::RemoveImage(id) => {
                    self.images.remove(&id);
                }
                Change::PutName(name, id) => self.add_name(name, id),
                Change::RemoveName(name) => self.remove_name(&name),
                Change::PutCache(key, id) => {
                    self.cache.insert(key, id);
                }
                Change::RemoveCache(key) => {
                    self.cache.remove(&key);
                }
            }
        }
        Ok(())
    }

    pub(super) fn image(&self, id: ImageId) -> Option<Arc<Image>> {
        self.images.get(&id).cloned()
    }

    pub(super) fn images(&self) -> Vec<Arc<Image>> {
        let mut images: Vec<_> = self.images.values().cloned().collect();
        images.sort_by_cached_key(|image| (Reverse(image.config.created_at()), image.id));
        images
    }

    pub(super) fn layer(&self, diff_id: DiffId) -> Option<&LayerRecord> {
        self.layers.get(&diff_id)
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = (DiffId, &LayerRecord)> {
        self.layers.iter().map(|(id, record)| (*id, record))
    }

    /// A name wins over an id; a full id over the beginning of one.
    pub(super) fn resolve(&self, text: &str) -> Result<Arc<Image>> {
        let reference = text.parse::<Reference>().map(Reference::or_latest);
        if let Ok(reference) = &reference
            && let Some(image) = self.find_name(reference)
        {
            return Ok(image);
        }
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if let Some(image) = self.find_prefix(hex)? {
            return Ok(image);
        }
        match reference {
            Ok(reference) => Err(Error::NoSuchImage {
                name: reference.familiar(),
            }),
            Err(_) if is_hex(hex) => Err(Error::NoSuchImage {
                name: text.to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The image that has exactly this name; with a tag and a digest, the digest counts.
    pub(super) fn find_name(&self, reference: &Reference) -> Option<Arc<Image>> {
        let name = match reference.digest() {
            Some(digest) => reference.repository().clone().at(digest),
            None => reference.clone(),
        };
        let id = self.names.get(&name.to_string())?;
        self.image(*id)
    }

    fn find_prefix(&self, hex: &str) -> Result<Option<Arc<Image>>> {
        if hex.len() < MIN_PREFIX || !is_hex(hex) {
            return Ok(None);
        }
        let mut found = self
            .images
            .values()
            .filter(|image| image.id.0.hex().starts_with(hex));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Error::Ambiguous {
                prefix: hex.to_owned(),
            }),
            (first, _) => Ok(first.cloned()),
        }
    }

    pub(super) fn names_of(&self, id: ImageId) -> Names {
        let mut names = Names::default();
        for text in self.named.get(&id).into_iter().flatten() {
            let Ok(reference) = text.parse::<Reference>() else {
                continue;
            };
            if reference.digest().is_some() {
                names.digests.push(reference);
            } else {
                names.tags.push(reference);
            }
        }
        names
    }

    /// All names of this repository, with what they stand for.
    pub(super) fn names_in<'index>(
        &'index self,
        repository: &Repository,
    ) -> impl Iterator<Item = (&'index str, ImageId)> {
        let repository = repository.to_string();
        self.names
            .range(repository.clone()..)
            .take_while({
                let repository = repository.clone();
                move |(name, _)| name.starts_with(&repository)
            })
            .filter(move |(name, _)| {
                matches!(name.as_bytes().get(repository.len()), Some(b':' | b'@'))
            })
            .map(|(name, id)| (name.as_str(), *id))
    }

    pub(super) fn children_of(&self, id: ImageId) -> Vec<ImageId> {
        self.images
            .values()
            .filter(|image| image.parent == Some(id))
            .map(|image| image.id)
            .collect()
    }

    /// The layers that images name, apart from images that go.
    pub(super) fn used_layers(&self, without: &HashSet<ImageId>) -> HashSet<DiffId> {
        self.images
            .values()
            .filter(|image| !without.contains(&image.id))
            .flat_map(|image| image.layers().iter().copied())
            .collect()
    }

    pub(super) fn remembered_step(&self, key: &str) -> Option<Arc<Image>> {
        self.cache.get(key).and_then(|id| self.image(*id))
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = String> {
        self.cache.keys().cloned()
    }

    /// The steps of builds that gave this image.
    pub(super) fn steps_of(&self, id: ImageId) -> Vec<String> {
        self.cache
            .iter()
            .filter(|(_, of)| **of == id)
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn image_of(&self, id: ImageId, record: ImageRecord, bytes: &Arc<[u8]>) -> Result<Image> {
        let config = Config::parse(bytes).map_err(|source| Error::InvalidConfig { source })?;
        let size = config
            .rootfs
            .diff_ids
            .iter()
            .filter_map(|layer| self.layers.get(layer))
            .map(|layer| layer.size)
            .sum();
        Ok(Image {
            id,
            config,
            config_bytes: Arc::clone(bytes),
            size,
            parent: record.parent,
            tagged: record.tagged.as_deref().and_then(time::parse),
        })
    }

    fn add_name(&mut self, name: String, id: ImageId) {
        self.remove_name(&name);
        self.named.entry(id).or_default().insert(name.clone());
        self.names.insert(name, id);
    }

    fn remove_name(&mut self, name: &str) {
        let Some(id) = self.names.remove(name) else {
            return;
        };
        if let Some(names) = self.named.get_mut(&id) {
            names.remove(name);
            if names.is_empty() {
                self.named.remove(&id);
            }
        }
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
