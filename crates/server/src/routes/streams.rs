//! Containers: what goes in and out of them. Streams, archives, terminals, figures.

use data_encoding::BASE64;
use futures_util::StreamExt;
use http::{HeaderValue, Response};
use model::api::container::{ArchivePutOptions, AttachOptions, LogsOptions, PathStat};

use crate::attach;
use crate::body::{self, Body};
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::query::Absent;
use crate::render;
use crate::routes::{Work, later, now};

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&str], call: Call) -> Option<Work<'a>> {
    let ["containers", id, rest @ ..] = path else {
        return None;
    };
    let id = (*id).to_owned();
    Some(match (method, rest) {
        ("POST", ["attach"]) => Box::pin(attach(call, id)),
        ("GET", ["attach", "ws"]) => later("attaching over a web socket"),
        ("POST", ["resize"]) => Box::pin(resize(call, id)),
        ("GET", ["logs"]) => Box::pin(logs(call, id)),
        ("GET", ["stats"]) => now(stats(&call, &id)),
        ("GET", ["top"]) => Box::pin(top(call, id)),
        ("GET", ["changes"]) => Box::pin(changes(call, id)),
        ("GET", ["export"]) => Box::pin(export(call, id)),
        ("HEAD", ["archive"]) => Box::pin(archive_stat(call, id)),
        ("GET", ["archive"]) => Box::pin(archive_get(call, id)),
        ("PUT", ["archive"]) => Box::pin(archive_put(call, id)),
        ("GET" | "POST", ["checkpoints"]) | ("DELETE", ["checkpoints", _]) => later("checkpoints"),
        _ => return None,
    })
}

async fn attach(mut call: Call, id: String) -> Result<Response<Body>> {
    let options = AttachOptions {
        logs: call.query.flag("logs"),
        stream: call.query.flag("stream"),
        stdin: call.query.flag("stdin"),
        stdout: call.query.flag("stdout"),
        stderr: call.query.flag("stderr"),
        detach_keys: call.query.text("detachKeys").map(str::to_owned),
    };
    let attached = if options.stream {
        Some(call.engine.attach_container(&id, &options).await?)
    } else {
        None
    };
    let logs = if options.logs && (options.stdout || options.stderr) {
        let before = LogsOptions {
            stdout: options.stdout,
            stderr: options.stderr,
            // What comes from now on comes by the stream.
            until: attached.is_some().then(engine::moment::now),
            ..LogsOptions::default()
        };
        Some(call.engine.container_logs(&id, &before).await?)
    } else {
        None
    };
    let is_raw = match (&attached, &logs) {
        (Some(attached), _) => attached.is_raw(),
        (None, Some(logs)) => logs.tty,
        (None, None) => {
            let container = call.engine.inspect_container(&id, false).await?;
            container.config.tty
        }
    };
    let logs = logs.map(|logs| logs.chunks);
    Ok(attach::answer(&mut call, is_raw, |client| {
        attach::show(client, logs, attached)
    }))
}

async fn resize(call: Call, id: String) -> Result<Response<Body>> {
    let (rows, columns) = size(&call)?;
    call.engine.resize_container(&id, rows, columns).await?;
    Ok(render::ok())
}

/// The rows and columns of a terminal.
pub(super) fn size(call: &Call) -> Result<(u16, u16)> {
    let side = |name| {
        let size = call.query.number(name)?;
        size.ok_or_else(|| Failure::bad_request(format!("the terminal's size needs {name}")))
    };
    Ok((side("h")?, side("w")?))
}

async fn logs(call: Call, id: String) -> Result<Response<Body>> {
    let options = LogsOptions {
        follow: call.query.flag("follow"),
        stdout: call.query.flag("stdout"),
        stderr: call.query.flag("stderr"),
        since: call.query.moment("since")?,
        until: call.query.moment("until")?,
        timestamps: call.query.flag("timestamps"),
        // What is no number is all, as with Docker.
        tail: call.query.text("tail").and_then(|tail| tail.parse().ok()),
        details: call.query.flag("details"),
    };
    let logs = call.engine.container_logs(&id, &options).await?;
    let content_type = attach::content_type(&call, logs.tty);
    Ok(render::bytes(content_type, logs.chunks))
}

fn stats(call: &Call, id: &str) -> Result<Response<Body>> {
    let stream = call.query.flag_or("stream", Absent::IsTrue);
    let one_shot = call.query.flag("one-shot");
    if stream && one_shot {
        return Err(Failure::bad_request(
            "cannot have stream=true and one-shot=true",
        ));
    }
    let stats = call.engine.container_stats(id, one_shot)?;
    let count = if stream { usize::MAX } else { 1 };
    Ok(render::json_lines(
        call.version,
        Shape::Same,
        stats.take(count),
    ))
}

async fn top(call: Call, id: String) -> Result<Response<Body>> {
    let arguments = call.query.text("ps_args").unwrap_or("-ef");
    let top = call.engine.top_container(&id, arguments).await?;
    render::json(call.version, Shape::Same, &top)
}

async fn changes(call: Call, id: String) -> Result<Response<Body>> {
    let changes = call.engine.container_changes(&id).await?;
    render::json(call.version, Shape::Same, &changes)
}

async fn export(call: Call, id: String) -> Result<Response<Body>> {
    let archive = call.engine.export_container(&id).await?;
    Ok(render::bytes("application/octet-stream", archive))
}

async fn archive_stat(call: Call, id: String) -> Result<Response<Body>> {
    let path = path(&call)?;
    let stat = call.engine.archive_stat(&id, &path).await?;
    let mut response = render::ok();
    add_stat(&mut response, &stat)?;
    Ok(response)
}

async fn archive_get(call: Call, id: String) -> Result<Response<Body>> {
    let path = path(&call)?;
    let (stat, archive) = call.engine.archive_get(&id, &path).await?;
    let mut response = render::bytes("application/x-tar", archive);
    add_stat(&mut response, &stat)?;
    Ok(response)
}

async fn archive_put(mut call: Call, id: String) -> Result<Response<Body>> {
    let options = ArchivePutOptions {
        path: path(&call)?,
        no_overwrite_dir_non_dir: call.query.flag("noOverwriteDirNonDir"),
        copy_uid_gid: call.query.flag("copyUIDGID"),
    };
    let archive = body::reader(std::mem::replace(&mut call.body, body::empty()));
    let engine = call.engine;
    complete(async move { engine.archive_put(&id, options, archive).await }).await?;
    Ok(render::ok())
}

fn path(call: &Call) -> Result<String> {
    match call.query.text("path") {
        Some(path) => Ok(path.to_owned()),
        None => Err(Failure::bad_request("missing parameter: path")),
    }
}

fn add_stat(response: &mut Response<Body>, stat: &PathStat) -> Result<()> {
    let text = serde_json::to_vec(stat).map_err(|error| Failure::bad_request(error.to_string()))?;
    let encoded = BASE64.encode(&text);
    let value =
        HeaderValue::from_str(&encoded).map_err(|error| Failure::bad_request(error.to_string()))?;
    response
        .headers_mut()
        .insert("X-Docker-Container-Path-Stat", value);
    Ok(())
}
