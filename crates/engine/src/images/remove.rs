//! Images removed, one by one or those that nobody needs.

use std::collections::BTreeMap;

use image::store::{Activity, Removal, Removed, User};
use model::api::Labels;
use model::api::filter::Filters;
use model::api::image::{Deleted, Pruned, RemoveOptions};
use model::digest::ImageId;

use super::list::{created_at, labels_of};
use crate::Engine;
use crate::error::Result;
use crate::event::Kind;
use crate::filter::prune::{PruneFilter, Pruned as Resource};
use crate::moment;

impl Engine {
    /// Removes a name of an image, and the image with its last one.
    pub async fn remove_image(&self, name: &str, options: RemoveOptions) -> Result<Vec<Deleted>> {
        let removal = Removal {
            force: options.force,
            keep_parents: options.no_prune,
        };
        let used = self.used_images();
        let name = name.to_owned();
        let id = self.image_store().resolve(&name)?.id;
        let removed = self
            .on_store(move |store| store.remove(&name, removal, &|id| user_of(&used, id)))
            .await?;
        Ok(self.tell_removed(id, removed))
    }

    /// Removes the images that no container is made from: those without a name, or all.
    pub async fn prune_images(&self, filters: Filters) -> Result<Pruned> {
        let filter = PruneFilter::of(filters, Resource::Images, moment::now())?;
        let used = self.used_images();
        let pruned = self
            .on_store(move |store| {
                let wanted = |image: &image::Image| {
                    let names = store.names_of(image.id);
                    let dangling = names.tags.is_empty() && names.digests.is_empty();
                    (dangling || !filter.only_dangling())
                        && filter.wants(labels_of(image), created_at(image))
                };
                store.prune(&wanted, &|id| user_of(&used, id))
            })
            .await?;
        // The names of an image go before it.
        let mut deleted = Vec::new();
        let mut removed = Vec::new();
        for one in pruned.removed {
            let id = match &one {
                Removed::Image(id) => Some(*id),
                Removed::Untagged(_) => None,
            };
            removed.push(one);
            if let Some(id) = id {
                deleted.append(&mut self.tell_removed(id, std::mem::take(&mut removed)));
            }
        }
        let reclaimed = pruned.freed.to_string();
        let attributes = Labels::from([("reclaimed".to_owned(), reclaimed)]);
        self.event_bus()
            .publish(Kind::Image, "prune", "", attributes);
        Ok(Pruned {
            images_deleted: Some(deleted).filter(|deleted| !deleted.is_empty()),
            space_reclaimed: pruned.freed,
        })
    }

    /// The containers made from each image: short id, and whether it runs.
    pub(super) fn used_images(&self) -> BTreeMap<ImageId, Vec<User>> {
        let mut used: BTreeMap<ImageId, Vec<User>> = BTreeMap::new();
        for container in self.containers().all() {
            // A step of a build may stand on what is no image yet.
            let Ok(id) = container.record().image.parse() else {
                continue;
            };
            let activity = if container.condition().phase.is_running() {
                Activity::Running
            } else {
                Activity::Stopped
            };
            used.entry(id).or_default().push(User {
                container: container.id.short(),
                activity,
            });
        }
        used
    }

    fn tell_removed(&self, id: ImageId, removed: Vec<Removed>) -> Vec<Deleted> {
        let removed = removed.into_iter();
        removed
            .map(|removed| match removed {
                Removed::Untagged(name) => {
                    self.image_event_of("untag", &id.to_string(), &name, Labels::new());
                    Deleted {
                        untagged: Some(name),
                        deleted: None,
                    }
                }
                Removed::Image(id) => {
                    let id = id.to_string();
                    self.image_event_of("delete", &id, &id, Labels::new());
                    Deleted {
                        untagged: None,
                        deleted: Some(id),
                    }
                }
            })
            .collect()
    }
}

/// A container made from the image: one that runs, if any does.
fn user_of(used: &BTreeMap<ImageId, Vec<User>>, id: ImageId) -> Option<User> {
    let users = used.get(&id)?;
    let running = users.iter().find(|user| user.activity == Activity::Running);
    running.or_else(|| users.first()).cloned()
}
