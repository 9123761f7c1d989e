//! Blobs on their way in: begun, gone on with, finished or given up.
//!
//! What was taken stays if the connection or the program ends, and the client may go on from there. The digest is
//! computed from the file when it is whole.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use model::digest::Digest;
use tokio::sync::mpsc;

use super::answer::{Code, Refusal};
use super::route::{self, Name, UploadId};
use super::{Registry, storage};
use crate::digest::Hashing;

/// Pieces that wait to be written.
const WAITING: usize = 32;

pub(super) async fn begin(
    registry: &Registry,
    name: Name,
    request: Request,
) -> Result<Response, Refusal> {
    let query = Query::of(&request);
    if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
        let (digest, from) = (route::digest(&digest)?, from.parse::<Name>()?);
        let mounted = registry
            .on_storage({
                let name = name.clone();
                move |storage| Ok(storage.mount(&name, &from, digest)?)
            })
            .await?;
        if mounted {
            return created(&name, digest);
        }
    }
    let id = registry
        .on_storage({
            let name = name.clone();
            move |storage| Ok(storage.begin_upload(&name)?)
        })
        .await?;
    if query.get("digest").is_some() {
        return finish(registry, name, id, request).await;
    }
    progress(StatusCode::ACCEPTED, &name, &id, 0)
}

pub(super) fn status(registry: &Registry, name: &Name, id: &UploadId) -> Result<Response, Refusal> {
    let size = {
        let _claim = claim(registry, name, id)?;
        registry.storage().upload_size(id)?
    };
    progress(StatusCode::NO_CONTENT, name, id, size)
}

pub(super) async fn go_on(
    registry: &Registry,
    name: Name,
    id: UploadId,
    request: Request,
) -> Result<Response, Refusal> {
    let _claim = claim(registry, &name, &id)?;
    let size = take(registry, &name, &id, request).await?;
    progress(StatusCode::ACCEPTED, &name, &id, size)
}

pub(super) async fn finish(
    registry: &Registry,
    name: Name,
    id: UploadId,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(digest) = Query::of(&request).get("digest") else {
        return Err(Refusal::bad(Code::DigestInvalid, "no digest was given"));
    };
    let digest = route::digest(&digest)?;
    let _claim = claim(registry, &name, &id)?;
    take(registry, &name, &id, request).await?;
    registry
        .on_storage({
            let name = name.clone();
            move |storage| {
                let path = storage.upload_path(&id);
                let actual = digest_of(&path)?;
                if actual != digest {
                    // It can never become right: more would only be added to it.
                    storage.remove_upload(&id)?;
                    return Err(Refusal::bad(
                        Code::DigestInvalid,
                        format!("the contents have the digest {actual}, not {digest}"),
                    ));
                }
                storage.keep_blob(&name, digest, &path)?;
                Ok(storage.remove_upload(&id)?)
            }
        })
        .await?;
    created(&name, digest)
}

pub(super) fn give_up(
    registry: &Registry,
    name: &Name,
    id: &UploadId,
) -> Result<Response, Refusal> {
    let _claim = claim(registry, name, id)?;
    registry.storage().remove_upload(id)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn claim<'registry>(
    registry: &'registry Registry,
    name: &Name,
    id: &UploadId,
) -> Result<storage::Claim<'registry>, Refusal> {
    registry
        .storage()
        .claim(name, id)?
        .ok_or_else(|| Refusal::not_found(Code::UploadUnknown, "no such upload, or one in use"))
}

/// Adds the request's contents to the upload; gives how much is there then.
async fn take(
    registry: &Registry,
    name: &Name,
    id: &UploadId,
    request: Request,
) -> Result<u64, Refusal> {
    let have = registry.storage().upload_size(id)?;
    if let Some(range) = request.headers().get(header::CONTENT_RANGE) {
        let start = range
            .to_str()
            .ok()
            .map(|text| text.trim_start_matches("bytes ").trim())
            .and_then(|text| text.split('-').next()?.parse::<u64>().ok());
        if start != Some(have) {
            return Err(Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                Code::UploadInvalid,
                format!("the next byte of {} is {have}", name.as_str()),
            ));
        }
    }
    let path = registry.storage().upload_path(id);
    let (sender, receiver) = mpsc::channel(WAITING);
    let writer = tokio::task::spawn_blocking(move || append(&path, receiver));
    let mut body = request.into_body();
    let mut failed = None;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                if sender.send(data).await.is_err() {
                    break;
                }
            }
            Ok(Err(_)) => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let written = writer
        .await
        .map_err(|_| Refusal::internal("the thread that writes an upload ended"))?;
    let added = written.map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => Refusal::new(
            StatusCode::INSUFFICIENT_STORAGE,
            Code::Unknown,
            "the registry's disk is full",
        ),
        _ => Refusal::internal(format!("write an upload: {error}")),
    })?;
    match failed {
        None => Ok(have + added),
        Some(error) => Err(Refusal::bad(
            Code::UploadInvalid,
            format!("the upload broke off: {error}"),
        )),
    }
}

fn append(path: &PathBuf, mut pieces: mpsc::Receiver<Bytes>) -> std::io::Result<u64> {
    let mut file = File::options().append(true).open(path)?;
    let mut added = 0;
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
        added += piece.len() as u64;
    }
    Ok(added)
}

fn digest_of(path: &PathBuf) -> Result<Digest, Refusal> {
    let mut hashing = Hashing::new(std::io::sink());
    File::open(path)
        .and_then(|mut file| {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let count = std::io::Read::read(&mut file, &mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                hashing.write_all(&buffer[..count])?;
            }
        })
        .map_err(|error| Refusal::internal(format!("read an upload: {error}")))?;
    Ok(hashing.finish().1)
}

fn created(name: &Name, digest: Digest) -> Result<Response, Refusal> {
    Response::builder()
        .status(StatusCode::CREATED)
        .header(
            header::LOCATION,
            format!("/v2/{}/blobs/{digest}", name.as_str()),
        )
        .header("docker-content-digest", digest.to_string())
        .header(header::CONTENT_LENGTH, 0)
        .body(Body::empty())
        .map_err(|error| Refusal::internal(error.to_string()))
}

fn progress(
    status: StatusCode,
    name: &Name,
    id: &UploadId,
    size: u64,
) -> Result<Response, Refusal> {
    let (name, id) = (name.as_str(), id.as_str());
    let mut response = Response::builder()
        .status(status)
        .header(header::LOCATION, format!("/v2/{name}/blobs/uploads/{id}"))
        .header(header::RANGE, format!("0-{}", size.saturating_sub(1)))
        .header("docker-upload-uuid", id);
    if status != StatusCode::NO_CONTENT {
        response = response.header(header::CONTENT_LENGTH, 0);
    }
    response
        .body(Body::empty())
        .map_err(|error| Refusal::internal(error.to_string()))
}

/// A request's query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(request: &Request) -> Self {
        Self::parse(request.uri())
    }

    pub(super) fn parse(uri: &http::Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }
}
