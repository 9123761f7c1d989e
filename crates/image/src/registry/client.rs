//! The registry client: images fetched and sent by the distribution protocol.

use model::api::image::Distribution;
use model::api::system::AuthConfig;
use model::digest::ImageId;
use model::platform::Platform;
use model::reference::Reference;

use crate::error::{Error, Result};
use crate::{Progress, Store};

/// Which registries are asked, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// URLs of registries to ask before Docker's own.
    pub mirrors: Vec<String>,
    /// Registries that may be spoken to without verified TLS: names with ports, or address ranges in CIDR form.
    /// 127.0.0.0/8, ::1 and localhost always are.
    pub insecure: Vec<String>,
    /// How this program calls itself to registries.
    pub user_agent: String,
}

/// Talks to registries.
#[derive(Debug, Clone)]
pub struct Client {
    settings: Settings,
}

impl Client {
    /// A client with these settings.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self { settings })
    }

    /// Fetches an image into the store and names it. Without a tag or digest it is `latest`; `platform` chooses
    /// among several, this computer's if there is none. Says what it does in Docker's words.
    pub async fn pull(
        &self,
        _store: &Store,
        _name: &Reference,
        _auth: &AuthConfig,
        _platform: Option<&Platform>,
        _progress: &Progress,
    ) -> Result<ImageId> {
        self.not_yet("pulling images")
    }

    /// Sends the image of this name, which must have a tag.
    pub async fn push(
        &self,
        _store: &Store,
        _name: &Reference,
        _auth: &AuthConfig,
        _progress: &Progress,
    ) -> Result<()> {
        self.not_yet("pushing images")
    }

    /// The tags of a repository.
    pub async fn tags(&self, _name: &Reference, _auth: &AuthConfig) -> Result<Vec<String>> {
        self.not_yet("listing tags")
    }

    /// What a registry says about an image without fetching it.
    pub async fn distribution(
        &self,
        _name: &Reference,
        _auth: &AuthConfig,
    ) -> Result<Distribution> {
        self.not_yet("asking about images")
    }

    /// Whether a registry takes these credentials; gives back an identity token if it has one for us.
    pub async fn log_in(&self, _auth: &AuthConfig) -> Result<Option<String>> {
        self.not_yet("logging in")
    }

    fn not_yet<T>(&self, what: &'static str) -> Result<T> {
        drop(self.settings.clone());
        Err(Error::NotYet { what })
    }
}
