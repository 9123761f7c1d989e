//! Names given to images.

use jiff::Timestamp;
use model::api::time;
use model::digest::ImageId;
use model::reference::Reference;

use super::Store;
use super::database::{Change, ImageRecord};
use crate::error::{Error, Result};

impl Store {
    /// Gives the image this name, `latest` if it has no tag; another image that had it loses it.
    pub fn tag(&self, id: ImageId, name: &Reference) -> Result<()> {
        if name.digest().is_some() {
            return Err(Error::TagWithDigest);
        }
        self.put_name(id, &name.clone().or_latest())
    }

    /// Gives the image a name with a tag or a digest.
    pub(crate) fn put_name(&self, id: ImageId, name: &Reference) -> Result<()> {
        let _writing = self.writing();
        let Some(image) = self.get(id) else {
            return Err(Error::NoSuchImage {
                name: id.to_string(),
            });
        };
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
