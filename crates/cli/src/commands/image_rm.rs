//! `rmi`.

use client::Request;
use serde_json::Value;

use super::{each, image_path};
use crate::args::image::Rm;
use crate::failure::Failure;
use crate::output::field::text;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Rm) -> Result<(), Failure> {
    each(&raw.images, async |name| {
        let request = Request::delete(image_path(name, ""))
            .flag("force", raw.force)
            .flag("noprune", raw.no_prune);
        let removed: Vec<Value> = match session.client.send(request).await {
            Ok(answer) => answer.json().await?,
            Err(error) if raw.force && error.is_not_found() => {
                crate::output::warn(&error.to_string());
                return Ok(String::new());
            }
            Err(error) => return Err(error.into()),
        };
        Ok(lines(&removed))
    })
    .await
}

/// What was untagged and what was deleted, a line each.
pub(super) fn lines(removed: &[Value]) -> String {
    removed
        .iter()
        .map(|item| match text(item, "Deleted") {
            "" => format!("Untagged: {}", text(item, "Untagged")),
            id => format!("Deleted: {id}"),
        })
        .collect::<Vec<_>>()
        .join("\n")
}
