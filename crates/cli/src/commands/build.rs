//! `build`, by the classic builder: a folder is packed and sent, the engine's messages are shown.

use std::io::{self, Read, Write};
use std::path::Path;

use client::Request;
use context::{Context, Dockerfile};
use data_encoding::BASE64URL;
use http::HeaderName;
use serde_json::{Value, json};

use super::pull::{Shown, show};
use super::upload::{self, Broken, Upload};
use crate::args::image::Build;
use crate::failure::Failure;
use crate::output;
use crate::output::units::{float, precise_size};
use crate::session::Session;
use crate::terminal;
use crate::value;

/// How much of a stream tells an archive from a Dockerfile.
const HEAD: usize = 512;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Build) -> Result<(), Failure> {
    let Source {
        upload: Upload { body, failure },
        dockerfile,
    } = source(raw)?;
    let request = options(session, raw, dockerfile)?.archive(body);
    let shown = if raw.quiet {
        Shown::Nothing
    } else {
        Shown::OnStdout
    };
    let mut id = String::new();
    let answer = session.client.send(request).await;
    let answer = match answer {
        Ok(answer) => answer,
        // The engine's refusal may be only that our folder broke off.
        Err(error) => return Err(failure.try_recv().unwrap_or_else(|_| error.into())),
    };
    let outcome = show(answer, shown, |message| {
        let aux = message.aux.as_ref().and_then(|aux| aux.get("ID"));
        if let Some(found) = aux.and_then(Value::as_str) {
            found.clone_into(&mut id);
        }
        // Asked to be quiet, an engine streams nothing but the id.
        if let Some(text) = &message.stream
            && raw.quiet
            && text.starts_with("sha256:")
        {
            text.trim().clone_into(&mut id);
        }
    })
    .await;
    if let Ok(failure) = failure.try_recv() {
        return Err(failure);
    }
    outcome?;
    if raw.quiet {
        output::print_line(&id)?;
    }
    if let Some(path) = &raw.iidfile {
        std::fs::write(path, &id)
            .map_err(|error| Failure::caused(&format!("writing {path}"), &error))?;
    }
    Ok(())
}

/// What is sent.
struct Source {
    upload: Upload,
    /// The Dockerfile's name in there.
    dockerfile: String,
}

fn source(raw: &Build) -> Result<Source, Failure> {
    if raw.path == "-" {
        return from_stdin(raw);
    }
    if raw.path.contains("://") || raw.path.starts_with("git@") {
        return Err(Failure::message(format!("the build context {:?} is not a folder", raw.path))
            .with_hint("contexts from an address are not there yet: fetch it first, then build the folder"));
    }
    let dockerfile = match raw.file.as_deref() {
        None => Dockerfile::Default,
        Some("-") => {
            let mut contents = Vec::new();
            io::stdin().read_to_end(&mut contents).map_err(|error| {
                Failure::caused("reading the Dockerfile from standard input", &error)
            })?;
            Dockerfile::Contents(contents)
        }
        Some(path) => Dockerfile::Path(path.into()),
    };
    let context = Context::open(Path::new(&raw.path), dockerfile).map_err(|error| told(&error))?;
    let dockerfile = context.dockerfile().to_owned();
    let quiet = raw.quiet;
    let upload = upload::start(move |out| {
        let mut shown = SentSoFar::new(quiet);
        let size = context
            .pack(out, |bytes| shown.tell(bytes))
            .map_err(broken)?;
        shown.end(size);
        Ok(())
    })?;
    Ok(Source { upload, dockerfile })
}

/// An archive on standard input is the context; anything else is a Dockerfile without one.
fn from_stdin(raw: &Build) -> Result<Source, Failure> {
    if raw.file.as_deref() == Some("-") {
        return Err(Failure::message(
            "invalid argument: can't use stdin for both build context and dockerfile",
        ));
    }
    let failed = |error: io::Error| Failure::caused("reading standard input", &error);
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD).unwrap_or(u64::MAX);
    io::stdin()
        .take(limit)
        .read_to_end(&mut head)
        .map_err(failed)?;
    if context::is_archive(&head) {
        let upload = upload::start(move |out| {
            let mut whole = io::Cursor::new(head).chain(io::stdin());
            io::copy(&mut whole, out).map_err(|_| Broken::NotTaken)?;
            Ok(())
        })?;
        return Ok(Source {
            upload,
            dockerfile: raw.file.clone().unwrap_or_else(|| "Dockerfile".to_owned()),
        });
    }
    io::stdin().read_to_end(&mut head).map_err(failed)?;
    let (archive, dockerfile) = context::of_dockerfile(&head).map_err(|error| told(&error))?;
    let quiet = raw.quiet;
    let upload = upload::start(move |out| {
        let size = u64::try_from(archive.len()).unwrap_or(u64::MAX);
        out.write_all(&archive).map_err(|_| Broken::NotTaken)?;
        SentSoFar::new(quiet).end(size);
        Ok(())
    })?;
    Ok(Source { upload, dockerfile })
}

