//! Images as the API shows them, and what is done with them.
//!
//! The store and the registries' client are the `image` crate's; here are Docker's shapes, filters and events, and
//! which containers stand in the way. Everything in the store blocks, so it is called on threads for that.

mod archive;
mod commit;
mod error;
mod inspect;
mod list;
mod remove;
mod transfer;

use std::sync::Arc;

use image::registry::client::{Client, Settings as RegistrySettings};
use image::{Image, Store};
use model::api::Labels;
use model::digest::ImageId;
use model::reference::{InvalidReference, Reference};

use crate::Engine;
use crate::container::Base;
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::settings::Settings;
pub(crate) use inspect::STORAGE_DRIVER;

/// The store and the way to registries.
#[derive(Debug)]
pub(crate) struct Images {
    store: Store,
    client: Client,
}

impl Images {
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        let store = Store::open(settings.data_root.join("images"))?;
        let client = Client::new(RegistrySettings {
            mirrors: settings.registry_mirrors.clone(),
            insecure: settings.insecure_registries.clone(),
            user_agent: concat!("essaim/", env!("CARGO_PKG_VERSION")).to_owned(),
        })?;
        Ok(Self { store, client })
    }
}

impl Engine {
    /// The store of images. What it does blocks.
    pub fn image_store(&self) -> &Store {
        &self.inner.images.store
    }

    /// The way to registries.
    pub fn registry_client(&self) -> &Client {
        &self.inner.images.client
    }

    /// Does something with the store on a thread that may block.
    pub(crate) async fn on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> image::Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.image_store().clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => Ok(done?),
            Err(error) => {
                Err(Error::internal("a thread that works with images ended").because(error))
            }
        }
    }

    /// Makes the layers of new images safe from a loss of power, soon: nobody has to wait for a busy disk.
    pub(crate) fn settle_images(&self) {
        let engine = self.clone();
        drop(tokio::spawn(async move {
            if let Err(error) = engine.on_store(Store::settle).await {
                tracing::error!(%error, "new layers could not be written to disk");
            }
        }));
    }

    /// Removes the layers that no image names and no container stands on: what a crash has left.
    pub(crate) async fn sweep_images(&self) {
        if let Err(error) = self.on_store(Store::sweep).await {
            tracing::error!(%error, "layers that nobody needs could not be removed");
        }
    }

    /// What a container is made from, by the name or id of its image.
    pub fn image_for_container(&self, name: &str) -> Result<Base> {
        let image = self.image_store().resolve(name)?;
        Ok(Base {
            id: image.id.to_string(),
            config: image.config.config.clone(),
            layers: image.layers().to_vec(),
        })
    }

    /// Gives an image another name.
    pub async fn tag_image(&self, name: &str, repository: &str, tag: Option<&str>) -> Result<()> {
        let reference = reference(repository, tag)?.or_latest();
        let image = self.image_store().resolve(name)?;
        let familiar = reference.familiar();
        let id = image.id;
        self.on_store(move |store| store.tag(id, &reference))
            .await?;
        self.image_event("tag", &image, &familiar);
        Ok(())
    }

    /// Tells that something happened to an image that goes by `name`.
    pub(crate) fn image_event(&self, action: &str, image: &Image, name: &str) {
        let labels = image.config.config.labels.clone();
        self.image_event_of(
            action,
            &image.id.to_string(),
            name,
            labels.unwrap_or_default(),
        );
    }

    /// Tells that something happened to an image that may not be there any more.
    fn image_event_of(&self, action: &str, id: &str, name: &str, mut attributes: Labels) {
        attributes.insert("name".to_owned(), name.to_owned());
        self.event_bus()
            .publish(Kind::Image, action, id, attributes);
    }

    fn image_of(&self, id: ImageId) -> Result<Arc<Image>> {
        let image = self.image_store().get(id);
        image.ok_or_else(|| Error::no_such_image(id))
    }
}

/// A repository and a tag or digest given apart; the repository may have them in it.
fn reference(repository: &str, tag: Option<&str>) -> Result<Reference> {
    let tag = tag.filter(|tag| !tag.is_empty());
    let text = match tag {
        None => repository.to_owned(),
        Some(digest) if digest.contains(':') => format!("{repository}@{digest}"),
        Some(tag) => {
            // A tag that is given apart counts; one in the name as well would be another name.
            let name: Reference = repository.parse().map_err(invalid)?;
            format!("{}:{tag}", name.repository())
        }
    };
    text.parse().map_err(invalid)
}

fn invalid(error: InvalidReference) -> Error {
    Error::bad_parameter(error.to_string()).because(error)
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[track_caller]
    fn check(repository: &str, tag: Option<&str>, expect: Option<&str>) {
        let familiar = reference(repository, tag).map(|reference| reference.or_latest().familiar());
        assert_eq!(familiar.ok().as_deref(), expect, "{repository} {tag:?}");
    }

    #[test]
    fn tags_may_be_given_apart() {
        check("nginx", None, Some("nginx:latest"));
        check("nginx", Some(""), Some("nginx:latest"));
        check("nginx", Some("1"), Some("nginx:1"));
        check("nginx:1", None, Some("nginx:1"));
        check("nginx:1", Some("2"), Some("nginx:2"));
        check(
            "localhost:5000/a/b",
            Some("2"),
            Some("localhost:5000/a/b:2"),
        );
        check("NGINX", None, None);
        check("nginx", Some("a b"), None);
        let digest = format!("sha256:{}", "ab".repeat(32));
        check("nginx", Some(&digest), Some(&format!("nginx@{digest}")));
    }
}
