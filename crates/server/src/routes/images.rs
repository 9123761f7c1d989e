//! Images, and registries as far as images are asked of them.

use engine::Engine;
use http::Response;
use model::api::image::{ImportOptions, ListOptions, PullOptions, RemoveOptions};
use model::api::progress::Message;

use crate::body::{self, Body};
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::query::Absent;
use crate::render;
use crate::routes::{Work, later, now};

/// The table. A name may have slashes: all parts between the ends are it.
pub(super) fn find<'a>(method: &str, path: &[&str], call: Call) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("GET", ["images", "json"]) => now(list(&call)),
        ("GET", ["images", "search"]) => later("searching images"),
        ("GET", ["images", "get"]) => {
            let names = call.query.all("names").map(str::to_owned).collect();
            now(save(&call.engine, names))
        }
        ("POST", ["images", "create"]) => Box::pin(create(call)),
        ("POST", ["images", "load"]) => Box::pin(load(call)),
        ("POST", ["images", "prune"]) => Box::pin(prune(call)),
        ("GET", ["images", name @ .., "json"]) => now(inspect(&call, &name.join("/"))),
        ("GET", ["images", name @ .., "history"]) => now(history(&call, &name.join("/"))),
        ("GET", ["images", name @ .., "get"]) => now(save(&call.engine, vec![name.join("/")])),
        ("POST", ["images", name @ .., "push"]) => Box::pin(push(call, name.join("/"))),
        ("POST", ["images", name @ .., "tag"]) => Box::pin(tag(call, name.join("/"))),
        ("DELETE", ["images", name @ ..]) => Box::pin(remove(call, name.join("/"))),
        ("GET", ["distribution", name @ .., "json"]) => {
            Box::pin(distribution(call, name.join("/")))
        }
        _ => return None,
    })
}

fn list(call: &Call) -> Result<Response<Body>> {
    let mut filters = call.query.filters()?;
    // Until 1.28 the name to look for was a parameter of its own.
    if let Some(name) = call.query.text("filter") {
        filters.add("reference", name);
    }
    let options = ListOptions {
        all: call.query.flag("all"),
        filters,
        shared_size: call.query.flag("shared-size"),
        digests: call.query.flag("digests"),
    };
    let images = call.engine.list_images(&options)?;
    render::json(call.version, Shape::ImageList, &images)
}

fn inspect(call: &Call, name: &str) -> Result<Response<Body>> {
    let image = call.engine.inspect_image(name)?;
    render::json(call.version, Shape::ImageInspect, &image)
}

fn history(call: &Call, name: &str) -> Result<Response<Body>> {
    let history = call.engine.image_history(name)?;
    render::json(call.version, Shape::Same, &history)
}

/// Pulls, or imports the body: the query says which.
async fn create(mut call: Call) -> Result<Response<Body>> {
    let engine = call.engine.clone();
    let platform = call.query.text("platform").map(str::to_owned);
    let tag = call.query.text("tag").map(str::to_owned);
    if let Some(image) = call.query.text("fromImage") {
        let options = PullOptions {
            image: image.to_owned(),
            all: tag.is_none() && !names_one(image),
            tag,
            platform,
        };
        let auth = call.registry_auth();
        return progress::answer(async move |progress| {
            engine.pull_image(options, auth, progress).await
        })
        .await;
    }
    let Some(source) = call.query.text("fromSrc") else {
        return Err(Failure::bad_request(
            "either fromImage or fromSrc has to be given",
        ));
    };
    let options = ImportOptions {
        source: source.to_owned(),
        repository: call.query.text("repo").map(str::to_owned),
        tag,
        message: call.query.owned("message"),
        changes: call.query.all("changes").map(str::to_owned).collect(),
        platform,
    };
    let archive = body::reader(std::mem::replace(&mut call.body, body::empty()));
    progress::answer(async move |progress| engine.import_image(options, archive, progress).await)
        .await
}

/// Whether a name has a tag or digest in it; without one, and without one beside it, all tags are meant.
fn names_one(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.contains(':') || image.contains('@')
}

async fn load(mut call: Call) -> Result<Response<Body>> {
    let quiet = call.query.flag_or("quiet", Absent::IsFalse);
    let archive = body::reader(std::mem::replace(&mut call.body, body::empty()));
    let engine = call.engine;
    progress::answer(async move |progress| {
        // Docker has begun its answer by then, and its clients look for the failure in there.
        if let Err(error) = engine.load_images(archive, quiet, progress.clone()).await {
            let last = Message::error(Failure::from(error).message);
            // A client that has gone need not be told.
            drop(progress.send(last).await);
        }
        Ok::<(), Failure>(())
    })
    .await
}

fn save(engine: &Engine, names: Vec<String>) -> Result<Response<Body>> {
    let archive = engine.save_images(names)?;
    Ok(render::bytes("application/x-tar", archive))
}

async fn push(call: Call, name: String) -> Result<Response<Body>> {
    let tag = call.query.text("tag").map(str::to_owned);
    let auth = call.registry_auth();
    let engine = call.engine;
    progress::answer(async move |progress| {
        engine
            .push_image(&name, tag.as_deref(), auth, progress)
            .await
    })
    .await
}

async fn tag(call: Call, name: String) -> Result<Response<Body>> {
    let repository = call.query.owned("repo");
    let tag = call.query.text("tag").map(str::to_owned);
    let engine = call.engine;
    complete(async move { engine.tag_image(&name, &repository, tag.as_deref()).await }).await?;
    Ok(render::created_empty())
}

async fn remove(call: Call, name: String) -> Result<Response<Body>> {
    if name.is_empty() {
        return Err(Failure::bad_request("image name cannot be blank"));
    }
    let options = RemoveOptions {
        force: call.query.flag("force"),
        no_prune: call.query.flag("noprune"),
    };
    let engine = call.engine;
    let deleted = complete(async move { engine.remove_image(&name, options).await }).await?;
    render::json(call.version, Shape::Same, &deleted)
}

async fn prune(call: Call) -> Result<Response<Body>> {
    let filters = call.query.filters()?;
    let engine = call.engine;
    let pruned = complete(async move { engine.prune_images(filters).await }).await?;
    render::json(call.version, Shape::Same, &pruned)
}

async fn distribution(call: Call, name: String) -> Result<Response<Body>> {
    let auth = call.registry_auth();
    let found = call.engine.distribution(&name, auth).await?;
    render::json(call.version, Shape::Same, &found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_with_a_tag_names_one() {
        for (name, expected) in [
            ("busybox", false),
            ("busybox:1", true),
            ("localhost:5000/busybox", false),
            ("localhost:5000/busybox:1", true),
            ("busybox@sha256:00", true),
        ] {
            assert_eq!(super::names_one(name), expected, "{name}");
        }
    }
}
