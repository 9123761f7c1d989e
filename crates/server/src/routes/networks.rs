//! Networks.

use http::Response;
use model::api::network::{Connect, Create, Disconnect};

use crate::body::Body;
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::Result;
use crate::render;
use crate::routes::{Work, now};

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&'a str], call: Call) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("GET", ["networks"]) => now(list(&call)),
        ("POST", ["networks", "create"]) => Box::pin(create(call)),
        ("POST", ["networks", "prune"]) => Box::pin(prune(call)),
        ("GET", ["networks", id]) => now(inspect(&call, id)),
        ("DELETE", ["networks", id]) => Box::pin(remove(call, (*id).to_owned())),
        ("POST", ["networks", id, "connect"]) => Box::pin(connect(call, (*id).to_owned())),
        ("POST", ["networks", id, "disconnect"]) => Box::pin(disconnect(call, (*id).to_owned())),
        _ => return None,
    })
}

fn list(call: &Call) -> Result<Response<Body>> {
    let mut networks = call.engine.list_networks(call.query.filters()?)?;
    if !call.since(28) {
        // Until then a list told of the containers too.
        for network in &mut networks {
            *network = call.engine.inspect_network(&network.id)?;
        }
    }
    render::json(call.version, Shape::Same, &networks)
}

fn inspect(call: &Call, id: &str) -> Result<Response<Body>> {
    let network = call.engine.inspect_network(id)?;
    render::json(call.version, Shape::Same, &network)
}

async fn create(mut call: Call) -> Result<Response<Body>> {
    let create: Create = call.json().await?;
    let engine = call.engine.clone();
    let created = complete(async move { engine.create_network(create).await }).await?;
    render::created(&call, &created)
}

async fn remove(call: Call, id: String) -> Result<Response<Body>> {
    let engine = call.engine;
    complete(async move { engine.remove_network(&id).await }).await?;
    Ok(render::no_content())
}

async fn connect(mut call: Call, id: String) -> Result<Response<Body>> {
    let connect: Connect = call.json().await?;
    let engine = call.engine;
    complete(async move { engine.connect_network(&id, connect).await }).await?;
    Ok(render::ok())
}

async fn disconnect(mut call: Call, id: String) -> Result<Response<Body>> {
    let disconnect: Disconnect = call.json().await?;
    let engine = call.engine;
    complete(async move { engine.disconnect_network(&id, disconnect).await }).await?;
    Ok(render::ok())
}

async fn prune(call: Call) -> Result<Response<Body>> {
    let filters = call.query.filters()?;
    let engine = call.engine;
    let pruned = complete(async move { engine.prune_networks(filters).await }).await?;
    render::json(call.version, Shape::Same, &pruned)
}
