//! Images fetched: layers several at once, each extracted as soon as it is here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use model::api::progress::Message;
use model::api::system::AuthConfig;
use model::digest::{DiffId, Digest, ImageId};
use model::platform::Platform;
use model::reference::{DEFAULT_REGISTRY, Reference};

use super::Client;
use super::download::download;
use super::error::RegistryError;
use super::manifests::Found;
use super::session::{Access, Session};
use crate::archive::this_platform;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, ImageManifest};
use crate::store::{NewImage, Prepared, RemoteBlob, Workspace};
use crate::unpack::unpack;
use crate::{Progress, Store};

/// Layers fetched at once, as dockerd does.
const PARALLEL: usize = 3;

/// Bytes between two lines about how far a layer is.
const PROGRESS_STEP: u64 = 512 * 1024;

/// Digits of a digest that stand for a layer.
const SHORT: usize = 12;

/// A layer to be fetched.
struct Wanted {
    diff_id: DiffId,
    blob: Descriptor,
}

impl Client {
    /// Fetches an image into the store and names it. Without a tag or digest it is `latest`; `platform` chooses
    /// among several, this computer's if there is none. Says what it does in Docker's words.
    pub async fn pull(
        &self,
        store: &Store,
        name: &Reference,
        auth: &AuthConfig,
        platform: Option<&Platform>,
        progress: &Progress,
    ) -> Result<ImageId> {
        let name = name.clone().or_latest();
        let what = match (name.digest(), name.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.map(ToString::to_string).unwrap_or_default(),
        };
        // Said once it is there: before the first word, a failure is the answer's status, which clients heed.
        let (session, found) = self.find(&name, auth).await?;
        progress
            .tell(Message {
                id: Some(what),
                ..Message::status(format!("Pulling from {}", name.repository().path()))
            })
            .await;
        let platform = platform.cloned().unwrap_or_else(this_platform);
        let manifest = session
            .image_manifest(&name, &found.manifest, &platform, "")
            .await?;
        let before = store.index_name(&name);
        let id = pull_image(&session, store, &name, &manifest, found.digest, progress).await?;
        let digest = found.digest;
        progress
            .tell(Message::status(format!("Digest: {digest}")))
            .await;
        let status = if before == Some(id) {
            "Image is up to date"
        } else {
            "Downloaded newer image"
        };
        let line = format!("Status: {status} for {}", name.familiar());
        progress.tell(Message::status(line)).await;
        Ok(id)
    }

    /// The manifest that a name means, from a mirror or from the registry itself.
    async fn find(&self, name: &Reference, auth: &AuthConfig) -> Result<(Session<'_>, Found)> {
        if name.repository().registry() == DEFAULT_REGISTRY {
            for mirror in self.mirrors() {
                // A mirror gets no credentials: they are the registry's.
                let path = name.repository().path();
                let nobody = AuthConfig::default();
                let session = Session::new(self, mirror, path, &nobody, Access::Pull);
                match session.manifest(name).await {
                    Ok(found) => return Ok((session, found)),
                    Err(error) => {
                        tracing::info!(%error, mirror = session.registry(), "mirror does not help");
                    }
                }
            }
        }
        let session = self.session(name, auth, Access::Pull).await?;
        let found = session.manifest(name).await?;
        Ok((session, found))
    }
}

async fn pull_image(
    session: &Session<'_>,
    store: &Store,
    name: &Reference,
    manifest: &ImageManifest,
    digest: Digest,
    progress: &Progress,
) -> Result<ImageId> {
    let config_bytes = session.config(&manifest.config).await?;
    let config = Config::parse(&config_bytes).map_err(|source| Error::InvalidConfig { source })?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(Error::archive(format!(
            "the configuration names {} layers, the manifest {}",
            diff_ids.len(),
            manifest.layers.len()
        )));
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut known = Vec::new();
    for (diff_id, blob) in diff_ids.iter().zip(&manifest.layers) {
        let id = short(blob.digest);
        if store.has_layer(*diff_id) {
            known.push(*diff_id);
            progress.tell(Message::layer(id, "Already exists")).await;
        } else if !wanted.iter().any(|other| other.diff_id == *diff_id) {
            if blob.is_foreign() {
                return Err(Error::archive("a layer is not to be had from registries"));
            }
            progress.tell(Message::layer(id, "Pulling fs layer")).await;
            wanted.push(Wanted {
                diff_id: *diff_id,
                blob: blob.clone(),
            });
        }
    }
    let hold = store.hold(&known)?;
    let workspace = Arc::new(store.workspace()?);
    let prepared: Vec<Prepared> = stream::iter(wanted)
        .map(|layer| fetch_layer(session, layer, &workspace, progress))
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    let repository = name.repository().clone();
    let remote = diff_ids
        .iter()
        .zip(&manifest.layers)
        .map(|(diff_id, blob)| {
            let seen = RemoteBlob {
                repository: repository.to_string(),
                digest: blob.digest,
                size: blob.size,
                media_type: blob.media_type.clone(),
            };
            (*diff_id, seen)
        })
        .collect();
    let mut names = vec![repository.at(digest)];
    if name.digest().is_none() {
        names.push(name.clone());
    }
    let image = NewImage {
        config: Arc::from(config_bytes.as_ref()),
        names,
        ..NewImage::default()
    };
    let id = image.id();
    let store = store.clone();
    on_thread(move || {
        store.record(prepared, &[image])?;
        drop(hold);
        store.remember_remote(remote)
    })
    .await?;
    Ok(id)
}

async fn fetch_layer(
    session: &Session<'_>,
    layer: Wanted,
    workspace: &Arc<Workspace>,
    progress: &Progress,
) -> Result<Prepared> {
    let id = short(layer.blob.digest);
    let path = workspace.path()?;
    let total = layer.blob.size;
    let told = teller(&id, "Downloading", total, progress);
    download(session, &layer.blob, &path, &told).await?;
    for status in ["Verifying Checksum", "Download complete"] {
        progress.tell(Message::layer(&id, status)).await;
    }
    let prepared = on_thread({
        let (workspace, progress, id) = (Arc::clone(workspace), progress.clone(), id.clone());
        move || {
            let told = teller(&id, "Extracting", total, &progress);
            let prepared = unpack(&path, &workspace, &told)?;
            std::fs::remove_file(&path).map_err(|source| Error::file("remove", &path, source))?;
            Ok(prepared)
        }
    })
    .await?;
    if prepared.diff_id != layer.diff_id {
        return Err(Error::WrongDigest {
            what: "layer, uncompressed,".to_owned(),
            expected: layer.diff_id.0,
            actual: prepared.diff_id.0,
        });
    }
    progress.tell(Message::layer(&id, "Pull complete")).await;
    Ok(prepared)
}

/// Says now and then how far a layer is.
pub(super) fn teller<'told>(
    id: &'told str,
    status: &'static str,
    total: u64,
    progress: &'told Progress,
) -> impl Fn(u64) + Sync + 'told {
    let told = AtomicU64::new(0);
    move |count| {
        let before = told.load(Ordering::Relaxed);
        if count >= before + PROGRESS_STEP || (count == total && before != total) {
            told.store(count, Ordering::Relaxed);
            let line = Message::layer_progress(id, status, count, Some(total));
            progress.hint(line);
        }
    }
}

/// Does what blocks where it may.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Stopped {
            what: "a thread that works with images",
        })?
}

pub(super) fn short(digest: Digest) -> String {
    let mut hex = digest.hex();
    hex.truncate(SHORT);
    hex
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}
