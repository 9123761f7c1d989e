//! Errors of the image crate as errors of the engine.

use crate::error::{Error, Kind};

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        let kind = if error.is_not_found() {
            Kind::NotFound
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

/// The text of an error with those of its causes, as far as it does not tell them itself.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text.push_str(": ");
            text.push_str(&below_text);
        }
        cause = below.source();
    }
    text
}
