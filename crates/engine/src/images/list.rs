//! The list of images.

use image::Image;
use jiff::Timestamp;
use model::api::Labels;
use model::api::image::{ListOptions, Summary};
use model::reference::Reference;

use crate::Engine;
use crate::error::Result;
use crate::filter::image::{Context, ImageFacts, ImageFilter};
use crate::moment;

static NO_LABELS: Labels = Labels::new();

impl Engine {
    /// The images that the filters want, the newest first. Images that are only steps of others are shown if all
    /// are asked for.
    pub fn list_images(&self, options: &ListOptions) -> Result<Vec<Summary>> {
        let filter = ImageFilter::of(options.filters.clone(), moment::now())?;
        let created = |name: Option<&str>| -> Result<Option<Timestamp>> {
            let image = name
                .map(|name| self.image_store().resolve(name))
                .transpose()?;
            Ok(image.map(|image| created_at(&image)))
        };
        let context = Context {
            before: created(filter.before()?)?,
            since: created(filter.since()?)?,
        };
        let shared = options
            .shared_size
            .then(|| self.image_store().usage().shared);
        let mut summaries = Vec::new();
        for image in self.image_store().list() {
            let names = self.image_store().names_of(image.id);
            let has_name = !names.tags.is_empty();
            let is_step = !has_name && !self.image_store().children_of(image.id).is_empty();
            let facts = ImageFacts {
                labels: labels_of(&image),
                created: created_at(&image),
                dangling: !has_name && names.digests.is_empty(),
            };
            if (is_step && !options.all) || !filter.wants(&facts, context) {
                continue;
            }
            let (tags, digests) = (familiar(&names.tags), familiar(&names.digests));
            let wanted = |names: Vec<String>| -> Vec<String> {
                let wanted = names
                    .into_iter()
                    .filter(|name| filter.wants_reference(name));
                wanted.collect()
            };
            let (tags, digests) = (wanted(tags), wanted(digests));
            if filter.by_reference() && tags.is_empty() && digests.is_empty() {
                continue;
            }
            summaries.push(Summary {
                shared_size: shared
                    .as_ref()
                    .and_then(|shared| shared.get(&image.id))
                    .map_or(-1, |size| i64::try_from(*size).unwrap_or(i64::MAX)),
                repo_digests: digests,
                repo_tags: tags,
                ..summary(&image)
            });
        }
        Ok(summaries)
    }

    /// All images, with what they share and how many containers are made from each.
    pub(crate) fn image_usage(&self) -> (u64, Vec<Summary>) {
        let usage = self.image_store().usage();
        let used = self.used_images();
        let images = self.image_store().list().into_iter();
        let summaries = images.map(|image| {
            let names = self.image_store().names_of(image.id);
            let shared = usage.shared.get(&image.id).copied().unwrap_or_default();
            let containers = used.get(&image.id).map_or(0, Vec::len);
            Summary {
                containers: i64::try_from(containers).unwrap_or(i64::MAX),
                shared_size: i64::try_from(shared).unwrap_or(i64::MAX),
                repo_tags: familiar(&names.tags),
                repo_digests: familiar(&names.digests),
                ..summary(&image)
            }
        });
        (usage.layers, summaries.collect())
    }
}

/// When it was made; the beginning of time if it does not say.
pub(super) fn created_at(image: &Image) -> Timestamp {
    image.config.created_at().unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn labels_of(image: &Image) -> &Labels {
    image.config.config.labels.as_ref().unwrap_or(&NO_LABELS)
}

pub(super) fn familiar(names: &[Reference]) -> Vec<String> {
    names.iter().map(Reference::familiar).collect()
}

fn summary(image: &Image) -> Summary {
    Summary {
        containers: -1,
        created: image.config.created_at().map_or(0, Timestamp::as_second),
        id: image.id.to_string(),
        labels: image.config.config.labels.clone(),
        parent_id: image
            .parent
            .map(|parent| parent.to_string())
            .unwrap_or_default(),
        repo_digests: Vec::new(),
        repo_tags: Vec::new(),
        shared_size: -1,
        size: i64::try_from(image.size).unwrap_or(i64::MAX),
    }
}
