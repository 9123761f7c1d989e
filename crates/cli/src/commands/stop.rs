//! What is done to containers by one request each: `stop`, `restart`, `rm`, `pause`, `unpause`.

use client::Request;

use super::{container_path, each};
use crate::args::container::{Many, Rm, Stop};
use crate::failure::Failure;
use crate::session::Session;

/// `stop`.
pub(crate) async fn stop(session: &Session, raw: &Stop) -> Result<(), Failure> {
    stop_or_restart(session, raw, "/stop").await
}

/// `restart`.
pub(crate) async fn restart(session: &Session, raw: &Stop) -> Result<(), Failure> {
    stop_or_restart(session, raw, "/restart").await
}

async fn stop_or_restart(session: &Session, raw: &Stop, action: &str) -> Result<(), Failure> {
    each(&raw.containers, async |name| {
        let request = Request::post(container_path(name, action)?)
            .query_if("signal", raw.signal.as_deref())
            .query_if("t", raw.timeout.map(|seconds| seconds.to_string()));
        session.client.send(request).await?;
        Ok(name.to_owned())
    })
    .await
}

/// `pause`.
pub(crate) async fn pause(session: &Session, raw: &Many) -> Result<(), Failure> {
    simple(session, raw, "/pause").await
}

/// `unpause`.
pub(crate) async fn unpause(session: &Session, raw: &Many) -> Result<(), Failure> {
    simple(session, raw, "/unpause").await
}

async fn simple(session: &Session, raw: &Many, action: &str) -> Result<(), Failure> {
    each(&raw.containers, async |name| {
        session
            .client
            .send(Request::post(container_path(name, action)?))
            .await?;
        Ok(name.to_owned())
    })
    .await
}

/// `rm`.
pub(crate) async fn remove(session: &Session, raw: &Rm) -> Result<(), Failure> {
    each(&raw.containers, async |name| {
        let request = Request::delete(container_path(name, "")?)
            .flag("force", raw.force)
            .flag("link", raw.link)
            .flag("v", raw.volumes);
        match session.client.send(request).await {
            Ok(_) => Ok(name.to_owned()),
            // With force it is enough that it is gone, but it is said.
            Err(error) if raw.force && error.is_not_found() => {
                crate::output::warn(&error.to_string());
                Ok(String::new())
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}
