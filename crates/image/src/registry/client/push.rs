//! Images sent: layers several at once, and none that the registry has already.
//!
//! A layer's archive is put together and compressed on the way to a file, so that its digest and length are known
//! before it is sent; it is sent in one piece.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, Method, StatusCode, header};
use model::api::progress::Message;
use model::api::system::AuthConfig;
use model::digest::{DiffId, Digest};
use model::reference::Reference;
use serde_json::json;
use url::Url;

use super::Client;
use super::error::RegistryError;
use super::http::{Answer, Sent};
use super::pull::{on_thread, teller};
use super::session::{Access, Session};
use crate::digest::Hashing;
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, ImageManifest, media};
use crate::store::{RemoteBlob, Workspace};
use crate::{Image, Progress, Store};

/// Layers sent at once.
const PARALLEL: usize = 3;

/// Effort of compression: layers are sent once and read often, but nobody likes to wait.
const LEVEL: u32 = 4;

/// How often it is told how far a layer is.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// Sends the image of this name, which must have a tag.
    pub async fn push(
        &self,
        store: &Store,
        name: &Reference,
        auth: &AuthConfig,
        progress: &Progress,
    ) -> Result<()> {
        let name = name.clone().or_latest();
        let image = store.resolve(&name.to_string())?;
        let line = format!("The push refers to repository [{}]", name.repository());
        progress.tell(Message::status(line)).await;
        let mut session = self.session(&name, auth, Access::Push).await?;
        if let Some(other) = other_repository(store, &image, &name) {
            session = session.and_reading(&other);
        }
        let hold = store.hold(image.layers())?;
        let workspace = Arc::new(store.workspace()?);
        // As in dockerd, the topmost comes first.
        for diff_id in image.layers().iter().rev() {
            progress
                .tell(Message::layer(diff_id.short(), "Preparing"))
                .await;
        }
        let layers = image.layers().to_vec();
        let sent: Vec<Descriptor> = stream::iter(layers)
            .map(|diff_id| push_layer(&session, store, &name, diff_id, &workspace, progress))
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        drop(hold);
        let config = Descriptor {
            media_type: media::DOCKER_CONFIG.to_owned(),
            digest: image.id.0,
            size: image.config_bytes.len() as u64,
            platform: None,
            annotations: std::collections::BTreeMap::new(),
        };
        if !session.has_blob(config.digest).await? {
            let bytes = Sent::Bytes(image.config_bytes.to_vec().into());
            session.upload(config.digest, bytes).await?;
        }
        let remote = image
            .layers()
            .iter()
            .zip(&sent)
            .map(|(diff_id, blob)| (*diff_id, remote_of(&name, blob)))
            .collect();
        let (digest, size) = put_manifest(&session, &name, config, sent).await?;
        let (store, id) = (store.clone(), image.id);
        let by_digest = name.repository().clone().at(digest);
        on_thread(move || {
            store.remember_remote(remote)?;
            store.put_name(id, &by_digest)
        })
        .await?;
        let tag = name.tag().map(ToString::to_string).unwrap_or_default();
        let line = format!("{tag}: digest: {digest} size: {size}");
        progress.tell(Message::status(line)).await;
        let result = json!({ "Tag": tag, "Digest": digest, "Size": size });
        progress.tell(Message::aux(result)).await;
        Ok(())
    }
}

async fn put_manifest(
    session: &Session<'_>,
    name: &Reference,
    config: Descriptor,
    layers: Vec<Descriptor>,
) -> Result<(Digest, usize)> {
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: media::DOCKER_MANIFEST.to_owned(),
        config,
        layers,
    };
    let bytes = serde_json::to_vec(&manifest).map_err(RegistryError::json)?;
    let (digest, size) = (crate::digest::of(&bytes), bytes.len());
    let tag = name.tag().map(ToString::to_string).unwrap_or_default();
    let url = session.url(&format!("manifests/{tag}"))?;
    let kind = HeaderValue::from_static(media::DOCKER_MANIFEST);
    let answer = session
        .ask(
            Method::PUT,
            url,
            &[(header::CONTENT_TYPE, kind)],
            Sent::Bytes(bytes.into()),
        )
        .await?;
    if answer.status().is_success() {
        Ok((digest, size))
    } else {
        Err(session.refusal(answer).await.into())
    }
}

