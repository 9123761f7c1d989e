//! `kill`.

use client::Request;

use super::{container_path, each};
use crate::args::container::Kill;
use crate::failure::Failure;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Kill) -> Result<(), Failure> {
    each(&raw.containers, async |name| {
        let request =
            Request::post(container_path(name, "/kill")?).query_if("signal", raw.signal.as_deref());
        session.client.send(request).await?;
        Ok(name.to_owned())
    })
    .await
}
