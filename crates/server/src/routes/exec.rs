//! Further programs in a container.

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
    let exec = id.clone();
    match complete(async move { engine.start_exec(&exec, &start).await }).await {
        Ok(Some(attached)) => Ok(attach::answer(&mut call, attached)),
        Ok(None) => Ok(render::ok()),
        Err(failure) => {
            // Docker's clients do not read a refusal where they expect a stream. Where the program was tried they
            // get one, with the words in it, and ask for the exit code as ever.
            let tried = call.engine.inspect_exec(&id).await.ok();
            match (
                tried.filter(|exec| exec.exit_code.is_some()),
                call.upgrade.take(),
            ) {
                (Some(exec), Some(upgrade)) => {
                    let is_raw = exec.process_config.tty;
                    Ok(attach::words(upgrade, is_raw, failure.message))
                }
                _ => Err(failure),
            }
        }
    }
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