/// The line about the context that grows on a terminal, and is there once elsewhere.
struct SentSoFar {
    moving: bool,
    quiet: bool,
    last: u64,
}

impl SentSoFar {
    fn new(quiet: bool) -> Self {
        Self {
            moving: terminal::stdout_is_terminal() && !quiet,
            quiet,
            last: 0,
        }
    }

    fn tell(&mut self, bytes: u64) {
        // Often enough to be seen to move.
        if self.moving && bytes >= self.last + 512 * 1024 {
            self.last = bytes;
            let _shown = output::print(&format!(
                "\rSending build context to Docker daemon  {}",
                size(bytes)
            ));
        }
    }

    fn end(&self, bytes: u64) {
        if !self.quiet {
            let start = if self.moving { "\r" } else { "" };
            let _shown = output::print(&format!(
                "{start}Sending build context to Docker daemon  {}\n",
                size(bytes)
            ));
        }
    }
}

fn size(bytes: u64) -> String {
    precise_size(float(i64::try_from(bytes).unwrap_or(i64::MAX)))
}

fn broken(error: context::Error) -> Broken {
    match error {
        context::Error::Write(_) => Broken::NotTaken,
        error => Broken::Failed(told(&error)),
    }
}

fn told(error: &context::Error) -> Failure {
    Failure::message(crate::failure::with_causes(error))
}

fn options(session: &Session, raw: &Build, dockerfile: String) -> Result<Request, Failure> {
    let json = |value: Value| value.to_string();
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let arguments: serde_json::Map<String, Value> = raw
        .build_arg
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.into()),
            // A name alone takes the value from here.
            None => (
                text.clone(),
                std::env::var(text).map_or(Value::Null, Value::String),
            ),
        })
        .collect();
    let mut request = Request::post("/build")
        .query("dockerfile", dockerfile)
        .query("rm", if raw.rm { "1" } else { "0" })
        .flag("forcerm", raw.force_rm)
        .flag("q", raw.quiet)
        .flag("nocache", raw.no_cache)
        .flag("pull", raw.pull)
        .query("buildargs", json(Value::Object(arguments)))
        .query("labels", json(json!(value::map(&raw.label))))
        .query("cachefrom", json(json!(raw.cache_from)))
        .query("ulimits", json(json!(raw.ulimit)))
        .query_if("memory", number(raw.memory))
        .query_if("memswap", number(raw.memory_swap))
        .query_if("cpushares", number(raw.cpu_shares))
        .query_if("cpuperiod", number(raw.cpu_period))
        .query_if("cpuquota", number(raw.cpu_quota))
        .query_if("cpusetcpus", raw.cpuset_cpus.as_deref())
        .query_if("cpusetmems", raw.cpuset_mems.as_deref())
        .query_if("cgroupparent", raw.cgroup_parent.as_deref())
        .query_if("shmsize", number(raw.shm_size))
        .query_if("networkmode", raw.network.as_deref())
        .query_if("target", raw.target.as_deref())
        .query_if("platform", raw.platform.as_deref())
        .header(
            HeaderName::from_static("x-registry-config"),
            &BASE64URL.encode(
                Value::Object(session.config.logins()?)
                    .to_string()
                    .as_bytes(),
            ),
        );
    if !raw.security_opt.is_empty() {
        request = request.query("securityopt", json(json!(raw.security_opt)));
    }
    for tag in &raw.tag {
        super::pull::parse(tag)?;
        request = request.query("t", tag);
    }
    for host in &raw.add_host {
        request = request.query("extrahosts", host.replacen('=', ":", 1));
    }
    Ok(request)
}
