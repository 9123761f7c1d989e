//! Containers: their life. What goes in and out of them is in [`super::streams`].

use http::Response;
use model::api::container::{
    Create, CreateOptions, ListOptions, RemoveOptions, StopOptions, Update, WaitCondition,
    WaitError, Waited,
};

use crate::body::{self, Body};
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::render;
use crate::routes::{Work, streams};

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&str], call: Call) -> Option<Work<'a>> {
    let id = || path.get(1).copied().unwrap_or_default().to_owned();
    Some(match (method, path) {
        ("GET", ["containers", "json"]) => Box::pin(list(call)),
        ("POST", ["containers", "create"]) => Box::pin(create(call)),
        ("POST", ["containers", "prune"]) => Box::pin(prune(call)),
        ("DELETE", ["containers", _]) => Box::pin(remove(call, id())),
        ("GET", ["containers", _, "json"]) => Box::pin(inspect(call, id())),
        ("POST", ["containers", _, "start"]) => Box::pin(start(call, id())),
        ("POST", ["containers", _, "stop"]) => Box::pin(stop(call, id())),
        ("POST", ["containers", _, "restart"]) => Box::pin(restart(call, id())),
        ("POST", ["containers", _, "kill"]) => Box::pin(kill(call, id())),
        ("POST", ["containers", _, "pause"]) => Box::pin(pause(call, id())),
        ("POST", ["containers", _, "unpause"]) => Box::pin(unpause(call, id())),
        ("POST", ["containers", _, "rename"]) => Box::pin(rename(call, id())),
        ("POST", ["containers", _, "update"]) => Box::pin(update(call, id())),
        ("POST", ["containers", _, "wait"]) => Box::pin(wait(call, id())),
        _ => return streams::find(method, path, call),
    })
}

async fn list(call: Call) -> Result<Response<Body>> {
    let options = ListOptions {
        all: call.query.flag("all"),
        limit: call
            .query
            .number::<i64>("limit")?
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0),
        size: call.query.flag("size"),
        filters: call.query.filters()?,
    };
    let containers = call.engine.list_containers(&options).await?;
    render::json(call.version, Shape::Same, &containers)
}

async fn inspect(call: Call, id: String) -> Result<Response<Body>> {
    let size = call.query.flag("size");
    let container = call.engine.inspect_container(&id, size).await?;
    render::json(call.version, Shape::ContainerInspect, &container)
}

async fn create(mut call: Call) -> Result<Response<Body>> {
    let Some(mut create) = call.optional_json::<Create>().await? else {
        return Err(Failure::bad_request(
            "config cannot be empty in order to create a container",
        ));
    };
    older_create(&call, &mut create);
    let options = CreateOptions {
        name: call.query.text("name").map(str::to_owned),
        platform: call.query.text("platform").map(str::to_owned),
    };
    let engine = call.engine.clone();
    let created = complete(async move { engine.create_container(options, create).await }).await?;
    render::created(&call, &created)
}

/// What an older client means by what it leaves out, or by what newer ones no longer say.
fn older_create(call: &Call, create: &mut Create) {
    let host = create.host_config.get_or_insert_default();
    if !call.since(40) && host.ipc_mode.is_empty() {
        "shareable".clone_into(&mut host.ipc_mode);
    }
    if !call.since(41) && host.cgroupns_mode.is_empty() {
        "host".clone_into(&mut host.cgroupns_mode);
    }
    if !call.since(40) && host.resources.pids_limit.is_some_and(|limit| limit <= 0) {
        host.resources.pids_limit = None;
    }
}

async fn remove(call: Call, id: String) -> Result<Response<Body>> {
    let options = RemoveOptions {
        volumes: call.query.flag("v"),
        link: call.query.flag("link"),
        force: call.query.flag("force"),
    };
    let engine = call.engine;
    complete(async move { engine.remove_container(&id, options).await }).await?;
    Ok(render::no_content())
}

async fn start(mut call: Call, id: String) -> Result<Response<Body>> {
    let body = std::mem::replace(&mut call.body, body::empty());
    if body::is_longer_than(body, 7).await? {
        return Err(Failure::bad_request(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    let engine = call.engine;
    complete(async move { engine.start_container(&id).await }).await?;
    Ok(render::no_content())
}

async fn stop(call: Call, id: String) -> Result<Response<Body>> {
    let options = stop_options(&call)?;
    let engine = call.engine;
    complete(async move { engine.stop_container(&id, &options).await }).await?;
    Ok(render::no_content())
}

async fn restart(call: Call, id: String) -> Result<Response<Body>> {
    let options = stop_options(&call)?;
    let engine = call.engine;
    complete(async move { engine.restart_container(&id, &options).await }).await?;
    Ok(render::no_content())
}

fn stop_options(call: &Call) -> Result<StopOptions> {
    Ok(StopOptions {
        // Until 1.42 the signal was the container's.
        signal: call
            .query
            .text("signal")
            .filter(|_| call.since(42))
            .map(str::to_owned),
        timeout: call.query.number("t")?,
    })
}

async fn kill(call: Call, id: String) -> Result<Response<Body>> {
    let signal = call.query.text("signal").map(str::to_owned);
    let engine = call.engine;
    complete(async move { engine.kill_container(&id, signal.as_deref()).await }).await?;
    Ok(render::no_content())
}

async fn pause(call: Call, id: String) -> Result<Response<Body>> {
    let engine = call.engine;
    complete(async move { engine.pause_container(&id).await }).await?;
    Ok(render::no_content())
}

async fn unpause(call: Call, id: String) -> Result<Response<Body>> {
    let engine = call.engine;
    complete(async move { engine.unpause_container(&id).await }).await?;
    Ok(render::no_content())
}

async fn rename(call: Call, id: String) -> Result<Response<Body>> {
    let name = call.query.owned("name");
    let engine = call.engine;
    complete(async move { engine.rename_container(&id, &name).await }).await?;
    Ok(render::no_content())
}

async fn update(mut call: Call, id: String) -> Result<Response<Body>> {
    let update: Update = call.json().await?;
    let engine = call.engine.clone();
    let updated = complete(async move { engine.update_container(&id, update).await }).await?;
    render::json(call.version, Shape::Same, &updated)
}

async fn prune(call: Call) -> Result<Response<Body>> {
    let filters = call.query.filters()?;
    let engine = call.engine;
    let pruned = complete(async move { engine.prune_containers(filters).await }).await?;
    render::json(call.version, Shape::Same, &pruned)
}

/// The head of the answer goes out once waiting has begun: a client starts the container only then.
async fn wait(call: Call, id: String) -> Result<Response<Body>> {
    let condition = match call.query.text("condition").filter(|_| call.since(30)) {
        None | Some("not-running") => WaitCondition::NotRunning,
        Some("next-exit") => WaitCondition::NextExit,
        Some("removed") => WaitCondition::Removed,
        Some(other) => {
            return Err(Failure::bad_request(format!(
                "invalid condition: {other:?}"
            )));
        }
    };
    let waiting = call.engine.wait_container(&id, condition).await?;
    let waited = async move {
        waiting.await.unwrap_or_else(|error| Waited {
            error: Some(WaitError {
                message: error.to_string(),
            }),
            status_code: -1,
        })
    };
    let waited = futures_util::stream::once(Box::pin(waited));
    Ok(render::json_lines(call.version, Shape::Same, waited))
}
