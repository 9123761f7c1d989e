//! Images from registries and to them.

use image::Progress;
use model::api::image::{Distribution, PullOptions};
use model::api::progress::Message;
use model::api::system::{AuthAnswer, AuthConfig};
use model::reference::Reference;
use tokio::sync::mpsc;

use super::archive::platform;
use super::{invalid, reference};
use crate::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// Fetches an image, or all tags of a repository.
    pub async fn pull_image(
        &self,
        options: PullOptions,
        auth: AuthConfig,
        progress: mpsc::Sender<Message>,
    ) -> Result<()> {
        let wanted = reference(&options.image, options.tag.as_deref())?;
        let platform = platform(options.platform.as_deref());
        let client = self.registry_client().clone();
        let told = Progress::to(progress);
        let names = if options.all && wanted.is_name_only() {
            let tags = client.tags(&wanted, &auth).await?;
            let tagged = tags.iter().map(|tag| reference(&options.image, Some(tag)));
            tagged.collect::<Result<Vec<Reference>>>()?
        } else {
            vec![wanted.or_latest()]
        };
        for name in names {
            let id = client
                .pull(self.image_store(), &name, &auth, platform.as_ref(), &told)
                .await?;
            self.settle_images();
            let image = self.image_of(id)?;
            let labels = image.config.config.labels.clone().unwrap_or_default();
            let repository = name.repository().familiar();
            self.image_event_of("pull", &name.familiar(), &repository, labels);
        }
        Ok(())
    }

    /// Sends an image, or all tags of a repository.
    pub async fn push_image(
        &self,
        name: &str,
        tag: Option<&str>,
        auth: AuthConfig,
        progress: mpsc::Sender<Message>,
    ) -> Result<()> {
        let wanted = reference(name, tag)?;
        if wanted.digest().is_some() {
            return Err(Error::bad_parameter("cannot push a digest reference"));
        }
        let client = self.registry_client().clone();
        let told = Progress::to(progress);
        let mut names = Vec::new();
        for image in self.image_store().list() {
            let tags = self.image_store().names_of(image.id).tags;
            let of_repository = tags.into_iter().filter(|tag| {
                tag.repository() == wanted.repository()
                    && (wanted.is_name_only() || tag.tag() == wanted.tag())
            });
            names.extend(of_repository.map(|tag| (tag, image.clone())));
        }
        if names.is_empty() {
            let message = match wanted.tag() {
                Some(tag) => format!(
                    "tag does not exist: {}:{tag}",
                    wanted.repository().familiar()
                ),
                None => format!(
                    "An image does not exist locally with the tag: {}",
                    wanted.repository().familiar()
                ),
            };
            return Err(Error::not_found(message));
        }
        names.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, image) in names {
            client.push(self.image_store(), &name, &auth, &told).await?;
            let labels = image.config.config.labels.clone().unwrap_or_default();
            let repository = name.repository().familiar();
            self.image_event_of("push", &name.familiar(), &repository, labels);
        }
        Ok(())
    }

    /// What a registry says about an image.
    pub async fn distribution(&self, name: &str, auth: AuthConfig) -> Result<Distribution> {
        let wanted: Reference = name.parse().map_err(invalid)?;
        let client = self.registry_client();
        Ok(client.distribution(&wanted.or_latest(), &auth).await?)
    }

    /// Whether a registry takes these credentials.
    pub async fn authenticate(&self, auth: AuthConfig) -> Result<AuthAnswer> {
        let token = self.registry_client().log_in(&auth).await?;
        Ok(AuthAnswer {
            identity_token: token.unwrap_or_default(),
            status: "Login Succeeded".to_owned(),
        })
    }
}
