//! Volumes.

use http::Response;
use model::api::volume::Create;

use crate::body::Body;
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::Result;
use crate::render;
use crate::routes::{Work, later, now};

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&'a str], call: Call) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("GET", ["volumes"]) => now(list(&call)),
        ("POST", ["volumes", "create"]) => Box::pin(create(call)),
        ("POST", ["volumes", "prune"]) => Box::pin(prune(call)),
        ("GET", ["volumes", name]) => now(inspect(&call, name)),
        ("DELETE", ["volumes", name]) => Box::pin(remove(call, (*name).to_owned())),
        ("PUT", ["volumes", _]) => later("updating cluster volumes"),
        _ => return None,
    })
}

fn list(call: &Call) -> Result<Response<Body>> {
    let volumes = call.engine.list_volumes(call.query.filters()?)?;
    render::json(call.version, Shape::Same, &volumes)
}

fn inspect(call: &Call, name: &str) -> Result<Response<Body>> {
    let volume = call.engine.inspect_volume(name)?;
    render::json(call.version, Shape::Same, &volume)
}

async fn create(mut call: Call) -> Result<Response<Body>> {
    let create: Create = call.json().await?;
    let engine = call.engine.clone();
    let volume = complete(async move { engine.create_volume(create).await }).await?;
    render::created(&call, &volume)
}

async fn remove(call: Call, name: String) -> Result<Response<Body>> {
    let force = call.query.flag("force");
    let engine = call.engine;
    complete(async move { engine.remove_volume(&name, force).await }).await?;
    Ok(render::no_content())
}

async fn prune(call: Call) -> Result<Response<Body>> {
    let mut filters = call.query.filters()?;
    // Until 1.42 named volumes were removed too.
    if !call.since(42) && !filters.contains("all") {
        filters.add("all", "true");
    }
    let engine = call.engine;
    let pruned = complete(async move { engine.prune_volumes(filters).await }).await?;
    render::json(call.version, Shape::Same, &pruned)
}
