//! Errors of the image crate as errors of the engine.

use crate::error::{Error, Kind, with_causes};

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        let kind = if error.is_not_found() {
            Kind::NotFound
        } else if error.is_unauthorized() {
            Kind::Unauthorized
        } else if error.is_bad_request() {
            Kind::BadParameter
        } else if error.is_conflict() {
            Kind::Conflict
        } else if matches!(error, image::Error::NotYet { .. }) {
            Kind::NotImplemented
        } else {
            Kind::Internal
        };
        Self::new(kind, with_causes(&error)).because(error)
    }
}
