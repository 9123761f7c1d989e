//! `commit`.

use client::Request;
use model::api::IdAnswer;
use model::reference::Reference;

use crate::args::container::Commit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Commit) -> Result<(), Failure> {
    let mut request = Request::post("/commit")
        .query("container", &raw.container)
        .query_if("author", raw.author.as_deref())
        .query_if("comment", raw.message.as_deref())
        .query("pause", if raw.pause { "1" } else { "0" });
    if let Some(image) = &raw.image {
        let (repository, tag) = repository_and_tag(image)?;
        request = request.query("repo", repository).query_if("tag", tag);
    }
    for change in &raw.change {
        request = request.query("changes", change);
    }
    // An empty configuration: the container's own stands, with the changes on it.
    let request = request.json(&serde_json::json!({}));
    let made: IdAnswer = session.client.send(request).await?.json().await?;
    output::print_line(&made.id)
}

/// A name for an image in two parts, as the API takes them.
pub(super) fn repository_and_tag(name: &str) -> Result<(String, Option<String>), Failure> {
    let reference: Reference =
        name.parse()
            .map_err(|error: model::reference::InvalidReference| {
                Failure::message(format!(
                    "Error parsing reference: {name:?} is not a valid repository/tag: {error}"
                ))
            })?;
    if reference.digest().is_some() {
        return Err(Failure::message(format!(
            "{name}: a name for an image cannot have a digest"
        )));
    }
    let tag = reference.tag().map(|tag| tag.as_str().to_owned());
    Ok((reference.repository().familiar(), tag))
}
