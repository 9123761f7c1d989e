//! What all HTTP roles share: from their arguments to a running server with its log, signals and metrics.
//! It must never know one role from another.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::args::{HttpArgs, OnSigterm, ProcessArgs};
use crate::failure::Failure;
use crate::log::Log;
use crate::metrics::{self, Readiness};
use crate::serve::{Connections, ServeSettings, affordable_connections, listen, serve};
use crate::stop::{Stop, Stopper, watch_signals};

/// What [`run`] needs to serve a role.
pub(crate) struct Service {
    pub(crate) router: Router,
    /// Where to listen; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    pub(crate) settings: ServeSettings,
    pub(crate) process: ProcessSettings,
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
}

/// Of a process, whatever its role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessSettings {
    pub(crate) role: &'static str,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) on_sigterm: OnSigterm,
}

impl ProcessSettings {
    pub(crate) fn new(role: &'static str, listen: std::net::IpAddr, args: &ProcessArgs) -> Self {
        Self {
            role,
            metrics: metrics::address(listen, args.metrics_port),
            on_sigterm: args.on_sigterm,
        }
    }
}

impl ServeSettings {
    pub(crate) fn new(args: &HttpArgs, connections: Connections) -> Self {
        Self {
            connections,
            max_connections: affordable_connections(args.max_connections),
            read_timeout: Duration::from_millis(args.read_timeout_ms),
        }
    }
}

/// Runs a process's asynchronous part on this thread, with a log and signals. One thread is enough for
/// what a role does, keeps it within a few MiB, and leaves the other cores to the other roles.
pub(crate) fn block_on<Work, Done>(on_sigterm: OnSigterm, work: Work) -> Result<(), Failure>
where
    Work: FnOnce(Log, Stop) -> Done,
    Done: Future<Output = Result<(), Failure>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(32)
        .build()
        .map_err(Failure::Runtime)?;
    let (log, writer) = Log::start();
    let (stopper, stop) = Stopper::new();
    let result = runtime.block_on(async {
        let work = work(log.clone(), stop);
        tokio::select! {
            result = work => result,
            // A second signal: nothing more is finished.
            failure = watch_signals(stopper, on_sigterm, log.clone()) => Err(failure),
        }
    });
    // Blocking threads (a burn, a look-up) must not delay the end.
    runtime.shutdown_background();
    writer.finish();
    result
}

/// Serves a role until it is told to stop.
pub(crate) async fn run(service: Service, log: Log, stop: Stop) -> Result<(), Failure> {
    let Service {
        router,
        address,
        settings,
        process,
        registry,
        readiness,
    } = service;
    let listener = listen(process.role, address).await?;
    let metrics = listen_for_metrics(process, &log).await?;
    log.line(listening(process.role, &listener, address));
    tokio::join!(
        serve(listener, router, settings, log.clone(), stop.clone()),
        serve_metrics(metrics, registry, readiness, log.clone(), stop),
    );
    log.line(format!("{} stopped", process.role));
    Ok(())
}

/// Opens the port for metrics, where there is to be one.
pub(crate) async fn listen_for_metrics(
    process: ProcessSettings,
    log: &Log,
) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = process.metrics else {
        return Ok(None);
    };
    let listener = listen("the metrics server", address).await?;
    let address = listener.local_addr().unwrap_or(address);
    log.line(format!("metrics on http://{address}/metrics"));
    Ok(Some(listener))
}

/// Serves metrics until stopping is wished.
pub(crate) async fn serve_metrics(
    listener: Option<TcpListener>,
    registry: Registry,
    readiness: Readiness,
    log: Log,
    stop: Stop,
) {
    let Some(listener) = listener else { return };
    let settings = ServeSettings {
        connections: Connections::Kept,
        // Scrapers and probes are few.
        max_connections: 64,
        read_timeout: Duration::from_secs(30),
    };
    serve(
        listener,
        metrics::router(registry, readiness),
        settings,
        log,
        stop,
    )
    .await;
}

fn listening(role: &str, listener: &TcpListener, asked: SocketAddr) -> String {
    let address = listener.local_addr().unwrap_or(asked);
    format!(
        "{role} {} listening on http://{address}",
        env!("CARGO_PKG_VERSION")
    )
}
