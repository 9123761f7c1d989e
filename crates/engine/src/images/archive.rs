//! Images from archives and to them: load, save, import.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use image::Progress;
use image::archive::Import;
use model::api::image::{ImageConfig, ImportOptions};
use model::api::progress::Message;
use model::platform::Platform;
use model::reference::{Reference, Repository};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_util::io::SyncIoBridge;

use super::reference;
use crate::Engine;
use crate::error::{Error, Result};
use crate::stream;

impl Engine {
    /// Loads the images of an archive; with `quiet`, the layers' progress is not told.
    pub async fn load_images(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
        quiet: bool,
        progress: mpsc::Sender<Message>,
    ) -> Result<()> {
        let told = if quiet {
            Progress::none()
        } else {
            Progress::to(progress.clone())
        };
        let archive = SyncIoBridge::new(archive);
        let loaded = self
            .on_store(move |store| store.load(archive, &told))
            .await?;
        self.settle_images();
        for loaded in loaded {
            let image = self.image_of(loaded.id)?;
            let mut names: Vec<_> = loaded.names.iter().map(Reference::familiar).collect();
            let mut what = "Loaded image";
            if names.is_empty() {
                what = "Loaded image ID";
                names.push(loaded.id.to_string());
            }
            for name in names {
                self.image_event("load", &image, &name);
                let line = Message::stream(format!("{what}: {name}\n"));
                // The images are loaded whether somebody still listens or not.
                progress.send(line).await.ok();
            }
        }
        Ok(())
    }

    /// Makes an image of one layer from the archive of a root.
    pub async fn import_image(
        &self,
        options: ImportOptions,
        archive: impl AsyncRead + Send + Unpin + 'static,
        progress: mpsc::Sender<Message>,
    ) -> Result<()> {
        if options.source != "-" {
            return Err(Error::not_implemented("importing an image from a URL"));
        }
        let name = options
            .repository
            .as_deref()
            .filter(|repository| !repository.is_empty())
            .map(|repository| reference(repository, options.tag.as_deref()))
            .transpose()?
            .map(Reference::or_latest);
        let import = Import {
            config: super::commit::changed(ImageConfig::default(), &options.changes)?,
            platform: platform(options.platform.as_deref()).unwrap_or_default(),
            comment: if options.message.is_empty() {
                "Imported from -".to_owned()
            } else {
                options.message
            },
        };
        let told = Progress::to(progress.clone());
        let archive = SyncIoBridge::new(archive);
        let of_image = name.clone();
        let image = self
            .on_store(move |store| {
                let image = store.import(archive, &import, &told)?;
                if let Some(name) = of_image {
                    store.tag(image.id, &name)?;
                }
                Ok(image)
            })
            .await?;
        self.settle_images();
        let id = image.id.to_string();
        self.image_event("import", &image, &id);
        if let Some(name) = name {
            self.image_event("tag", &image, &name.familiar());
        }
        // Nobody has to be there any more to hear it.
        progress.send(Message::status(id)).await.ok();
        Ok(())
    }

    /// Images as an archive, by names or ids.
    pub fn save_images(
        &self,
        names: Vec<String>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        for name in &names {
            // A repository stands for all its tags, of which `latest` need not be one.
            let known = self.image_store().resolve(name).is_ok() || self.has_repository(name);
            if !known {
                return Err(Error::no_such_image(name));
            }
        }
        for name in &names {
            if let Ok(image) = self.image_store().resolve(name) {
                self.image_event("save", &image, name);
            }
        }
        let store = self.image_store().clone();
        Ok(stream::written(move |target| {
            let saved = store.save(&names, target);
            saved.map_err(|error| io::Error::other(crate::error::with_causes(&error)))
        }))
    }

    fn has_repository(&self, name: &str) -> bool {
        let Ok(wanted) = name.parse::<Repository>() else {
            return false;
        };
        let images = self.image_store().list();
        images.iter().any(|image| {
            let names = self.image_store().names_of(image.id);
            names.tags.iter().any(|tag| *tag.repository() == wanted)
        })
    }
}

/// `os[/architecture[/variant]]`.
pub(super) fn platform(text: Option<&str>) -> Option<Platform> {
    let text = text.filter(|text| !text.is_empty())?;
    let mut parts = text.split('/');
    let os = parts.next().unwrap_or_default();
    let architecture = parts.next().unwrap_or_default();
    Some(Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
    })
}
