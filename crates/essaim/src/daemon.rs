//! `essaim daemon`: from flags to a running engine, and its orderly end.
//!
//! ```text
//! flags, environment, file ─▶ settings (pure) ─▶ engine, API, sockets ─▶ serve ─▶ signals ─▶ stop
//! ```
//!
//! Sockets are bound last before the daemon says that it is ready, so that whoever can connect is answered.

mod file;
mod flags;
mod group;
pub(crate) mod log;
mod pid_file;
mod readiness;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use server::api::{About, Api};
use server::listen::{self, Listener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use settings::{Daemon, Place};

/// How many threads serve requests: most of what they do is waiting for the kernel.
const WORKERS: usize = 2;

/// The command, for help and completions.
pub(crate) fn command() -> clap::Command {
    flags::command()
}

/// Runs the daemon with these arguments until it is told to end.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let options = match flags::parse(arguments) {
        Ok(options) => options,
        Err(flags::Unusable::Flags(error)) => {
            // Nothing to be done if even that cannot be written.
            let _told = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
        Err(flags::Unusable::File(error)) => return failed(&error.into()),
    };
    match settings::resolve(options).map_err(Into::into).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let text = format!("essaim daemon: {}\n", causes.join(": "));
    let _told = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    ExitCode::FAILURE
}

fn run(daemon: Daemon) -> Result<()> {
    anyhow::ensure!(
        rustix::process::geteuid().is_root(),
        "the daemon has to be started by root: it makes namespaces, mounts and network devices"
    );
    log::start(daemon.log_level);
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("essaim")
        .enable_all()
        .build()
        .context("cannot start the threads")?;
    let result = runtime.block_on(serve(daemon));
    // Threads that wait for a disk or a device must not hold the end up.
    runtime.shutdown_background();
    result
}

async fn serve(daemon: Daemon) -> Result<()> {
    let pid_file = daemon.pid_file.as_deref().map(pid_file::write);
    let _pid_file = pid_file.transpose()?;
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let program =
        crate::shim_program::hold().context("cannot hold the shim's program in memory")?;
    let engine = engine::Engine::open(daemon.engine, program)?;
    engine.check_ground()?;
    let about = About {
        version: crate::VERSION,
        commit: option_env!("ESSAIM_COMMIT").unwrap_or_default(),
        built: option_env!("ESSAIM_BUILT").unwrap_or_default(),
    };
    let api = Api::new(engine.clone(), about);
    let tls = match &daemon.tls {
        None => None,
        Some(files) => Some(watch::Sender::new(server::tls::configuration(files)?)),
    };
    let group = group::find(&daemon.group)?;
    let (stop, stopped) = watch::channel(false);
    let mut listeners = JoinSet::new();
    for place in &daemon.places {
        let listener = listen_at(place, group, tls.as_ref()).await?;
        tracing::info!(%place, "listening");
        drop(listeners.spawn(listen::serve(listener, api.clone(), stopped.clone())));
    }
    readiness::ready();
    let warming = engine.clone();
    drop(tokio::spawn(async move { warming.warm_up().await }));
    tracing::info!(version = crate::VERSION, "ready");
    loop {
        match signals.next().await {
            Signal::Stop => break,
            Signal::Reload => reload(daemon.tls.as_ref(), tls.as_ref()),
        }
    }
    readiness::stopping();
    tracing::info!("stopping; a second signal ends the daemon at once");
    let orderly = async {
        stop.send_replace(true);
        engine.shut_down().await;
        while listeners.join_next().await.is_some() {}
    };
    tokio::select! {
        () = orderly => tracing::info!("stopped"),
        () = signals.stop() => tracing::warn!("ended at once"),
    }
    Ok(())
}

async fn listen_at(
    place: &Place,
    group: Option<u32>,
    tls: Option<&watch::Sender<Arc<server::tls::Configuration>>>,
) -> Result<Listener> {
    match (place, tls) {
        (Place::Unix(path), _) => Ok(listen::unix(path, group)?),
        (Place::Tcp(address), Some(tls)) => Ok(listen::tls(*address, tls.subscribe()).await?),
        (Place::Tcp(address), None) => anyhow::bail!("refusing to listen on {address} without TLS"),
    }
}

/// What can change while the daemon runs: certificates.
fn reload(
    files: Option<&server::tls::Files>,
    tls: Option<&watch::Sender<Arc<server::tls::Configuration>>>,
) {
    let (Some(files), Some(tls)) = (files, tls) else {
        return;
    };
    match server::tls::configuration(files) {
        Ok(configuration) => {
            tls.send_replace(configuration);
            tracing::info!("certificates read again");
        }
        Err(error) => tracing::error!(%error, "certificates stay as they were"),
    }
}

/// Each container takes some descriptors, each client one; Docker's daemon has a limit as high as this.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

enum Signal {
    Stop,
    Reload,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Signal::Stop) {}
    }
}
