//! `load` and `import`: archives on their way to the engine.

use client::{Body, Request, pieces_body, reader_body};
use tokio::fs::File;

use super::commit;
use super::pull::{Shown, show};
use crate::args::image::{Import, Load};
use crate::failure::Failure;
use crate::session::Session;
use crate::terminal::{input, stdin_is_terminal, stdout_is_terminal};

/// `load`.
pub(crate) async fn load(session: &Session, raw: &Load) -> Result<(), Failure> {
    let body = match &raw.input {
        Some(path) => file(path).await?,
        None if stdin_is_terminal() => {
            return Err(Failure::message(
                "requested load from stdin, but stdin is empty",
            ));
        }
        None => pieces_body(input::pieces()),
    };
    // Bars are for people; without a terminal the engine need not count.
    let quiet = raw.quiet || !stdout_is_terminal();
    let request = Request::post("/images/load")
        .query("quiet", if quiet { "1" } else { "0" })
        .archive(body);
    show(session.client.send(request).await?, Shown::OnStdout, |_| ()).await
}

/// `import`.
pub(crate) async fn import(session: &Session, raw: &Import) -> Result<(), Failure> {
    let mut request = Request::post("/images/create")
        .query_if("message", raw.message.as_deref())
        .query_if("platform", raw.platform.as_deref());
    if let Some(image) = &raw.image {
        let (repository, tag) = commit::repository_and_tag(image)?;
        request = request.query("repo", repository).query_if("tag", tag);
    }
    for change in &raw.change {
        request = request.query("changes", change);
    }
    let is_address = ["http://", "https://"]
        .iter()
        .any(|scheme| raw.source.starts_with(scheme));
    let request = match raw.source.as_str() {
        "-" => request
            .query("fromSrc", "-")
            .body(pieces_body(input::pieces())),
        address if is_address => request.query("fromSrc", address),
        path => request.query("fromSrc", "-").body(file(path).await?),
    };
    show(session.client.send(request).await?, Shown::OnStdout, |_| ()).await
}

async fn file(path: &str) -> Result<Body, Failure> {
    let file = File::open(path)
        .await
        .map_err(|error| Failure::caused(&format!("open {path}"), &error))?;
    Ok(reader_body(file))
}
