//! A container's changes as an image, and the Dockerfile instructions that commit and import take.

use image::{Config, ConfigHistory};
use model::api::Labels;
use model::api::container::{CommitOptions, Config as ContainerConfig};
use model::api::image::{ImageConfig, RemoveOptions};

use super::reference;
use crate::Engine;
use crate::build::apply_changes;
use crate::container::Record;
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::moment;
use crate::resolve::spec::Files;

impl Engine {
    /// Makes an image of a container's root as it is now; its id.
    pub async fn commit_container(&self, options: CommitOptions) -> Result<String> {
        self.ready().await;
        let container = self.containers().find(&options.container)?;
        let record = container.record();
        let name = options
            .repository
            .as_deref()
            .filter(|repository| !repository.is_empty())
            .map(|repository| reference(repository, options.tag.as_deref()))
            .transpose()?
            .map(model::reference::Reference::or_latest);
        let asked = options.config.clone().unwrap_or_default();
        let config = changed(merged(asked, &record.config), &options.changes)?;
        let id = container.id.to_string();
        let paused = options.pause && self.pause_container(&id).await.is_ok();
        let made = self.make_image(record, config, &options).await;
        if paused && let Err(error) = self.unpause_container(&id).await {
            tracing::debug!(id, %error, "a container ended while it was held");
        }
        let image = match (made, container.is_leaving()) {
            (made, false) => made?,
            // Its files went while they were read: whatever came of it is not what it was.
            (made, true) => {
                if let Ok(image) = made {
                    let options = RemoveOptions::default();
                    self.remove_image(&image.id.to_string(), options).await?;
                }
                return Err(Error::no_such_container(id));
            }
        };
        self.settle_images();
        let mut attributes = container.record().config.labels.clone().unwrap_or_default();
        attributes.insert("comment".to_owned(), options.comment);
        attributes.insert("imageID".to_owned(), image.id.to_string());
        attributes.insert("name".to_owned(), container.record().name.clone());
        attributes.insert("image".to_owned(), container.record().config.image.clone());
        if let Some(name) = name {
            let familiar = name.familiar();
            let image_id = image.id;
            self.on_store(move |store| store.tag(image_id, &name))
                .await?;
            self.image_event("tag", &image, &familiar);
            attributes.insert("imageRef".to_owned(), familiar);
        }
        self.event_bus()
            .publish(Kind::Container, "commit", id, attributes);
        Ok(image.id.to_string())
    }

    async fn make_image(
        &self,
        record: std::sync::Arc<Record>,
        config: ImageConfig,
        options: &CommitOptions,
    ) -> Result<std::sync::Arc<image::Image>> {
        let upper = Files::new(self.settings(), &record.id.to_string()).upper();
        let (author, comment) = (options.author.clone(), options.comment.clone());
        self.on_store(move |store| {
            let layer = store.commit_layer(&upper)?;
            let base = record.image.parse().ok().and_then(|id| store.get(id));
            let mut image = match &base {
                Some(base) => base.config.clone(),
                None => Config {
                    architecture: model::platform::architecture(std::env::consts::ARCH).to_owned(),
                    os: "linux".to_owned(),
                    ..Config::default()
                },
            };
            let now = moment::now().to_string();
            image.created.clone_from(&now);
            image.author.clone_from(&author);
            image.comment.clone_from(&comment);
            image.config = config;
            image.rootfs.diff_ids.push(layer.diff_id);
            image.history.push(ConfigHistory {
                created: now,
                created_by: command(&record.config),
                author,
                comment,
                ..ConfigHistory::default()
            });
            store.put_image(&image, base.map(|base| base.id))
        })
        .await
    }
}

/// The configuration after these instructions.
pub(super) fn changed(mut config: ImageConfig, changes: &[String]) -> Result<ImageConfig> {
    let changes = changes.iter().filter(|change| !change.trim().is_empty());
    let changes: Vec<_> = changes.cloned().collect();
    apply_changes(&mut config, &changes)?;
    Ok(config)
}

/// What is asked for, and where nothing is, what the container has.
fn merged(asked: ContainerConfig, of_container: &ContainerConfig) -> ImageConfig {
    let container = of_container.clone();
    let or = |asked: String, otherwise: String| if asked.is_empty() { otherwise } else { asked };
    let mut labels: Labels = container.labels.unwrap_or_default();
    labels.extend(asked.labels.unwrap_or_default());
    let mut exposed = container.exposed_ports.unwrap_or_default();
    exposed.0.extend(asked.exposed_ports.unwrap_or_default().0);
    let mut volumes = container.volumes.unwrap_or_default();
    volumes.0.extend(asked.volumes.unwrap_or_default().0);
    let mut env = asked.env.unwrap_or_default();
    let named = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<String> = env.iter().map(|variable| named(variable)).collect();
    let kept = container.env.unwrap_or_default().into_iter();
    env.extend(kept.filter(|variable| !known.contains(&named(variable))));
    ImageConfig {
        user: or(asked.user, container.user),
        exposed_ports: Some(exposed).filter(|exposed| !exposed.0.is_empty()),
        env: Some(env).filter(|env| !env.is_empty()),
        entrypoint: asked.entrypoint.or(container.entrypoint),
        cmd: asked.cmd.or(container.cmd),
        volumes: Some(volumes).filter(|volumes| !volumes.0.is_empty()),
        working_dir: or(asked.working_dir, container.working_dir),
        labels: Some(labels).filter(|labels| !labels.is_empty()),
        stop_signal: or(asked.stop_signal, container.stop_signal),
        healthcheck: asked.healthcheck.or(container.healthcheck),
        on_build: asked.on_build.or(container.on_build),
        shell: asked.shell.or(container.shell),
        ..ImageConfig::default()
    }
}

/// What ran in the container, as a history shows it.
fn command(config: &ContainerConfig) -> String {
    let words = config.entrypoint.iter().chain(&config.cmd);
    let words: Vec<&str> = words
        .flat_map(|list| list.iter().map(String::as_str))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use model::api::container::Config;

    use super::{command, merged};

    #[test]
    fn what_is_asked_for_wins_over_the_containers() {
        let config = |json: &str| -> Config { serde_json::from_str(json).unwrap() };
        let container = config(
            r#"{"User":"web","Env":["A=1","B=2"],"Cmd":["serve"],"Labels":{"x":"1"},"ExposedPorts":{"80/tcp":{}}}"#,
        );
        let asked = config(r#"{"Env":["B=3"],"Labels":{"y":"2"},"Cmd":["sh"]}"#);
        let merged = merged(asked, &container);
        assert_eq!(merged.user, "web");
        assert_eq!(merged.env.unwrap(), ["B=3", "A=1"]);
        assert_eq!(merged.cmd.unwrap().as_slice(), ["sh"]);
        assert_eq!(merged.labels.unwrap().len(), 2);
        assert_eq!(merged.exposed_ports.unwrap().0.len(), 1);
        assert_eq!(command(&container), "serve");
    }
}
