//! Health and Prometheus metrics, on a port of their own. It must never share a queue or a connection with
//! the service that it measures: rng's own port answers only when its queue is through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{Method, StatusCode, header};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the latency buckets, in seconds: from a bare answer to rng with a long queue.
const LATENCY_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Whether the process can do its work now; `/readyz` tells.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn new(ready: bool) -> Self {
        Self(Arc::new(AtomicBool::new(ready)))
    }

    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

/// Requests of an HTTP service.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    latency: Histogram,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            latency: latency_histogram(),
        };
        registry.register(
            "http_requests",
            "Requests answered",
            metrics.requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's arrival to its answer, queueing included",
            metrics.latency.clone(),
        );
        metrics
    }

    pub(crate) fn answered(&self, method: &Method, status: StatusCode, took: Duration) {
        let labels = RequestLabels {
            method: known(method),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        self.latency.observe(took.as_secs_f64());
    }
}

/// A registry whose names begin with `dockercoins_`.
pub(crate) fn registry() -> Registry {
    Registry::with_prefix("dockercoins")
}

pub(crate) fn latency_histogram() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

/// `/healthz` (the process answers), `/readyz` (it can do its work), `/metrics`.
pub(crate) fn router(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .merge(
            Router::new()
                .route("/metrics", get(exposition))
                .with_state(Arc::new(registry)),
        )
}

/// Where metrics are served.
pub(crate) fn address(listen: std::net::IpAddr, port: Option<u16>) -> Option<SocketAddr> {
    port.map(|port| SocketAddr::new(listen, port))
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.0.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the log says why\n",
        )
    }
}

async fn exposition(
    State(registry): State<Arc<Registry>>,
) -> axum::response::Result<impl axum::response::IntoResponse> {
    let mut body = String::new();
    text::encode(&mut body, &registry).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], body))
}

/// Methods are the client's to invent; labels are not.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
