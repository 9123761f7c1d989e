//! Manifests: what says which configuration and which layers make an image. Pure.
//!
//! A document that could be read as two kinds of manifest is refused: two programs would see two images in it.

use model::digest::Digest;
use model::platform::Platform;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Media types of the distribution protocol.
pub(crate) mod media {
    pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_LIST: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// What begins the media types of manifests of Docker's first schema.
    pub(crate) const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1";
}

/// No manifest is longer; registries have the same bound.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Layers of one image: overlayfs can take 500.
pub(crate) const MAX_LAYERS: usize = 500;

/// A thing by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<DescribedPlatform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an image in an index runs on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DescribedPlatform {
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) variant: String,
}

/// A manifest of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageManifest {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// Any manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manifest {
    Image(ImageManifest),
    /// Images to choose from.
    Index(Vec<Descriptor>),
}

/// One image of a `manifest.json`, Docker's own form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    pub(crate) config: String,
    pub(crate) repo_tags: Option<Vec<String>>,
    pub(crate) layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyManifest {
    schema_version: Option<u32>,
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<Value>,
}

impl Manifest {
    /// Reads a manifest. `media_type` is what it is said to be, if anything is.
    pub(crate) fn parse(bytes: &[u8], media_type: Option<&str>) -> Result<Self> {
        let read: AnyManifest =
            serde_json::from_slice(bytes).map_err(|source| Error::InvalidJson {
                what: "manifest".to_owned(),
                source,
            })?;
        let invalid = |reason: &str| Err(Error::archive(format!("manifest {reason}")));
        let said = media_type.filter(|text| !text.is_empty());
        if read.schema_version == Some(1)
            || read.fs_layers.is_some()
            || said.is_some_and(|said| said.starts_with(media::SCHEMA_1))
        {
            return invalid("of schema 1, which is too old, is not supported");
        }
        if read.schema_version != Some(2) {
            return invalid("has no schema version that is known");
        }
        let said_within = Some(read.media_type.as_str()).filter(|text| !text.is_empty());
        if let (Some(said), Some(within)) = (said, said_within)
            && said != within
        {
            return invalid(&format!("is {within:?}, but was announced as {said:?}"));
        }
        let kind = said.or(said_within);
        let is_index = match kind {
            Some(media::OCI_INDEX | media::DOCKER_LIST) => Some(true),
            Some(media::OCI_MANIFEST | media::DOCKER_MANIFEST) => Some(false),
            // Servers that know nothing of manifests say this; the contents decide.
            Some("application/json" | "application/octet-stream" | "text/plain") | None => None,
            Some(other) => return invalid(&format!("has the unknown type {other:?}")),
        };
        match (read.manifests, read.config, read.layers) {
            (Some(manifests), None, None) if is_index != Some(false) => Ok(Self::Index(manifests)),
            (None, Some(config), Some(layers)) if is_index != Some(true) => {
                if layers.len() > MAX_LAYERS {
                    return invalid(&format!("has {} layers, which is too many", layers.len()));
                }
                let oci = config.media_type == media::OCI_CONFIG;
                let implied = if oci {
                    media::OCI_MANIFEST
                } else {
                    media::DOCKER_MANIFEST
                };
                Ok(Self::Image(ImageManifest {
                    schema_version: 2,
                    media_type: kind.unwrap_or(implied).to_owned(),
                    config,
                    layers,
                }))
            }
            (Some(_), _, _) => invalid("is ambiguous: it lists both manifests and layers"),
            _ => invalid("lists neither manifests nor a configuration and layers"),
        }
    }
}

impl Descriptor {
    /// Whether it is a layer that is not to be handed on, and so is not in registries.
    pub(crate) fn is_foreign(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains(".foreign.")
    }
}

/// The manifest for `platform` among these; if none says its platform, there must be just one.
pub(crate) fn choose<'list>(
    manifests: &'list [Descriptor],
    platform: &Platform,
    variant: &str,
) -> Option<&'list Descriptor> {
    let fits = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().is_some_and(|described| {
            let described = Platform {
                os: described.os.clone(),
                architecture: described.architecture.clone(),
            };
            !described.os.is_empty() && described.runs_on(platform)
        })
    };
    let same_variant = |descriptor: &&Descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_some_and(|described| described.variant == variant)
    };
    let mut fitting = manifests.iter().filter(fits);
    fitting
        .clone()
        .find(same_variant)
        .or_else(|| fitting.next())
        .or(match manifests {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use model::platform::Platform;

    use super::{Manifest, choose, media};

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    #[track_caller]
    fn refused(json: &str, media_type: Option<&str>, words: &str) {
        let error = Manifest::parse(json.as_bytes(), media_type).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn what_could_be_two_things_is_refused() {
        let descriptor = format!(
            r#"{{"mediaType":"{}","digest":"{}","size":2}}"#,
            media::OCI_CONFIG,
            digest('a')
        );
        let both = format!(
            r#"{{"schemaVersion":2,"config":{descriptor},"layers":[],"manifests":[{descriptor}]}}"#
        );
        refused(&both, None, "ambiguous");
        let image = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[]}}"#);
        assert!(matches!(
            Manifest::parse(image.as_bytes(), None),
            Ok(Manifest::Image(_))
        ));
        refused(&image, Some(media::OCI_INDEX), "neither");
        refused(&image, Some("text/html"), "unknown type");
        let typed = image.replacen(
            '{',
            &format!(r#"{{"mediaType":"{}","#, media::OCI_MANIFEST),
            1,
        );
        refused(&typed, Some(media::DOCKER_MANIFEST), "announced");
        refused(r#"{"schemaVersion":1,"fsLayers":[]}"#, None, "schema 1");
        refused("{}", None, "schema version");
        refused("[", None, "invalid manifest");
    }

    #[test]
    fn the_manifest_of_this_platform_is_chosen() {
        let list: Vec<_> = [("arm64", "v8"), ("arm", "v6"), ("arm", "v7"), ("amd64", "")]
            .into_iter()
            .zip(['a', 'b', 'c', 'd'])
            .map(|((architecture, variant), digit)| {
                serde_json::from_value(serde_json::json!({
                    "mediaType": media::OCI_MANIFEST, "digest": digest(digit), "size": 1,
                    "platform": {"os": "linux", "architecture": architecture, "variant": variant},
                }))
                .unwrap()
            })
            .collect();
        let check = |architecture: &str, variant: &str, expect: Option<char>| {
            let platform = Platform {
                os: "linux".to_owned(),
                architecture: architecture.to_owned(),
            };
            let chosen = choose(&list, &platform, variant).map(|found| found.digest.to_string());
            assert_eq!(chosen, expect.map(digest), "{architecture}");
        };
        check("x86_64", "", Some('d'));
        check("arm", "v7", Some('c'));
        check("arm", "v5", Some('b'));
        check("aarch64", "", Some('a'));
        check("riscv64", "", None);
    }
}
