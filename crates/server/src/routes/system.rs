//! The engine itself: ping, version, info, events, disk usage, credentials.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, PRAGMA};
use http::{HeaderValue, Response};
use model::api::Labels;
use model::api::event::Options;
use model::api::system::{AuthConfig, Component, DiskUsageOptions, Version, VersionPlatform};

use crate::api_version::{NEWEST, OLDEST};
use crate::body::{self, Body};
use crate::call::Call;
use crate::downgrade::Shape;
use crate::failure::{Failure, Result};
use crate::render;
use crate::routes::{Work, later, now};

/// The table.
pub(super) fn find<'a>(method: &str, path: &[&str], call: Call) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("GET" | "HEAD", ["_ping"]) => now(Ok(ping())),
        ("GET", ["version"]) => now(version(&call)),
        ("GET", ["info"]) => Box::pin(info(call)),
        ("GET", ["system", "df"]) => Box::pin(disk_usage(call)),
        ("POST", ["auth"]) => Box::pin(auth(call)),
        ("GET", ["events"]) => now(events(&call)),
        ("GET", ["plugins"]) => now(plugins(&call)),
        ("GET", ["plugins", "privileges"]) => later("plugin privileges"),
        (_, ["plugins", ..]) => later("plugin management"),
        // What BuildKit's clients open first: they are told that there is none.
        ("POST", ["session"]) => later("a session (BuildKit)"),
        ("POST", ["grpc"]) => later("gRPC (BuildKit)"),
        _ => return None,
    })
}

fn ping() -> Response<Body> {
    let mut response = Response::new(body::full("OK"));
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (PRAGMA, "no-cache"),
        (CONTENT_LENGTH, "2"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("Builder-Version", HeaderValue::from_static("1"));
    headers.insert("Swarm", HeaderValue::from_static("inactive"));
    response
}

fn version(call: &Call) -> Result<Response<Body>> {
    let host = rustix::system::uname();
    let kernel = host.release().to_string_lossy().into_owned();
    let about = &call.about;
    let details = [
        ("ApiVersion", NEWEST.to_string()),
        ("MinAPIVersion", OLDEST.to_string()),
        ("Arch", architecture().to_owned()),
        ("BuildTime", about.built.to_owned()),
        ("Experimental", "false".to_owned()),
        ("GitCommit", about.commit.to_owned()),
        ("GoVersion", String::new()),
        ("KernelVersion", kernel.clone()),
        ("Os", "linux".to_owned()),
    ];
    let details: Labels = details
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let version = Version {
        platform: VersionPlatform {
            name: "Essaim".to_owned(),
        },
        components: vec![Component {
            name: "Engine".to_owned(),
            version: about.version.to_owned(),
            details,
        }],
        version: about.version.to_owned(),
        api_version: NEWEST.to_string(),
        min_api_version: OLDEST.to_string(),
        git_commit: about.commit.to_owned(),
        go_version: String::new(),
        os: "linux".to_owned(),
        arch: architecture().to_owned(),
        kernel_version: kernel,
        experimental: false,
        build_time: about.built.to_owned(),
    };
    render::json(call.version, Shape::Same, &version)
}

/// The processor's name as Go has it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

fn plugins(call: &Call) -> Result<Response<Body>> {
    render::json(call.version, Shape::Same, &[(); 0])
}

fn events(call: &Call) -> Result<Response<Body>> {
    let options = Options {
        since: call.query.moment("since")?,
        until: call.query.moment("until")?,
        filters: call.query.filters()?,
    };
    let events = call.engine.events(&options)?;
    Ok(render::json_lines(call.version, Shape::Same, events))
}

async fn auth(mut call: Call) -> Result<Response<Body>> {
    let auth: AuthConfig = call.json().await?;
    let answer = call.engine.authenticate(auth).await?;
    render::json(call.version, Shape::Same, &answer)
}

async fn info(call: Call) -> Result<Response<Body>> {
    let mut info = call.engine.info().await;
    call.about.version.clone_into(&mut info.server_version);
    render::json(call.version, Shape::Info, &info)
}

async fn disk_usage(call: Call) -> Result<Response<Body>> {
    let mut options = DiskUsageOptions::default();
    for kind in call.query.all("type") {
        match kind {
            "container" => options.containers = true,
            "image" => options.images = true,
            "volume" => options.volumes = true,
            "build-cache" => options.build_cache = true,
            other => {
                return Err(Failure::bad_request(format!(
                    "unknown object type: {other}"
                )));
            }
        }
    }
    let usage = call.engine.disk_usage(options).await?;
    render::json(call.version, Shape::DiskUsage, &usage)
}
