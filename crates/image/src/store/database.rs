//! The store's records on disk. Everything is read once, when the store opens; each change of the store is one
//! transaction.

use std::path::Path;

use model::digest::{DiffId, Digest, ImageId};
use redb::{Database as File, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Nothing is read twice, so nothing is worth caching.
const CACHE_BYTES: usize = 1024 * 1024;

const LAYERS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("layers");
const IMAGES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("images");
const CONFIGS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("configs");
const NAMES: TableDefinition<'static, &str, &str> = TableDefinition::new("names");
const CACHE: TableDefinition<'static, &str, &str> = TableDefinition::new("cache");

/// What is kept about a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The name of its directory.
    pub(crate) directory: String,
    /// Bytes of contents, all files together.
    pub(crate) size: u64,
    /// How long its uncompressed archive is.
    pub(crate) archive_size: u64,
    /// How its archive is put together again.
    pub(crate) archive: ArchiveForm,
    /// Compressed forms of it that registries have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remote: Vec<RemoteBlob>,
    /// The boot of the computer in which it was made, until all of it is certainly on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsettled: Option<String>,
}

/// How a layer's archive is put together again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ArchiveForm {
    /// It is what packing the directory gives.
    Packed,
    /// By its recipe: everything but the contents of the files in the directory.
    Recipe,
    /// It is kept whole, compressed: its directory does not hold all that is in it.
    Whole,
}

/// A compressed form of a layer in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoteBlob {
    /// The repository it was seen in, with its registry.
    pub(crate) repository: String,
    /// Its digest there.
    pub(crate) digest: Digest,
    /// Its length there.
    pub(crate) size: u64,
    /// What it is said to be there.
    pub(crate) media_type: String,
}

/// What is kept about an image beside its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// The image it was built from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<ImageId>,
    /// When it last got a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tagged: Option<String>,
}

/// A change of one record.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    PutLayer(DiffId, LayerRecord),
    RemoveLayer(DiffId),
    PutImage(ImageId, ImageRecord),
    PutConfig(ImageId, std::sync::Arc<[u8]>),
    RemoveImage(ImageId),
    /// A name in full, with tag or digest.
    PutName(String, ImageId),
    RemoveName(String),
    PutCache(String, ImageId),
    RemoveCache(String),
}

/// All records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) layers: Vec<(DiffId, LayerRecord)>,
    pub(crate) images: Vec<(ImageId, ImageRecord, Vec<u8>)>,
    pub(crate) names: Vec<(String, ImageId)>,
    pub(crate) cache: Vec<(String, ImageId)>,
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Database {
    file: File,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(redb::Error::from)?;
        let database = Self { file };
        // So that all tables exist for readers.
        database.transact(|_| Ok(()))?;
        Ok(database)
    }

    pub(crate) fn read(&self) -> Result<Records> {
        let transaction = self.file.begin_read().map_err(redb::Error::from)?;
        let mut records = Records::default();
        let layers = transaction.open_table(LAYERS).map_err(redb::Error::from)?;
        for entry in layers.iter().map_err(redb::Error::from)? {
            let (key, value) = entry.map_err(redb::Error::from)?;
            let record = decode("layer", value.value())?;
            records.layers.push((DiffId(id(key.value())?), record));
        }
        let configs = transaction.open_table(CONFIGS).map_err(redb::Error::from)?;
        let images = transaction.open_table(IMAGES).map_err(redb::Error::from)?;
        for entry in images.iter().map_err(redb::Error::from)? {
            let (key, value) = entry.map_err(redb::Error::from)?;
            let record = decode("image", value.value())?;
            let Some(config) = configs.get(key.value()).map_err(redb::Error::from)? else {
                continue;
            };
            let id = ImageId(id(key.value())?);
            records.images.push((id, record, config.value().to_vec()));
        }
        for (table, list) in [(NAMES, &mut records.names), (CACHE, &mut records.cache)] {
            let table = transaction.open_table(table).map_err(redb::Error::from)?;
            for entry in table.iter().map_err(redb::Error::from)? {
                let (key, value) = entry.map_err(redb::Error::from)?;
                list.push((key.value().to_owned(), ImageId(id(value.value())?)));
            }
        }
        Ok(records)
    }

    /// Makes the changes, all or none; they are on disk when this returns.
    pub(crate) fn commit(&self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.transact(|transaction| {
            for change in changes {
                apply(transaction, change)?;
            }
            Ok(())
        })
    }

    fn transact(&self, write: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        let transaction = self.file.begin_write().map_err(redb::Error::from)?;
        for table in [LAYERS, IMAGES, CONFIGS] {
            transaction.open_table(table).map_err(redb::Error::from)?;
        }
        for table in [NAMES, CACHE] {
            transaction.open_table(table).map_err(redb::Error::from)?;
        }
        write(&transaction)?;
        transaction.commit().map_err(redb::Error::from)?;
        Ok(())
    }
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<()> {
    match change {
        Change::PutLayer(diff_id, record) => {
            put(transaction, LAYERS, &diff_id.0, &encode("layer", record)?)
        }
        Change::RemoveLayer(diff_id) => remove(transaction, LAYERS, &diff_id.0),
        Change::PutImage(id, record) => put(transaction, IMAGES, &id.0, &encode("image", record)?),
        Change::PutConfig(id, bytes) => put(transaction, CONFIGS, &id.0, bytes),
        Change::RemoveImage(id) => {
            remove(transaction, IMAGES, &id.0)?;
            remove(transaction, CONFIGS, &id.0)
        }
        Change::PutName(name, id) => put_text(transaction, NAMES, name, *id),
        Change::RemoveName(name) => remove_text(transaction, NAMES, name),
        Change::PutCache(key, id) => put_text(transaction, CACHE, key, *id),
        Change::RemoveCache(key) => remove_text(transaction, CACHE, key),
    }
}

type Values = TableDefinition<'static, &'static str, &'static [u8]>;
type Texts = TableDefinition<'static, &'static str, &'static str>;

fn put(transaction: &WriteTransaction, table: Values, key: &Digest, value: &[u8]) -> Result<()> {
    let mut table = transaction.open_table(table).map_err(redb::Error::from)?;
    table
        .insert(key.hex().as_str(), value)
        .map_err(redb::Error::from)?;
    Ok(())
}

fn remove(transaction: &WriteTransaction, table: Values, key: &Digest) -> Result<()> {
    let mut table = transaction.open_table(table).map_err(redb::Error::from)?;
    table
        .remove(key.hex().as_str())
        .map_err(redb::Error::from)?;
    Ok(())
}

fn put_text(transaction: &WriteTransaction, table: Texts, key: &str, id: ImageId) -> Result<()> {
    let mut table = transaction.open_table(table).map_err(redb::Error::from)?;
    table
        .insert(key, id.0.hex().as_str())
        .map_err(redb::Error::from)?;
    Ok(())
}

fn remove_text(transaction: &WriteTransaction, table: Texts, key: &str) -> Result<()> {
    let mut table = transaction.open_table(table).map_err(redb::Error::from)?;
    table.remove(key).map_err(redb::Error::from)?;
    Ok(())
}

fn encode<T: Serialize>(what: &str, record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|source| Error::Record {
        what: what.to_owned(),
        source,
    })
}

fn decode<T: for<'de> Deserialize<'de>>(what: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|source| Error::Record {
        what: what.to_owned(),
        source,
    })
}

fn id(text: &str) -> Result<Digest> {
    Digest::from_hex(text).map_err(|error| Error::Record {
        what: "id".to_owned(),
        source: serde::de::Error::custom(error),
    })
}
