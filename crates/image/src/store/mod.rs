//! The store: images by their ids and names, layers by what they hold.
//!
//! ```text
//! <root>/images.redb     records; what is not recorded there does not exist
//!        layers/<name>/  a layer's files, as overlayfs wants them
//!        recipes/<name>  how to put its archive together again, or the archive itself
//!        incoming/       what is being made; emptied when the store opens
//! ```
//!
//! A change is prepared in `incoming`, moved to its place, and then recorded in one transaction. Whenever the
//! program ends, what is not recorded is swept away the next time.
//!
//! Everything here blocks: async code calls it on threads for that.

mod archives;
mod commit;
mod database;
mod holds;
mod index;
mod layers;
mod names;
mod remote;
mod remove;
mod usage;
mod workspace;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;
use model::api::time;
use model::digest::{DiffId, ImageId};
use model::reference::Reference;

use crate::config::Config;
use crate::error::{Error, Result};
pub(crate) use commit::prepare_packed;
pub(crate) use database::{ArchiveForm, RemoteBlob};
use database::{Change, Database, ImageRecord};
pub use holds::Hold;
use index::Index;
pub use layers::Layer;
pub(crate) use layers::Prepared;
pub use remove::{Activity, Pruned, Removal, Removed, User};
pub use usage::Usage;
pub(crate) use workspace::Workspace;

/// Images on disk. Clones are handles of the same store.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    database: Database,
    index: RwLock<Index>,
    holds: holds::Holds,
    /// Whoever changes records has this from reading what there is until all is written.
    writing: Mutex<()>,
    boot: String,
}

/// An image.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The digest of its configuration.
    pub id: ImageId,
    /// Its configuration.
    pub config: Config,
    /// The bytes of its configuration.
    pub config_bytes: Arc<[u8]>,
    /// Bytes of contents of all its layers.
    pub size: u64,
    /// The image it was built from here.
    pub parent: Option<ImageId>,
    /// When it last got a name.
    pub tagged: Option<Timestamp>,
}

/// An image that is to be recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewImage {
    /// The bytes of its configuration.
    pub(crate) config: Arc<[u8]>,
    /// The image it was built from here.
    pub(crate) parent: Option<ImageId>,
    /// Names it gets, with tags or digests.
    pub(crate) names: Vec<Reference>,
}

impl NewImage {
    /// The digest of its configuration.
    pub(crate) fn id(&self) -> ImageId {
        ImageId(crate::digest::of(&self.config))
    }
}

impl Image {
    /// The layers, lowest first.
    pub fn layers(&self) -> &[DiffId] {
        &self.config.rootfs.diff_ids
    }
}

/// What an image is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// With tags.
    pub tags: Vec<Reference>,
    /// With digests of manifests.
    pub digests: Vec<Reference>,
}

