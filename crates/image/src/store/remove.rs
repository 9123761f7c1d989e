//! Names and images removed, as Docker does it: a name goes first, and the image with its last name.
//!
//! What goes is decided on the index alone and written in one transaction; files are removed after that.

use std::collections::HashSet;

use model::digest::ImageId;
use model::reference::Reference;

use super::database::{Change, LayerRecord};
use super::{Image, Store};
use crate::error::{Error, Result};

/// A container that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its short id.
    pub container: String,
    /// Whether it runs.
    pub activity: Activity,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It runs: its image cannot be removed at all.
    Running,
    /// It does not: its image can be removed by force.
    Stopped,
}

/// How an image is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removal {
    /// Even if it has several names, or stopped containers use it.
    pub force: bool,
    /// Leave its parents, even if nothing needs them any more.
    pub keep_parents: bool,
}

/// Something that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name, in its familiar form.
    Untagged(String),
    /// An image.
    Image(ImageId),
}

/// What a prune removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// What, in order.
    pub removed: Vec<Removed>,
    /// How many bytes that freed.
    pub freed: u64,
}

/// Who uses an image, if anybody: one that runs, if any does.
type UserOf<'users> = &'users dyn Fn(ImageId) -> Option<User>;

/// What is going to be removed.
struct Plan<'store> {
    store: &'store Store,
    user_of: UserOf<'store>,
    removed: Vec<Removed>,
    changes: Vec<Change>,
    names: HashSet<String>,
    images: HashSet<ImageId>,
}

impl Store {
    /// Removes a name; with the last one, the image, and its parents that have neither name nor child. An id
    /// stands for all names of the image, if they are of one repository.
    pub fn remove(
        &self,
        name: &str,
        removal: Removal,
        user_of: UserOf<'_>,
    ) -> Result<Vec<Removed>> {
        let writing = self.writing();
        let image = self.resolve(name)?;
        let mut plan = Plan::new(self, user_of);
        let by_name = name
            .parse::<Reference>()
            .ok()
            .map(Reference::or_latest)
            .filter(|name| self.index().find_name(name).is_some());
        let goes = match by_name {
            Some(name) => plan.take_name(&image, &name, removal)?,
            None => plan.take_names_of(&image, removal)?,
        };
        if let Some(quietly) = goes {
            plan.take_image(&image, removal, quietly)?;
        }
        let (removed, freed) = self.carry_out(plan)?;
        drop(writing);
        self.discard_all(&freed)?;
        Ok(removed)
    }

    /// Removes the images that `wanted` says, with all their names, as far as neither containers nor images
    /// built from them need them.
    pub fn prune(&self, wanted: &dyn Fn(&Image) -> bool, user_of: UserOf<'_>) -> Result<Pruned> {
        let writing = self.writing();
        let mut plan = Plan::new(self, user_of);
        let mut candidates = self.list();
        candidates.retain(|image| wanted(image) && user_of(image.id).is_none());
        // Children go before their parents, however deep.
        loop {
            let before = candidates.len();
            candidates.retain(|image| {
                if plan.has_children(image.id) {
                    return true;
                }
                plan.take_everything(image);
                false
            });
            if candidates.len() == before {
                break;
            }
        }
        let (removed, freed) = self.carry_out(plan)?;
        drop(writing);
        self.discard_all(&freed)?;
        Ok(Pruned {
            removed,
            freed: freed.iter().map(|layer| layer.size).sum(),
        })
    }

    /// Removes layers that no image names and nobody holds. Gives back how many bytes their files had.
    pub fn sweep(&self) -> Result<u64> {
        Ok(self.prune(&|_| false, &|_| None)?.freed)
    }

    /// Writes what was planned, and with it that the layers that nothing needs any more are gone.
    fn carry_out(&self, plan: Plan<'_>) -> Result<(Vec<Removed>, Vec<LayerRecord>)> {
        let mut changes = plan.changes;
        let mut freed = Vec::new();
        {
            let index = self.index();
            let used = index.used_layers(&plan.images);
            for (diff_id, record) in index.layers() {
                if !used.contains(&diff_id) && !self.inner.holds.holds(diff_id) {
                    changes.push(Change::RemoveLayer(diff_id));
                    freed.push(record.clone());
                }
            }
        }
        self.commit(changes)?;
        Ok((plan.removed, freed))
    }

    fn discard_all(&self, freed: &[LayerRecord]) -> Result<()> {
        freed
            .iter()
            .try_for_each(|record| self.discard(&record.directory))
    }
}

/// A conflict while an image is removed that was not itself asked for leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quietly {
    Yes,
    No,
}

impl<'store> Plan<'store> {
    fn new(store: &'store Store, user_of: UserOf<'store>) -> Self {
        Self {
            store,
            user_of,
            removed: Vec::new(),
            changes: Vec::new(),
            names: HashSet::new(),
            images: HashSet::new(),
        }
    }

