//! What an HTTP role tells of each request: a log line or a share of a summary, and its metrics. It must
//! never change a request or an answer.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use http::{Method, StatusCode, Uri, Version, header};
use http_body::Body as _;
use jiff::Timestamp;

use crate::args::AccessLog;
use crate::failure::Failure;
use crate::log::Log;
use crate::metrics::HttpMetrics;
use crate::serve::Peer;
use crate::stop::Stop;

/// One answered request.
pub(crate) struct Access {
    pub(crate) peer: IpAddr,
    pub(crate) at: Timestamp,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    /// Bytes in the body, where that was known beforehand.
    pub(crate) length: Option<u64>,
    /// Time in service, without time in the queue.
    pub(crate) served_in: Duration,
}

/// When a request's turn came, put among the answer's extensions by a role that queues.
#[derive(Clone, Copy)]
pub(crate) struct TurnBegan(pub(crate) Instant);

/// Where accesses are told.
#[derive(Clone)]
pub(crate) struct AccessRecord {
    log: Log,
    metrics: HttpMetrics,
    mode: AccessLog,
    line: fn(&Access) -> String,
    requests: Arc<AtomicU64>,
}

impl AccessRecord {
    /// `line` is the role's own log format.
    pub(crate) fn new(
        log: Log,
        metrics: HttpMetrics,
        mode: AccessLog,
        line: fn(&Access) -> String,
    ) -> Self {
        Self {
            log,
            metrics,
            mode,
            line,
            requests: Arc::default(),
        }
    }

    /// Writes the summary each second, until stopping is wished; nothing where each request has its line.
    /// It never fails; its result is that of what runs beside it.
    pub(crate) async fn summarise(self, stop: Stop) -> Result<(), Failure> {
        if self.mode == AccessLog::Each {
            return Ok(());
        }
        let told = Cell::new(0);
        let tell = || {
            let all = self.requests.load(Ordering::Relaxed);
            let new = all - told.replace(all);
            if new > 0 {
                self.log
                    .line(format!("{new} requests answered in a second, {all} in all"));
            }
        };
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stop.wished() => break,
                _ = second.tick() => tell(),
            }
        }
        tell();
        Ok(())
    }
}

/// Middleware that tells of each request once it is answered.
pub(crate) async fn record(
    State(record): State<AccessRecord>,
    request: Request,
    next: Next,
) -> axum::response::Response {
    let arrived = Instant::now();
    let method = request.method().clone();
    let peer = request.extensions().get::<Peer>().copied();
    let head = (record.mode == AccessLog::Each).then(|| (request.uri().clone(), request.version()));
    let response = next.run(request).await;
    let status = response.status();
    record.metrics.answered(&method, status, arrived.elapsed());
    record.requests.fetch_add(1, Ordering::Relaxed);
    if let Some((uri, version)) = head {
        let began = response
            .extensions()
            .get::<TurnBegan>()
            .map_or(arrived, |turn| turn.0);
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let access = Access {
            peer: peer.map_or(unknown, |peer| peer.0).ip(),
            at: Timestamp::now(),
            method,
            uri,
            version,
            status,
            length: length(&response),
            served_in: began.elapsed(),
        };
        record.log.line((record.line)(&access));
    }
    response
}

fn length(response: &http::Response<Body>) -> Option<u64> {
    let header = response.headers().get(header::CONTENT_LENGTH);
    header
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .or_else(|| response.body().size_hint().exact())
}

#[cfg(test)]
pub(crate) fn example(method: Method, path: &'static str) -> Access {
    Access {
        peer: [172, 18, 0, 3].into(),
        at: "2023-12-14T08:15:00Z".parse().unwrap(),
        method,
        uri: Uri::from_static(path),
        version: Version::HTTP_11,
        status: StatusCode::OK,
        length: Some(64),
        served_in: Duration::from_micros(100_990),
    }
}