impl Store {
    /// Opens the store at `root`, or makes one. Another program must not have it open.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        for directory in [root, &root.join("layers"), &root.join("recipes")] {
            make_directory(directory)?;
        }
        let database = Database::open(&root.join("images.redb"))?;
        let incoming = root.join("incoming");
        make_directory(&incoming)?;
        rootfs::Root::open(&incoming)?.clear()?;
        let boot = boot_id()?;
        let (index, changes) = Index::from_records(database.read()?, &boot);
        database.commit(&changes)?;
        let store = Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                database,
                index: RwLock::new(index),
                holds: holds::Holds::default(),
                writing: Mutex::new(()),
                boot,
            }),
        };
        store.sweep_unrecorded()?;
        Ok(store)
    }

    /// The image that a name, an id, or the beginning of an id means.
    pub fn resolve(&self, name: &str) -> Result<Arc<Image>> {
        self.index().resolve(name)
    }

    /// The image of this id.
    pub fn get(&self, id: ImageId) -> Option<Arc<Image>> {
        self.index().image(id)
    }

    /// All images, the newest first.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.index().images()
    }

    /// What the image is called.
    pub fn names_of(&self, id: ImageId) -> Names {
        self.index().names_of(id)
    }

    /// The images that were built from this one here.
    pub fn children_of(&self, id: ImageId) -> Vec<ImageId> {
        self.index().children_of(id)
    }

    /// Records an image whose layers are in the store; one that is there already is left as it is.
    pub fn put_image(&self, config: &Config, parent: Option<ImageId>) -> Result<Arc<Image>> {
        let bytes = config
            .to_bytes()
            .map_err(|source| Error::InvalidConfig { source })?;
        let image = NewImage {
            config: bytes.into(),
            parent,
            ..NewImage::default()
        };
        // Until it is found again: an image without a name may be removed by whoever writes next.
        let _writing = self.writing();
        let id = image.id();
        let changes = self.changes_for(&image, &[])?;
        self.commit(changes)?;
        self.expect(id)
    }

    /// Remembers that the step `key` of a build gave this image.
    pub fn remember_step(&self, key: &str, id: ImageId) -> Result<()> {
        let _writing = self.writing();
        self.commit(vec![Change::PutCache(key.to_owned(), id)])
    }

    /// The image that the step `key` of a build gave before, if it is still there.
    pub fn remembered_step(&self, key: &str) -> Option<Arc<Image>> {
        self.index().remembered_step(key)
    }

    /// Forgets all steps of builds; the images stay.
    pub fn forget_steps(&self) -> Result<()> {
        let _writing = self.writing();
        let changes = self.index().steps().map(Change::RemoveCache).collect();
        self.commit(changes)
    }

    /// Records prepared layers and the images that need them, all or none of them.
    pub(crate) fn record(
        &self,
        prepared: Vec<Prepared>,
        images: &[NewImage],
    ) -> Result<Vec<Arc<Image>>> {
        let _writing = self.writing();
        let mut changes = self.place_layers(prepared)?;
        for image in images {
            let of_image = self.changes_for(image, &changes)?;
            changes.extend(of_image);
        }
        self.commit(changes)?;
        images.iter().map(|image| self.expect(image.id())).collect()
    }

    /// The changes that record an image, with those that come before them.
    fn changes_for(&self, new: &NewImage, before: &[Change]) -> Result<Vec<Change>> {
        let id = new.id();
        let index = self.index();
        let mut changes = Vec::new();
        let mut record = ImageRecord {
            parent: new.parent,
            tagged: None,
        };
        if let Some(known) = index.image(id) {
            record.parent = known.parent;
            record.tagged = known.tagged.map(time::text);
        } else {
            let config =
                Config::parse(&new.config).map_err(|source| Error::InvalidConfig { source })?;
            let comes = |wanted: &DiffId| {
                before.iter().any(
                    |change| matches!(change, Change::PutLayer(diff_id, _) if diff_id == wanted),
                )
            };
            let mut layers = config.rootfs.diff_ids.iter();
            if let Some(missing) =
                layers.find(|diff_id| index.layer(**diff_id).is_none() && !comes(diff_id))
            {
                return Err(Error::NoSuchLayer { diff_id: *missing });
            }
            changes.push(Change::PutConfig(id, Arc::clone(&new.config)));
        }
        if !new.names.is_empty() {
            record.tagged = Some(time::text(Timestamp::now()));
        }
        if !new.names.is_empty() || !changes.is_empty() {
            changes.push(Change::PutImage(id, record));
        }
        let names = new.names.iter().map(ToString::to_string);
        changes.extend(names.map(|name| Change::PutName(name, id)));
        Ok(changes)
    }

    fn expect(&self, id: ImageId) -> Result<Arc<Image>> {
        self.get(id).ok_or(Error::Stopped {
            what: "the index of images",
        })
    }

    /// Waits until all that was written to the store's file system is on disk.
    fn synchronise(&self) -> Result<()> {
        let root = &self.inner.root;
        let directory =
            std::fs::File::open(root).map_err(|source| Error::file("open", root, source))?;
        rustix::fs::syncfs(&directory).map_err(|source| Error::file("synchronise", root, source))
    }

    /// Writes the changes to disk, then makes them seen. The caller holds [`Store::writing`].
    fn commit(&self, changes: Vec<Change>) -> Result<()> {
        self.inner.database.commit(&changes)?;
        self.index_mut().apply(changes)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        // What a thread that panicked was writing is on disk in full or not at all.
        self.inner
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.inner
            .index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.inner
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, directory: &str, name: &str) -> PathBuf {
        self.inner.root.join(directory).join(name)
    }
}

fn make_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Error::file("make directory", path, source))
}

/// Which boot of the computer this is.
fn boot_id() -> Result<String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(PATH).map_err(|source| Error::file("read", PATH, source))?;
    Ok(text.trim().to_owned())
}
