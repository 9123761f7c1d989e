//! Building images: from a Dockerfile, and from a container.

use std::collections::BTreeMap;

use http::Response;
use model::api::IdAnswer;
use model::api::build::{Options, PruneOptions};
use model::api::container::{CommitOptions, Config};
use serde::de::DeserializeOwned;

use crate::body::{self, Body};
use crate::call::{Call, complete};
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::query::Absent;
use crate::render;
use crate::routes::{Work, later};

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&str], call: Call) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("POST", ["build"]) => Box::pin(build(call)),
        ("POST", ["build", "prune"]) => Box::pin(prune(call)),
        ("POST", ["build", "cancel"]) => later("cancelling a build by its id (BuildKit)"),
        ("POST", ["commit"]) => Box::pin(commit(call)),
        _ => return None,
    })
}

async fn build(mut call: Call) -> Result<Response<Body>> {
    if call.query.text("version") == Some("2") {
        return Err(Failure::not_there_yet("building with BuildKit"));
    }
    let options = options(&call)?;
    let context = body::pieces(std::mem::replace(&mut call.body, body::empty()));
    let engine = call.engine;
    progress::answer(async move |progress| {
        Box::pin(engine.build_image(options, context, progress)).await
    })
    .await
}

fn options(call: &Call) -> Result<Options> {
    let query = &call.query;
    let tags = query.all("t").filter(|tag| !tag.is_empty());
    Ok(Options {
        dockerfile: query.owned("dockerfile"),
        tags: tags.map(str::to_owned).collect(),
        remote: query.owned("remote"),
        extra_hosts: query
            .all("extrahosts")
            .flat_map(|hosts| hosts.split(','))
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect(),
        quiet: query.flag("q"),
        no_cache: query.flag("nocache"),
        cache_from: json(call, "cachefrom")?,
        pull: query.flag("pull"),
        remove: query.flag_or("rm", Absent::IsTrue),
        force_remove: query.flag("forcerm"),
        memory: query.number("memory")?.unwrap_or_default(),
        memory_swap: query.number("memswap")?.unwrap_or_default(),
        cpu_shares: query.number("cpushares")?.unwrap_or_default(),
        cpu_period: query.number("cpuperiod")?.unwrap_or_default(),
        cpu_quota: query.number("cpuquota")?.unwrap_or_default(),
        cpuset_cpus: query.owned("cpusetcpus"),
        cpuset_mems: query.owned("cpusetmems"),
        cgroup_parent: query.owned("cgroupparent"),
        shm_size: query.number("shmsize")?.unwrap_or_default(),
        ulimits: json(call, "ulimits")?,
        arguments: json::<BTreeMap<String, Option<String>>>(call, "buildargs")?,
        labels: json(call, "labels")?,
        network_mode: query.owned("networkmode"),
        squash: query.flag("squash"),
        platform: query.text("platform").map(str::to_owned),
        target: query.owned("target"),
        security_options: json(call, "securityopt")?,
        registries: call.encoded_header("X-Registry-Config").unwrap_or_default(),
    })
}

/// A parameter that is JSON; absent is the default.
fn json<T: DeserializeOwned + Default>(call: &Call, name: &str) -> Result<T> {
    let Some(text) = call.query.text(name) else {
        return Ok(T::default());
    };
    serde_json::from_str::<Option<T>>(text)
        .map(Option::unwrap_or_default)
        .map_err(|error| Failure::bad_request(format!("invalid value of {name}: {error}")))
}

async fn prune(call: Call) -> Result<Response<Body>> {
    let options = PruneOptions {
        all: call.query.flag("all"),
        keep_storage: call.query.number("keep-storage")?.unwrap_or_default(),
        filters: call.query.filters()?,
    };
    let engine = call.engine;
    let pruned = complete(async move { engine.prune_build_cache(options).await }).await?;
    render::json(call.version, Shape::Same, &pruned)
}

async fn commit(mut call: Call) -> Result<Response<Body>> {
    let config: Option<Config> = call.optional_json().await?;
    let query = &call.query;
    let options = CommitOptions {
        container: query.owned("container"),
        repository: query.text("repo").map(str::to_owned),
        tag: query.text("tag").map(str::to_owned),
        author: query.owned("author"),
        comment: query.owned("comment"),
        pause: query.flag_or("pause", Absent::IsTrue),
        changes: query.all("changes").map(str::to_owned).collect(),
        config,
    };
    let engine = call.engine.clone();
    let id = complete(async move { engine.commit_container(options).await }).await?;
    render::created(&call, &IdAnswer { id })
}