    /// Takes the name; says whether the image goes too, and how.
    fn take_name(
        &mut self,
        image: &Image,
        name: &Reference,
        removal: Removal,
    ) -> Result<Option<Quietly>> {
        let names = self.names_of(image.id);
        if !removal.force
            && are_single(&names)
            && let Some(user) = (self.user_of)(image.id)
        {
            return Err(Error::InUse {
                action: format!("remove repository reference \"{}\"", name.familiar()),
                remedy: "must force",
                reason: format!(
                    "container {} is using its referenced image {}",
                    user.container,
                    image.id.short()
                ),
            });
        }
        self.untag(name);
        let same_repository = |other: &&Reference| other.repository() == name.repository();
        let left = self.names_of(image.id);
        if name.digest().is_none()
            && !left
                .iter()
                .filter(same_repository)
                .any(|other| other.digest().is_none())
        {
            left.iter()
                .filter(same_repository)
                .for_each(|digest| self.untag(digest));
        }
        Ok(self.names_of(image.id).is_empty().then_some(Quietly::Yes))
    }

    /// Takes all names of an image that was asked for by its id, if they count as one.
    fn take_names_of(&mut self, image: &Image, removal: Removal) -> Result<Option<Quietly>> {
        let names = self.names_of(image.id);
        if are_single(&names) {
            self.check(image, removal, &[])?;
            for name in &names {
                self.untag(name);
            }
        }
        Ok(Some(Quietly::No))
    }

    /// Takes the image, and then its parents as far as nothing needs them.
    fn take_image(&mut self, image: &Image, removal: Removal, quietly: Quietly) -> Result<()> {
        let names = self.names_of(image.id);
        match (self.check(image, removal, &names), quietly) {
            (Ok(()), _) => {}
            (Err(_), Quietly::Yes) => return Ok(()),
            (Err(error), Quietly::No) => return Err(error),
        }
        self.take_everything(image);
        if removal.keep_parents {
            return Ok(());
        }
        let parent = image.parent.and_then(|parent| self.store.get(parent));
        match parent {
            Some(parent) if self.names_of(parent.id).is_empty() => {
                let gently = Removal {
                    force: false,
                    ..removal
                };
                self.take_image(&parent, gently, Quietly::Yes)
            }
            _ => Ok(()),
        }
    }

    fn take_everything(&mut self, image: &Image) {
        for name in self.names_of(image.id) {
            self.untag(&name);
        }
        let steps = self.store.index().steps_of(image.id);
        self.changes
            .extend(steps.into_iter().map(Change::RemoveCache));
        self.changes.push(Change::RemoveImage(image.id));
        self.images.insert(image.id);
        self.removed.push(Removed::Image(image.id));
    }

    /// Whether an image with these names may go.
    fn check(&self, image: &Image, removal: Removal, names: &[Reference]) -> Result<()> {
        let conflict = |remedy, reason: String| {
            Err(Error::InUse {
                action: format!("delete {}", image.id.short()),
                remedy,
                reason,
            })
        };
        if self.has_children(image.id) {
            let reason = "image has dependent child images".to_owned();
            return conflict("cannot be forced", reason);
        }
        let user = (self.user_of)(image.id);
        if let Some(user) = &user
            && user.activity == Activity::Running
        {
            let reason = format!(
                "image is being used by running container {}",
                user.container
            );
            return conflict("cannot be forced", reason);
        }
        if removal.force {
            return Ok(());
        }
        if !names.is_empty() {
            let reason = "image is referenced in multiple repositories".to_owned();
            return conflict("must be forced", reason);
        }
        if let Some(user) = user {
            let reason = format!(
                "image is being used by stopped container {}",
                user.container
            );
            return conflict("must be forced", reason);
        }
        Ok(())
    }

    fn has_children(&self, id: ImageId) -> bool {
        self.store
            .children_of(id)
            .iter()
            .any(|child| !self.images.contains(child))
    }

    /// The names that are not taken yet.
    fn names_of(&self, id: ImageId) -> Vec<Reference> {
        let names = self.store.names_of(id);
        names
            .tags
            .into_iter()
            .chain(names.digests)
            .filter(|name| !self.names.contains(&name.to_string()))
            .collect()
    }

    fn untag(&mut self, name: &Reference) {
        let text = name.to_string();
        if self.names.insert(text.clone()) {
            self.changes.push(Change::RemoveName(text));
            self.removed.push(Removed::Untagged(name.familiar()));
        }
    }
}

/// Whether names count as one: a tag at most, and digests of the same repository only.
fn are_single(names: &[Reference]) -> bool {
    let mut tags = names.iter().filter(|name| name.digest().is_none());
    let repository = match (tags.next(), tags.next()) {
        (Some(_), Some(_)) => return false,
        (Some(tag), None) => Some(tag.repository()),
        (None, _) => names.first().map(Reference::repository),
    };
    names
        .iter()
        .all(|name| Some(name.repository()) == repository)
}

#[cfg(test)]
mod tests {
    use super::are_single;

    #[track_caller]
    fn check(names: &[&str], expect: bool) {
        let digest = format!("sha256:{}", "a".repeat(64));
        let names: Vec<_> = names
            .iter()
            .map(|name| name.replace("DIGEST", &digest).parse().unwrap())
            .collect();
        assert_eq!(are_single(&names), expect, "{names:?}");
    }

    #[test]
    fn one_tag_with_its_digests_counts_as_one_name() {
        check(&[], true);
        check(&["a:1"], true);
        check(&["a:1", "a@DIGEST"], true);
        check(&["a@DIGEST"], true);
        check(&["a:1", "a:2"], false);
        check(&["a:1", "b:1"], false);
        check(&["a:1", "b@DIGEST"], false);
        check(&["a@DIGEST", "b@DIGEST"], false);
    }
}
