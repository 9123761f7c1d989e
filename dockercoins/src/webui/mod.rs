//! `webui`: one page that shows how fast the workers go, and `/json`, from which it draws. It must never
//! need anything but Redis, and must go on serving while Redis is away.

mod page;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use ping::Resolver;
use serde::Serialize;

use crate::access::{Access, AccessRecord, record};
use crate::args::{AccessLog, WebuiArgs};
use crate::burn::burn;
use crate::datastore::{Datastore, Totals};
use crate::failure::Failure;
use crate::metrics::{self, HttpMetrics, Readiness};
use crate::serve::{Connections, ServeSettings, Slot};
use crate::service::{self, ProcessSettings, Service};
use reading::{Reading, Sharing};

/// How long Redis may take: less than the page's own patience.
const REDIS_TIME_LIMIT: Duration = Duration::from_secs(2);

/// What `/json` says: these three fields and no other.
#[derive(Serialize)]
struct Counts {
    coins: u64,
    hashes: Option<String>,
    now: f64,
}

/// What `/json` says, with status 503, while Redis is away.
#[derive(Serialize)]
struct Absent {
    error: String,
    now: f64,
}

/// Runs the role until it is told to stop.
pub(crate) fn run(args: &WebuiArgs) -> Result<(), Failure> {
    let process = ProcessSettings::new("webui", args.http.listen, &args.http.process);
    let sharing = if args.fast {
        Sharing::Briefly
    } else {
        Sharing::None
    };
    let burn = Duration::from_millis(args.http.burn_ms);
    service::block_on(process.on_sigterm, async |log, stop| {
        let datastore =
            Datastore::new(&args.redis_url, Resolver::from_system()?, REDIS_TIME_LIMIT)?;
        let mut registry = metrics::registry();
        let metrics = HttpMetrics::register(&mut registry);
        let readiness = Readiness::new(true);
        let reading = Arc::new(Reading::new(
            datastore,
            sharing,
            readiness.clone(),
            log.clone(),
        ));
        // The page asks each second: lines about that would only hide the others.
        let accesses = AccessRecord::new(log.clone(), metrics, AccessLog::Summary, |_: &Access| {
            String::new()
        });
        let service = Service {
            router: router(reading, burn, accesses),
            address: (args.http.listen, args.http.port).into(),
            settings: ServeSettings::new(&args.http, Connections::Kept),
            process,
            registry,
            readiness,
        };
        service::run(service, log, stop).await
    })
}

fn router(reading: Arc<Reading>, burn: Duration, accesses: AccessRecord) -> Router {
    Router::new()
        .route(
            "/",
            get(async || (StatusCode::FOUND, [(header::LOCATION, "/index.html")])),
        )
        .route("/json", get(counts).with_state(reading))
        .route("/{file}", get(page::file))
        .fallback((StatusCode::NOT_FOUND, "the page is at /\n"))
        .layer(from_fn_with_state(burn, serve_one))
        .layer(from_fn_with_state(accesses, record))
        .layer(from_fn(protect))
}

async fn counts(State(reading): State<Arc<Reading>>) -> Response {
    let totals = reading.totals().await;
    let now = now();
    let answer = match totals {
        Ok(Totals { coins, hashes }) => Json(Counts { coins, hashes, now }).into_response(),
        Err(error) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(Absent { error, now })).into_response()
        }
    };
    ([(header::CACHE_CONTROL, "no-store")], answer).into_response()
}

async fn serve_one(State(amount): State<Duration>, request: Request, next: Next) -> Response {
    let _serving = request.extensions().get::<Slot>().map(Slot::serving);
    burn(amount).await;
    next.run(request).await
}

/// The page loads nothing from elsewhere, and nothing may be slipped into it.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
        ),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 stay below 2^52 for 140,000 years"
    )]
    let milliseconds = Timestamp::now().as_millisecond() as f64;
    milliseconds / 1000.0
}
