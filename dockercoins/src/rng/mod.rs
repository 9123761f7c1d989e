//! `rng`: random bytes, strictly one request at a time, whatever its path. This queue is the bottleneck
//! that the lab teaches people to find: it must never be made concurrent. What *is* concurrent is reading
//! requests and writing answers, so that a client that is slow at either holds up nobody.
//!
//! ```text
//! read ──▶ queue (first come, first served) ──▶ turn: wait, give bytes ──▶ write
//! ```

mod bytes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::request::Parts;
use http::{StatusCode, header};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Mutex;

use crate::access::{Access, AccessRecord, TurnBegan, record};
use crate::args::RngArgs;
use crate::burn::burn;
use crate::failure::Failure;
use crate::metrics::{self, HttpMetrics, Readiness};
use crate::serve::{Connections, ServeSettings, Slot};
use crate::service::{self, ProcessSettings, Service};
use crate::{delay, hostname};
use bytes::RandomBytes;

const ALLOWED: [(header::HeaderName, &str); 1] = [(header::ALLOW, "GET, HEAD, OPTIONS")];

/// How rng answers.
#[derive(Clone, Copy, Debug)]
struct RngSettings {
    delay: Duration,
    burn: Duration,
    max_bytes: u64,
}

/// Whose turn it is.
#[derive(Clone)]
struct Queue {
    /// Tokio's mutex is fair: it is taken in the order in which it was asked for.
    turn: Arc<Mutex<()>>,
    length: Gauge,
    burn: Duration,
}

/// The `n` of `GET /n`.
struct Count(u64);

/// Runs the role until it is told to stop.
pub(crate) fn run(args: &RngArgs) -> Result<(), Failure> {
    let settings = RngSettings {
        delay: args.pace.delay(),
        burn: Duration::from_millis(args.http.burn_ms),
        max_bytes: args.max_bytes,
    };
    let mode = args.pace.access_log();
    let connections = if args.pace.fast {
        Connections::Kept
    } else {
        Connections::Closed
    };
    let process = ProcessSettings::new("rng", args.http.listen, &args.http.process);
    service::block_on(process.on_sigterm, async |log, stop| {
        let mut registry = metrics::registry();
        let metrics = HttpMetrics::register(&mut registry);
        let length = Gauge::default();
        registry.register(
            "rng_queue_length",
            "Requests waiting for their turn or having it",
            length.clone(),
        );
        let accesses = AccessRecord::new(log.clone(), metrics, mode, log_line);
        let service = Service {
            router: router(settings, length, accesses.clone()),
            address: (args.http.listen, args.http.port).into(),
            settings: ServeSettings::new(&args.http, connections),
            process,
            registry,
            readiness: Readiness::new(true),
        };
        tokio::try_join!(
            service::run(service, log, stop.clone()),
            accesses.summarise(stop)
        )?;
        Ok(())
    })
}

fn router(settings: RngSettings, length: Gauge, accesses: AccessRecord) -> Router {
    let queue = Queue {
        turn: Arc::default(),
        length,
        burn: settings.burn,
    };
    let plain = |methods: MethodRouter<RngSettings>| {
        methods
            .options(ALLOWED)
            .fallback((StatusCode::METHOD_NOT_ALLOWED, ALLOWED))
    };
    Router::new()
        .route("/", plain(get(home)))
        .route(
            "/{n}",
            get(random)
                .options(async |_: Count| ALLOWED)
                .fallback(async |_: Count| (StatusCode::METHOD_NOT_ALLOWED, ALLOWED)),
        )
        .fallback(async || not_found())
        .layer(from_fn_with_state(queue, take_turn))
        .layer(from_fn_with_state(accesses, record))
        .with_state(settings)
}

/// Holds the one turn while the request is served.
async fn take_turn(State(queue): State<Queue>, request: Request, next: Next) -> Response {
    let serving = request.extensions().get::<Slot>().map(Slot::serving);
    queue.length.inc();
    let waiting = Waiting(&queue.length);
    let turn = queue.turn.lock().await;
    let began = TurnBegan(Instant::now());
    burn(queue.burn).await;
    let mut response = next.run(request).await;
    drop((turn, waiting, serving));
    response.extensions_mut().insert(began);
    response
}

/// Leaves the queue's count however the request ends.
struct Waiting<'queue>(&'queue Gauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn home() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        format!("RNG running on {}\n", hostname()),
    )
}

async fn random(State(settings): State<RngSettings>, Count(count): Count) -> Response {
    if count > settings.max_bytes {
        let why = format!("at most {} bytes are given at once\n", settings.max_bytes);
        return (StatusCode::PAYLOAD_TOO_LARGE, why).into_response();
    }
    delay(settings.delay).await;
    (
        [(header::CONTENT_TYPE, "application/octet-stream")],
        Body::new(RandomBytes::new(count)),
    )
        .into_response()
}

fn not_found() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "ask for / or for a number of bytes, as in /32\n",
    )
}

impl<S: Send + Sync> FromRequestParts<S> for Count {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found())?;
        count(&text).map(Self).ok_or_else(not_found)
    }
}

/// Digits and nothing else. A number past what a machine holds is still a number, and too large.
fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn log_line(access: &Access) -> String {
    format!(
        "{} - - [{}] \"{} {} {:?}\" {} -",
        access.peer,
        access.at.strftime("%d/%b/%Y %H:%M:%S"),
        access.method,
        access.uri,
        access.version,
        access.status.as_u16(),
    )
}

#[cfg(test)]
mod tests;
