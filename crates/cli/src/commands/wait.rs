//! `wait`.

use client::Request;

use super::{container_path, each, run};
use crate::args::container::Many;
use crate::failure::Failure;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Many) -> Result<(), Failure> {
    each(&raw.containers, async |name| {
        let waiting = session
            .client
            .send(Request::post(container_path(name, "/wait")?))
            .await?;
        Ok(run::ended(waiting).await?.to_string())
    })
    .await
}
