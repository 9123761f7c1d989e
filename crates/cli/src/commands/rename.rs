//! `rename`.

use client::Request;

use super::container_path;
use crate::args::container::Rename;
use crate::failure::Failure;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Rename) -> Result<(), Failure> {
    if raw.name.trim().is_empty() {
        return Err(Failure::message("new name cannot be blank"));
    }
    let request =
        Request::post(container_path(&raw.container, "/rename")?).query("name", raw.name.trim());
    session.client.send(request).await?;
    Ok(())
}
