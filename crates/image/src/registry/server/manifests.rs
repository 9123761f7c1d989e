//! Manifests: taken when all that they name is there, given by tag or digest.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use model::digest::Digest;
use model::reference::Tag;

use super::Registry;
use super::answer::{Code, Refusal};
use super::route::{ManifestRef, Name};
use super::storage::Storage;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest, media};

pub(super) async fn get(
    registry: &Registry,
    name: Name,
    reference: ManifestRef,
) -> Result<Response, Refusal> {
    let (digest, media_type, bytes) = registry
        .on_storage(move |storage| {
            let digest = resolve(storage, &name, &reference)?;
            let (media_type, bytes) = storage
                .manifest(&name, digest)?
                .ok_or_else(|| unknown(&reference))?;
            Ok((digest, media_type, bytes))
        })
        .await?;
    Response::builder()
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CONTENT_LENGTH, bytes.len())
        .header(header::ETAG, format!("\"{digest}\""))
        .header("docker-content-digest", digest.to_string())
        .body(Body::from(bytes))
        .map_err(|error| Refusal::internal(error.to_string()))
}

pub(super) async fn put(
    registry: &Registry,
    name: Name,
    reference: ManifestRef,
    request: Request,
) -> Result<Response, Refusal> {
    let said = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned);
    let limit = usize::try_from(MAX_MANIFEST_BYTES).unwrap_or(usize::MAX);
    let bytes = Limited::new(request.into_body(), limit)
        .collect()
        .await
        .map_err(|error| Refusal::bad(Code::ManifestInvalid, format!("read manifest: {error}")))?
        .to_bytes();
    let digest = crate::digest::of(&bytes);
    let tag: Option<Tag> = match reference {
        ManifestRef::Tag(tag) => Some(tag),
        ManifestRef::Digest(wanted) if wanted == digest => None,
        ManifestRef::Digest(wanted) => {
            return Err(Refusal::bad(
                Code::DigestInvalid,
                format!("the manifest has the digest {digest}, not {wanted}"),
            ));
        }
    };
    let manifest = Manifest::parse(&bytes, said.as_deref())
        .map_err(|error| Refusal::bad(Code::ManifestInvalid, error.to_string()))?;
    registry
        .on_storage({
            let name = name.clone();
            move |storage| {
                check_complete(storage, &name, &manifest)?;
                let media_type = match &manifest {
                    Manifest::Image(image) => image.media_type.clone(),
                    Manifest::Index(_) => said.unwrap_or_else(|| media::OCI_INDEX.to_owned()),
                };
                let tag = tag.as_ref();
                Ok(storage.keep_manifest(&name, tag, digest, &media_type, &bytes)?)
            }
        })
        .await?;
    Response::builder()
        .status(StatusCode::CREATED)
        .header(
            header::LOCATION,
            format!("/v2/{}/manifests/{digest}", name.as_str()),
        )
        .header("docker-content-digest", digest.to_string())
        .header(header::CONTENT_LENGTH, 0)
        .body(Body::empty())
        .map_err(|error| Refusal::internal(error.to_string()))
}

pub(super) async fn delete(
    registry: &Registry,
    name: Name,
    reference: ManifestRef,
) -> Result<Response, Refusal> {
    let removed = registry
        .on_storage({
            let reference = reference.clone();
            move |storage| {
                Ok(match &reference {
                    ManifestRef::Tag(tag) => storage.untag(&name, tag)?,
                    ManifestRef::Digest(digest) => storage.remove_manifest(&name, *digest)?,
                })
            }
        })
        .await?;
    if removed {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    } else {
        Err(unknown(&reference))
    }
}

fn resolve(storage: &Storage, name: &Name, reference: &ManifestRef) -> Result<Digest, Refusal> {
    match reference {
        ManifestRef::Digest(digest) => Ok(*digest),
        ManifestRef::Tag(tag) => match storage.tagged(name, tag)? {
            Some(digest) => Ok(digest),
            None if storage.tags(name)?.is_none() => Err(Refusal::not_found(
                Code::NameUnknown,
                "repository name not known to registry",
            )),
            None => Err(unknown(reference)),
        },
    }
}

/// Whether the repository has all that a manifest names.
fn check_complete(storage: &Storage, name: &Name, manifest: &Manifest) -> Result<(), Refusal> {
    let missing = |digest: Digest| {
        Refusal::not_found(
            Code::ManifestBlobUnknown,
            format!("{digest} is unknown to the repository"),
        )
    };
    match manifest {
        Manifest::Image(image) => {
            let blobs = image.layers.iter().filter(|layer| !layer.is_foreign());
            for blob in blobs.chain([&image.config]) {
                match storage.blob_size(name, blob.digest)? {
                    None => return Err(missing(blob.digest)),
                    Some(size) if size != blob.size => {
                        return Err(Refusal::bad(
                            Code::ManifestInvalid,
                            format!("{} has {size} bytes, not {}", blob.digest, blob.size),
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        Manifest::Index(list) => {
            for described in list {
                if storage.manifest(name, described.digest)?.is_none() {
                    return Err(missing(described.digest));
                }
            }
        }
    }
    Ok(())
}

fn unknown(reference: &ManifestRef) -> Refusal {
    let what = match reference {
        ManifestRef::Tag(tag) => tag.to_string(),
        ManifestRef::Digest(digest) => digest.to_string(),
    };
    Refusal::not_found(Code::ManifestUnknown, format!("manifest unknown: {what}"))
}
