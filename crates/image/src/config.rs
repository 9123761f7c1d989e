//! An image's configuration: the JSON document whose digest is the image's id.
//!
//! It is read tolerantly, with what is not known kept, and never written back for an image that came from
//! elsewhere: its bytes are its identity.

use jiff::Timestamp;
use model::api::Extra;
use model::api::image::ImageConfig;
use model::api::{json, time};
use model::digest::DiffId;
use model::platform::Platform;
use serde::{Deserialize, Serialize};

/// No configuration is longer; histories of hundreds of steps are well below.
pub(crate) const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// What an image is, apart from its layers' contents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// When it was made, as the image has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// Who made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The processors it is for: `amd64`.
    pub architecture: String,
    /// The generation of these processors: `v7`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// The system it is for: `linux`.
    pub os: String,
    /// The release of that system.
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// A word about it by whoever committed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The version of Docker that made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docker_version: String,
    /// What containers made from it are like.
    pub config: ImageConfig,
    /// Its layers.
    pub rootfs: ConfigRootFs,
    /// How it was made, oldest step first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ConfigHistory>,
    /// What is not known here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An image's layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigRootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the layers' uncompressed archives, lowest first.
    pub diff_ids: Vec<DiffId>,
}

impl Default for ConfigRootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// A step of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigHistory {
    /// When it was done, as the image has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// The instruction.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Who did it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// A word about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether it made no layer.
    #[serde(skip_serializing_if = "json::is_default")]
    pub empty_layer: bool,
    /// What is not known here.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Config {
    /// Reads a configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        json::from_slice(bytes)
    }

    /// The bytes of a configuration made here.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
    /// When it was made, if that is a time.
    pub fn created_at(&self) -> Option<Timestamp> {
        time::parse(&self.created)
    }

    /// What it runs on.
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
        }
    }
}

impl ConfigHistory {
    /// When it was done, if that is a time.
    pub fn created_at(&self) -> Option<Timestamp> {
        time::parse(&self.created)
    }
}
