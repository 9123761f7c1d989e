//! From method and path to the handler: a table per resource, at the head of its file.
//!
//! Names of images contain slashes, so a path is matched as a list of its parts, with room for several in the
//! middle. What Docker has and this engine has not is answered by name; what nobody has, with 404.

mod build;
mod containers;
mod exec;
mod images;
mod networks;
mod streams;
mod swarm;
mod system;
mod volumes;

use std::pin::Pin;

use http::{Method, Response};

use crate::body::Body;
use crate::call::Call;
use crate::failure::{Failure, Result};

/// A request that found its handler.
pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + 'a>>;

/// Finds the handler; `path` has the parts between the slashes.
pub(crate) fn find<'a>(method: &Method, path: &'a [&'a str], call: Call) -> Option<Work<'a>> {
    let method = method.as_str();
    match path {
        ["containers", _, "exec"] | ["exec", ..] => exec::find(method, path, call),
        ["containers", ..] => containers::find(method, path, call),
        ["build" | "commit", ..] => build::find(method, path, call),
        ["images" | "distribution", ..] => images::find(method, path, call),
        ["networks", ..] => networks::find(method, path, call),
        ["volumes", ..] => volumes::find(method, path, call),
        [
            "swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs",
            ..,
        ] => swarm::find(method, path),
        _ => system::find(method, path, call),
    }
}

/// A handler that has nothing to wait for.
fn now<'a>(result: Result<Response<Body>>) -> Work<'a> {
    Box::pin(std::future::ready(result))
}

/// A handler for what is not there yet.
fn later<'a>(what: &'static str) -> Work<'a> {
    now(Err(Failure::not_there_yet(what)))
}
