//! Further programs in a container.

use engine::Engine;
use engine::error::Error;
use futures_util::stream::Empty;
use http::Response;
use model::api::exec::{Create, Start};
use model::api::text_list::TextList;

use crate::attach;
use crate::body::Body;
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::render;
use crate::routes::Work;
use crate::routes::streams::size;

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&str], call: Call) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("POST", ["containers", id, "exec"]) => Box::pin(create(call, (*id).to_owned())),
        ("POST", ["exec", id, "start"]) => Box::pin(start(call, (*id).to_owned())),
        ("POST", ["exec", id, "resize"]) => Box::pin(resize(call, (*id).to_owned())),
        ("GET", ["exec", id, "json"]) => Box::pin(inspect(call, (*id).to_owned())),
        _ => return None,
    })
}

async fn create(mut call: Call, container: String) -> Result<Response<Body>> {
    let create: Create = call.json().await?;
    if create.cmd.as_ref().is_none_or(TextList::is_empty) {
        return Err(Failure::bad_request("No exec command specified"));
    }
    let created = call.engine.create_exec(&container, create).await?;
    render::created(&call, &created)
}

async fn start(mut call: Call, id: String) -> Result<Response<Body>> {
    let start: Start = call.json().await?;
    let engine = call.engine.clone();
    if start.detach || call.upgrade.is_none() {
        let attached = complete(async move { engine.start_exec(&id, &start).await }).await?;
        return match attached {
            None => Ok(render::ok()),
            Some(attached) => {
                let is_raw = attached.is_raw();
                Ok(attach::answer(&mut call, is_raw, |client| {
                    attached.serve(client)
                }))
            }
        };
    }
    // Docker's clients look for a stream and not for a status, and some lose what comes in one breath with the
    // answer's head: so what can be refused beforehand is, then the answer goes out, and only then the program
    // starts. What is wrong with it is told in the stream; clients ask for the exit code as ever.
    let is_raw = startable(&engine, &id).await? && start.tty;
    let head_time = attach::head_time(&call.headers);
    let session = async move |client| {
        tokio::time::sleep(head_time).await;
        match engine.start_exec(&id, &start).await {
            Ok(attached) => attach::show(client, None::<Empty<_>>, attached).await,
            Err(error) => attach::say(client, is_raw, &error.to_string()).await,
        }
    };
    Ok(attach::answer(&mut call, is_raw, session))
}

/// Fails if a program cannot be started now; tells whether it has a terminal.
async fn startable(engine: &Engine, id: &str) -> Result<bool> {
    let exec = engine.inspect_exec(id).await?;
    let container = engine.inspect_container(&exec.container_id, false).await?;
    if !container.state.running {
        return Err(Error::not_running(&exec.container_id).into());
    }
    if exec.running || exec.exit_code.is_some() {
        return Err(Error::conflict(format!("exec command {id} has already run")).into());
    }
    Ok(exec.process_config.tty)
}

async fn resize(call: Call, id: String) -> Result<Response<Body>> {
    let (rows, columns) = size(&call)?;
    call.engine.resize_exec(&id, rows, columns).await?;
    Ok(render::ok())
}

async fn inspect(call: Call, id: String) -> Result<Response<Body>> {
    let exec = call.engine.inspect_exec(&id).await?;
    render::json(call.version, Shape::Same, &exec)
}
