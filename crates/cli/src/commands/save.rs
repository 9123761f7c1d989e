//! `save`.

use client::Request;

use super::export;
use crate::args::image::Save;
use crate::failure::Failure;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Save) -> Result<(), Failure> {
    let target = export::target(raw.output.as_deref(), "save")?;
    let request = raw
        .images
        .iter()
        .fold(Request::get("/images/get"), |request, image| {
            request.query("names", image)
        });
    export::write(session.client.send(request).await?, target).await
}
