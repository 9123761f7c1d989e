//! `RUN`: a container on what there is so far, whose changes become a layer.

use model::api::build::Options;
use model::api::container::{
    AttachOptions, Config, Create, HealthConfig, RemoveOptions, WaitCondition,
};
use model::api::host_config::{HostConfig, LogConfig, Resources};
use model::api::text_list::TextList;
use tokio::io::{AsyncReadExt as _, DuplexStream};

use super::output::{Output, Text};
use crate::Engine;
use crate::container::Base;
use crate::error::{Error, Result};

/// What is kept between a container's output and the client.
const OUTPUT_BYTES: usize = 64 * 1024;

/// The header of a piece of output: which stream, and how long.
const HEADER: usize = 8;

/// The standard error, in the header of a frame.
const STDERR: u8 = 2;

/// Before and after what is said there.
const RED: &str = "\x1b[91m";
const PLAIN: &str = "\x1b[0m";

/// What runs.
pub(super) struct Step {
    pub(super) base: Base,
    pub(super) words: Vec<String>,
    pub(super) env: Vec<String>,
    /// `none` or what the build has.
    pub(super) network_mode: String,
}

/// A container of a build, removed when this is dropped.
pub(super) struct StepContainer {
    engine: Engine,
    /// Its id; empty once nothing is to be done any more.
    id: String,
}

impl StepContainer {
    /// The short form of its id.
    pub(super) fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Removes it now.
    pub(super) async fn remove(mut self) -> Result<()> {
        let id = std::mem::take(&mut self.id);
        self.engine.remove_container(&id, REMOVE).await
    }

    /// Leaves it there, to be looked at.
    pub(super) fn keep(mut self) {
        self.id.clear();
    }
}

const REMOVE: RemoveOptions = RemoveOptions {
    volumes: true,
    link: false,
    force: true,
};

impl Drop for StepContainer {
    fn drop(&mut self) {
        if self.id.is_empty() {
            return;
        }
        let id = std::mem::take(&mut self.id);
        let engine = self.engine.clone();
        // The client has gone, or something failed: nobody waits for this.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(async move {
                if let Err(error) = engine.remove_container(&id, REMOVE).await {
                    tracing::warn!(id, %error, "a build's container is left");
                }
            }));
        }
    }
}

/// Makes the container of a step.
pub(super) async fn create(
    engine: &Engine,
    step: Step,
    options: &Options,
) -> Result<StepContainer> {
    let Step {
        mut base,
        words,
        env,
        network_mode,
    } = step;
    // What is written to a volume's path in a step is part of the image, and nobody asks for the step's health.
    base.config.volumes = None;
    base.config.healthcheck = None;
    let config = Config {
        cmd: Some(TextList(words)),
        entrypoint: Some(TextList(Vec::new())),
        env: Some(env),
        image: base.id.clone(),
        attach_stdout: true,
        attach_stderr: true,
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        ..Config::default()
    };
    let create = Create {
        host_config: Some(host_config(options, network_mode)),
        networking_config: None,
        config,
    };
    let created = engine.create_step(base, create).await?;
    Ok(StepContainer {
        engine: engine.clone(),
        id: created.id,
    })
}

fn host_config(options: &Options, network_mode: String) -> HostConfig {
    HostConfig {
        network_mode,
        log_config: LogConfig {
            driver: "none".to_owned(),
            config: None,
        },
        extra_hosts: (!options.extra_hosts.is_empty()).then(|| options.extra_hosts.clone()),
        security_opt: (!options.security_options.is_empty())
            .then(|| options.security_options.clone()),
        shm_size: options.shm_size,
        resources: Resources {
            memory: options.memory,
            memory_swap: options.memory_swap,
            cpu_shares: options.cpu_shares,
            cpu_period: options.cpu_period,
            cpu_quota: options.cpu_quota,
            cpuset_cpus: options.cpuset_cpus.clone(),
            cpuset_mems: options.cpuset_mems.clone(),
            cgroup_parent: options.cgroup_parent.clone(),
            ulimits: (!options.ulimits.is_empty()).then(|| options.ulimits.clone()),
            ..Resources::default()
        },
        ..HostConfig::default()
    }
}

/// Runs it to its end, tells what it says, and gives its exit code.
pub(super) async fn run(
    engine: &Engine,
    container: &StepContainer,
    output: &Output,
) -> Result<i64> {
    let id = container.id();
    let attach = AttachOptions {
        stream: true,
        stdout: true,
        stderr: true,
        ..AttachOptions::default()
    };
    let attached = engine.attach_container(id, &attach).await?;
    let waited = engine.wait_container(id, WaitCondition::NextExit).await?;
    let (ours, theirs) = tokio::io::duplex(OUTPUT_BYTES);
    let serving = async {
        // However it ends, the exit code is what counts.
        drop(attached.serve(theirs).await);
        Ok(())
    };
    let starting = engine.start_container(id);
    let ((), (), ()) = tokio::try_join!(starting, serving, tell(ours, output))?;
    let waited = waited.await?;
    match waited.error {
        Some(error) => Err(Error::internal(error.message)),
        None => Ok(waited.status_code),
    }
}

/// Takes frames apart and tells their text, in its order: errors in red, as Docker's builder does.
async fn tell(mut stream: DuplexStream, output: &Output) -> Result<()> {
    let mut texts = [Text::default(), Text::default()];
    loop {
        let mut header = [0; HEADER];
        if stream.read_exact(&mut header).await.is_err() {
            break;
        }
        let [kind, _, _, _, length @ ..] = header;
        let is_error = kind == STDERR;
        let mut rest = u32::from_be_bytes(length) as usize;
        while rest > 0 {
            let mut piece = vec![0; rest.min(OUTPUT_BYTES)];
            let Ok(count @ 1..) = stream.read(&mut piece).await else {
                return finish(texts, output).await;
            };
            rest -= count;
            let shown = texts[usize::from(is_error)].push(&piece[..count]);
            show(shown, is_error, output).await?;
        }
    }
    finish(texts, output).await
}

async fn finish(texts: [Text; 2], output: &Output) -> Result<()> {
    let [said, errors] = texts;
    show(said.finish(), false, output).await?;
    show(errors.finish(), true, output).await
}

async fn show(text: String, is_error: bool, output: &Output) -> Result<()> {
    match (text.is_empty(), is_error) {
        (true, _) => Ok(()),
        (false, false) => output.text(text).await,
        (false, true) => output.text(format!("{RED}{text}{PLAIN}")).await,
    }
}