async fn push_layer(
    session: &Session<'_>,
    store: &Store,
    name: &Reference,
    diff_id: DiffId,
    workspace: &Arc<Workspace>,
    progress: &Progress,
) -> Result<Descriptor> {
    let id = diff_id.short();
    let known = store.remote_blobs(diff_id)?;
    for blob in known.iter().filter(|blob| is_docker(blob)) {
        let same_registry = blob
            .repository
            .parse::<model::reference::Repository>()
            .is_ok_and(|seen| seen.registry() == name.repository().registry());
        if !same_registry {
            continue;
        }
        if blob.repository == name.repository().to_string() {
            if session.has_blob(blob.digest).await? {
                let line = Message::layer(&id, "Layer already exists");
                progress.tell(line).await;
                return Ok(descriptor_of(blob));
            }
        } else if let Some(path) = session.mount(blob).await? {
            let line = Message::layer(&id, format!("Mounted from {path}"));
            progress.tell(line).await;
            return Ok(descriptor_of(blob));
        }
    }
    let path = workspace.path()?;
    let blob = on_thread({
        let (store, path) = (store.clone(), path.clone());
        move || compress(&store, diff_id, &path)
    })
    .await?;
    if session.has_blob(blob.digest).await? {
        let line = Message::layer(&id, "Layer already exists");
        progress.tell(line).await;
        return Ok(blob);
    }
    let taken = Arc::new(AtomicU64::new(0));
    let sent = Sent::File {
        path,
        size: blob.size,
        taken: Arc::clone(&taken),
    };
    let told = teller(&id, "Pushing", blob.size, progress);
    let upload = session.upload(blob.digest, sent);
    tokio::pin!(upload);
    loop {
        tokio::select! {
            done = &mut upload => break done?,
            () = tokio::time::sleep(PROGRESS_PAUSE) => told(taken.load(Ordering::Relaxed)),
        }
    }
    progress.tell(Message::layer(&id, "Pushed")).await;
    Ok(blob)
}

/// Whether a manifest of Docker's form may list it.
fn is_docker(blob: &RemoteBlob) -> bool {
    blob.media_type == media::DOCKER_LAYER
        || blob.media_type == format!("{}+gzip", media::OCI_LAYER)
}

fn descriptor_of(blob: &RemoteBlob) -> Descriptor {
    layer(blob.digest, blob.size)
}

fn layer(digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media::DOCKER_LAYER.to_owned(),
        digest,
        size,
        platform: None,
        annotations: std::collections::BTreeMap::new(),
    }
}

fn remote_of(name: &Reference, blob: &Descriptor) -> RemoteBlob {
    RemoteBlob {
        repository: name.repository().to_string(),
        digest: blob.digest,
        size: blob.size,
        media_type: blob.media_type.clone(),
    }
}

/// A repository of the same registry that has some of the image's layers.
fn other_repository(store: &Store, image: &Image, name: &Reference) -> Option<String> {
    let wanted = name.repository();
    image
        .layers()
        .iter()
        .filter_map(|layer| store.remote_blobs(*layer).ok())
        .flatten()
        .filter_map(|blob| blob.repository.parse::<model::reference::Repository>().ok())
        .find(|seen| seen.registry() == wanted.registry() && seen != wanted)
        .map(|seen| seen.path().to_owned())
}

/// Puts a layer's archive together and compresses it.
fn compress(store: &Store, diff_id: DiffId, path: &Path) -> Result<Descriptor> {
    let write_error = |source| Error::file("write", path, source);
    let file = File::create_new(path).map_err(write_error)?;
    let hashing = Hashing::new(BufWriter::new(file));
    let level = flate2::Compression::new(LEVEL);
    let mut encoder = flate2::write::GzEncoder::new(hashing, level);
    store.write_archive(diff_id, &mut encoder)?;
    let hashing = encoder.finish().map_err(write_error)?;
    let (mut file, digest, size) = hashing.finish();
    file.flush().map_err(write_error)?;
    Ok(layer(digest, size))
}

impl Session<'_> {
    pub(super) async fn has_blob(&self, digest: Digest) -> Result<bool> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.ask(Method::HEAD, url, &[], Sent::Nothing).await?;
        match answer.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refusal(answer).await.into()),
        }
    }

    /// Asks the registry to take a blob from another of its repositories; says which, if it did.
    async fn mount(&self, blob: &RemoteBlob) -> Result<Option<String>> {
        let Ok(from) = blob.repository.parse::<model::reference::Repository>() else {
            return Ok(None);
        };
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", &blob.digest.to_string())
            .append_pair("from", from.path());
        let answer = self.ask(Method::POST, url, &[], Sent::Nothing).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(Some(from.path().to_owned())),
            // An upload was begun instead: it is given up.
            StatusCode::ACCEPTED => {
                if let Some(location) = location(&answer) {
                    self.ask(Method::DELETE, location, &[], Sent::Nothing)
                        .await
                        .ok();
                }
                Ok(None)
            }
            _ => Err(self.refusal(answer).await.into()),
        }
    }

    /// Sends a blob.
    async fn upload(&self, digest: Digest, sent: Sent) -> Result<()> {
        let url = self.url("blobs/uploads/")?;
        let answer = self.ask(Method::POST, url, &[], Sent::Nothing).await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(answer).await.into());
        }
        let Some(mut target) = location(&answer) else {
            return Err(self.refusal(answer).await.into());
        };
        drop(answer);
        target
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let kind = HeaderValue::from_static("application/octet-stream");
        let headers = [(header::CONTENT_TYPE, kind)];
        let answer = self.ask(Method::PUT, target, &headers, sent).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(self.refusal(answer).await.into())
        }
    }
}

fn location(answer: &Answer) -> Option<Url> {
    answer.url.join(answer.header("location")?).ok()
}
