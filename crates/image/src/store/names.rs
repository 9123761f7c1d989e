//! Names given to images.

use std::sync::Arc;

use jiff::Timestamp;
use model::api::time;
use model::digest::ImageId;
use model::reference::{Reference, Repository};

use super::database::{Change, ImageRecord};
use super::{Image, Store};
use crate::error::{Error, Result};

impl Store {
    /// Gives the image this name, `latest` if it has no tag; another image that had it loses it.
    pub fn tag(&self, id: ImageId, name: &Reference) -> Result<()> {
        if name.digest().is_some() {
            return Err(Error::TagWithDigest);
        }
        self.put_name(id, &name.clone().or_latest())
    }

    /// All tags of a repository, with their images.
    pub(crate) fn tags_in(&self, repository: &Repository) -> Vec<(Reference, Arc<Image>)> {
        let index = self.index();
        index
            .names_in(repository)
            .filter_map(|(name, id)| Some((name.parse::<Reference>().ok()?, index.image(id)?)))
            .filter(|(name, _)| name.digest().is_none())
            .collect()
    }

    /// Gives the image a name with a tag or a digest.
    pub(crate) fn put_name(&self, id: ImageId, name: &Reference) -> Result<()> {
        let _writing = self.writing();
        let Some(image) = self.get(id) else {
            return Err(Error::NoSuchImage {
                name: id.to_string(),
            });
        };
        // What a build took from its cache has its name mostly, and a commit waits for the disk.
        let named = self.index().find_name(name);
        if named.is_some_and(|named| named.id == id) {
            return Ok(());
        }
        let text = name.to_string();
        let record = ImageRecord {
            parent: image.parent,
            tagged: Some(time::text(Timestamp::now())),
        };
        self.commit(vec![
            Change::PutName(text, id),
            Change::PutImage(id, record),
        ])
    }
}
