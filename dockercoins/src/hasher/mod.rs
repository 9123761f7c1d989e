//! `hasher`: SHA-256 of what is posted, a fixed number of requests at a time. It must never be the
//! bottleneck of the lab, so it never serves fewer than its 20 unless told to, and a client that is slow to
//! send its body takes none of those places.
//!
//! ```text
//! read and hash the body ──▶ one of 20 places: wait, answer ──▶ write
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use data_encoding::HEXLOWER;
use http::{StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::access::{Access, AccessRecord, TurnBegan, record};
use crate::args::HasherArgs;
use crate::burn::burn;
use crate::failure::Failure;
use crate::metrics::{self, HttpMetrics, Readiness};
use crate::serve::{Connections, ServeSettings, Slot};
use crate::service::{self, ProcessSettings, Service};
use crate::{delay, hostname};

/// How hasher answers.
#[derive(Clone, Debug)]
struct HasherSettings {
    delay: Duration,
    burn: Duration,
    max_body_bytes: u64,
    read_timeout: Duration,
    places: Arc<Semaphore>,
}

/// Why a body cannot be hashed.
enum Refused {
    TooLarge(u64),
    TooSlow,
    BrokenOff,
}

/// Runs the role until it is told to stop.
pub(crate) fn run(args: &HasherArgs) -> Result<(), Failure> {
    let serve = ServeSettings::new(&args.http, Connections::Kept);
    let settings = HasherSettings {
        delay: args.pace.delay(),
        burn: Duration::from_millis(args.http.burn_ms),
        max_body_bytes: args.max_body_bytes,
        read_timeout: serve.read_timeout,
        places: Arc::new(Semaphore::new(
            usize::try_from(args.concurrency).unwrap_or(1),
        )),
    };
    let mode = args.pace.access_log();
    let process = ProcessSettings::new("hasher", args.http.listen, &args.http.process);
    service::block_on(process.on_sigterm, async |log, stop| {
        let mut registry = metrics::registry();
        let metrics = HttpMetrics::register(&mut registry);
        let accesses = AccessRecord::new(log.clone(), metrics, mode, log_line);
        let service = Service {
            router: router(settings, accesses.clone()),
            address: (args.http.listen, args.http.port).into(),
            settings: serve,
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

fn router(settings: HasherSettings, accesses: AccessRecord) -> Router {
    Router::new()
        .route("/", get(home).post(hash))
        .fallback((StatusCode::NOT_FOUND, "post what is to be hashed to /\n"))
        .layer(from_fn_with_state(accesses, record))
        .with_state(settings)
}

async fn home(State(settings): State<HasherSettings>, slot: Option<Extension<Slot>>) -> Response {
    let page = format!("HASHER running on {}\n", hostname());
    let kind = [(header::CONTENT_TYPE, "text/html;charset=utf-8")];
    in_turn(&settings, slot, async { (kind, page).into_response() }).await
}

async fn hash(
    State(settings): State<HasherSettings>,
    slot: Option<Extension<Slot>>,
    request: Request,
) -> Response {
    let digest = match digest(request.into_body(), &settings).await {
        Ok(digest) => digest,
        Err(refused) => return refused.into_response(),
    };
    in_turn(&settings, slot, async {
        delay(settings.delay).await;
        let kind = [(header::CONTENT_TYPE, "text/plain;charset=utf-8")];
        (kind, HEXLOWER.encode(&digest)).into_response()
    })
    .await
}

/// Serves a request that is wholly read, in one of the places.
async fn in_turn(
    settings: &HasherSettings,
    slot: Option<Extension<Slot>>,
    answer: impl Future<Output = Response>,
) -> Response {
    let serving = slot.as_ref().map(|slot| slot.serving());
    let place = settings.places.acquire().await;
    let began = TurnBegan(Instant::now());
    burn(settings.burn).await;
    let mut response = answer.await;
    drop((place, serving));
    response.extensions_mut().insert(began);
    response
}

/// Hashes the body as it comes, so that its size costs no memory.
async fn digest(
    mut body: Body,
    settings: &HasherSettings,
) -> Result<sha2::digest::Output<Sha256>, Refused> {
    let limit = settings.max_body_bytes;
    if body.size_hint().lower() > limit {
        return Err(Refused::TooLarge(limit));
    }
    let mut hasher = Sha256::new();
    let mut length = 0;
    loop {
        let frame = timeout(settings.read_timeout, body.frame())
            .await
            .map_err(|_| Refused::TooSlow)?;
        let Some(frame) = frame else {
            return Ok(hasher.finalize());
        };
        let frame = frame.map_err(|_| Refused::BrokenOff)?;
        let Some(data) = frame.data_ref() else {
            continue; // trailers
        };
        length += data.len() as u64;
        if length > limit {
            return Err(Refused::TooLarge(limit));
        }
        hasher.update(data);
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // Part of the body is unread: the connection is of no further use.
        let close = [(header::CONNECTION, "close")];
        let (status, why) = match self {
            Self::TooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("at most {limit} bytes are hashed at once\n"),
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time\n".to_owned(),
            ),
            Self::BrokenOff => (
                StatusCode::BAD_REQUEST,
                "the body is not whole\n".to_owned(),
            ),
        };
        (status, close, why).into_response()
    }
}

fn log_line(access: &Access) -> String {
    let length = access
        .length
        .map_or_else(|| "-".to_owned(), |length| length.to_string());
    format!(
        "{} - - [{}] \"{} {} {:?}\" {} {length} {:.4}",
        access.peer,
        access.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        access.method,
        access.uri,
        access.version,
        access.status.as_u16(),
        access.served_in.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests;
