//! Manifests and configurations from a registry, with their digests checked.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use model::digest::Digest;
use model::platform::Platform;
use model::reference::Reference;

use super::error::RegistryError;
use super::session::Session;
use crate::config::MAX_CONFIG_BYTES;
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, ImageManifest, MAX_MANIFEST_BYTES, Manifest, choose, media};

/// Lists within lists.
const MAX_DEPTH: usize = 4;

/// A manifest as the registry has it.
pub(super) struct Found {
    pub(super) manifest: Manifest,
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

impl Session<'_> {
    /// The manifest that a name means.
    pub(super) async fn manifest(&self, name: &Reference) -> Result<Found> {
        let wanted = match (name.digest(), name.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        };
        self.fetch_manifest(name, &wanted, name.digest()).await
    }

    /// The manifest of an image for the platform, found from that which a name means.
    pub(super) async fn image_manifest(
        &self,
        name: &Reference,
        found: &Manifest,
        platform: &Platform,
        variant: &str,
    ) -> Result<ImageManifest> {
        let mut current = found.clone();
        for _ in 0..MAX_DEPTH {
            let list = match current {
                Manifest::Image(manifest) => return Ok(manifest),
                Manifest::Index(list) => list,
            };
            let chosen =
                choose(&list, platform, variant).ok_or_else(|| RegistryError::NoPlatform {
                    platform: platform.to_string(),
                })?;
            let digest = chosen.digest;
            current = self
                .fetch_manifest(name, &digest.to_string(), Some(digest))
                .await?
                .manifest;
        }
        Err(Error::archive("the manifest is a list of lists of lists"))
    }

    /// The bytes of a configuration.
    pub(super) async fn config(&self, descriptor: &Descriptor) -> Result<Bytes> {
        if descriptor.size > MAX_CONFIG_BYTES {
            return Err(Error::archive(format!(
                "the configuration has {} bytes, which is too much",
                descriptor.size
            )));
        }
        let url = self.url(&format!("blobs/{}", descriptor.digest))?;
        let answer = self.get(url, &[]).await?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer).await.into());
        }
        let bytes = answer.document(MAX_CONFIG_BYTES).await?;
        check("configuration", descriptor.digest, &bytes)?;
        Ok(bytes)
    }

    async fn fetch_manifest(
        &self,
        name: &Reference,
        wanted: &str,
        expected: Option<Digest>,
    ) -> Result<Found> {
        let url = self.url(&format!("manifests/{wanted}"))?;
        let answer = self.get(url, &accepted()).await?;
        let answer = self.expect_found(answer, name).await?;
        let media_type = answer
            .header("content-type")
            .map(|text| text.split(';').next().unwrap_or(text).trim().to_owned());
        let announced: Option<Digest> = answer
            .header("docker-content-digest")
            .and_then(|text| text.parse().ok());
        let bytes = answer.document(MAX_MANIFEST_BYTES).await?;
        if let Some(expected) = expected.or(announced) {
            check("manifest", expected, &bytes)?;
        }
        let manifest = Manifest::parse(&bytes, media_type.as_deref())?;
        let media_type = match &manifest {
            Manifest::Image(manifest) => manifest.media_type.clone(),
            Manifest::Index(_) => media_type.unwrap_or_else(|| media::OCI_INDEX.to_owned()),
        };
        Ok(Found {
            manifest,
            digest: crate::digest::of(&bytes),
            media_type,
            bytes,
        })
    }
}

fn check(what: &str, expected: Digest, bytes: &[u8]) -> Result<()> {
    let actual = crate::digest::of(bytes);
    if actual == expected {
        Ok(())
    } else {
        Err(Error::WrongDigest {
            what: what.to_owned(),
            expected,
            actual,
        })
    }
}

fn accepted() -> Vec<(HeaderName, HeaderValue)> {
    [
        media::DOCKER_MANIFEST,
        media::DOCKER_LIST,
        media::OCI_MANIFEST,
        media::OCI_INDEX,
    ]
    .into_iter()
    .map(|kind| (header::ACCEPT, HeaderValue::from_static(kind)))
    .collect()
}
