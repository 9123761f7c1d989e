//! Steps of a build: containers on a root that is not an image yet.

use std::path::PathBuf;

use model::api::container::{Create, Created};
use model::api::image::ImageConfig;
use model::digest::DiffId;

use super::create::Purpose;
use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::spec::Files;

/// What a container is made from.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// The image's id, `sha256:…`; empty if it is none yet.
    pub id: String,
    /// What it says about containers.
    pub config: ImageConfig,
    /// Its layers, lowest first.
    pub layers: Vec<DiffId>,
}

impl Engine {
    /// Makes a container for a step of a build, on a root that need not be an image. It does not outlive the
    /// daemon.
    pub async fn create_step(&self, base: Base, create: Create) -> Result<Created> {
        self.ready().await;
        Box::pin(self.make_container(base, None, create, Purpose::Step)).await
    }

    /// The writable layer of a container that does not run: what a step of a build changed.
    pub async fn writable_layer(&self, name: &str) -> Result<PathBuf> {
        let container = self.container(name).await?;
        if container.condition().phase.is_running() {
            return Err(Error::conflict(format!(
                "container {} is running",
                container.id
            )));
        }
        Ok(Files::new(self.settings(), &container.id.to_string()).upper())
    }
}
