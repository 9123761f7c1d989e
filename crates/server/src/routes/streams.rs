//! Containers: what goes in and out of them. Streams, archives, terminals, figures.

use futures_util::StreamExt;
use http::Response;
use model::api::container::AttachOptions;

use crate::attach;
use crate::body::Body;
use crate::call::Call;
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::query::Absent;
use crate::render;
use crate::routes::{Work, later};

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
        ("GET", ["logs"]) => later("logs"),
        ("GET", ["stats"]) => Box::pin(stats(call, id)),
        ("GET", ["top"]) => Box::pin(top(call, id)),
        ("GET", ["changes"]) => later("changes"),
        ("GET", ["export"]) => later("export"),
        ("HEAD", ["archive"]) => later("archive"),
        ("GET", ["archive"]) => later("archive"),
        ("PUT", ["archive"]) => later("archive"),
        ("GET", ["checkpoints"]) | ("POST", ["checkpoints"]) | ("DELETE", ["checkpoints", _]) => {
            later("checkpoints")
        }
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
    let attached = call.engine.attach_container(&id, &options).await?;
    Ok(attach::answer(&mut call, attached))
}

async fn resize(call: Call, id: String) -> Result<Response<Body>> {
    let (rows, columns) = size(&call)?;
    call.engine.resize_container(&id, rows, columns).await?;
    render::ok()
}

/// The rows and columns of a terminal.
pub(super) fn size(call: &Call) -> Result<(u16, u16)> {
    let side = |name| {
        let size = call.query.number(name)?;
        size.ok_or_else(|| Failure::bad_request(format!("the terminal's size needs {name}")))
    };
    Ok((side("h")?, side("w")?))
}

async fn stats(call: Call, id: String) -> Result<Response<Body>> {
    let stream = call.query.flag_or("stream", Absent::IsTrue);
    let one_shot = call.query.flag("one-shot");
    if stream && one_shot {
        return Err(Failure::bad_request(
            "cannot have stream=true and one-shot=true",
        ));
    }
    let stats = call.engine.container_stats(&id, one_shot)?;
    let count = if stream { usize::MAX } else { 1 };
    render::json_lines(call.version, Shape::Same, stats.take(count))
}

async fn top(call: Call, id: String) -> Result<Response<Body>> {
    let arguments = call.query.text("ps_args").unwrap_or("-ef");
    let top = call.engine.top_container(&id, arguments).await?;
    render::json(call.version, Shape::Same, &top)
}
