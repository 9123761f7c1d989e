//! `tag`.

use client::Request;

use super::{commit, image_path};
use crate::args::image::Tag;
use crate::failure::Failure;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Tag) -> Result<(), Failure> {
    let (repository, tag) = commit::repository_and_tag(&raw.target)?;
    let request = Request::post(image_path(&raw.source, "/tag"))
        .query("repo", repository)
        .query("tag", tag.as_deref().unwrap_or("latest"));
    session.client.send(request).await?;
    Ok(())
}
