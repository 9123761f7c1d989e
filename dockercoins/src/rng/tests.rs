//! The contract of rng, against its router, without a socket.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use prometheus_client::metrics::gauge::Gauge;
use tower::ServiceExt;

use super::*;
use crate::access::example;
use crate::args::AccessLog;
use crate::log::Log;

const DELAY: Duration = Duration::from_millis(100);

fn service() -> Router {
    let settings = RngSettings {
        delay: DELAY,
        burn: Duration::ZERO,
        max_bytes: 100_000,
    };
    let metrics = HttpMetrics::register(&mut metrics::registry());
    let accesses = AccessRecord::new(Log::start().0, metrics, AccessLog::Each, log_line);
    router(settings, Gauge::default(), accesses)
}

#[track_caller]
fn check(method: Method, path: &str, status: StatusCode, body: Option<usize>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = service().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        if status == StatusCode::METHOD_NOT_ALLOWED || method == Method::OPTIONS {
            assert_eq!(response.headers()[header::ALLOW], "GET, HEAD, OPTIONS");
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        if let Some(length) = body {
            assert_eq!(bytes.len(), length, "{method} {path}");
        }
    });
}

#[test]
fn answers_by_method_and_path() {
    check(Method::GET, "/32", StatusCode::OK, Some(32));
    check(Method::GET, "/0", StatusCode::OK, Some(0));
    check(Method::GET, "/032", StatusCode::OK, Some(32));
    check(Method::GET, "/100000", StatusCode::OK, Some(100_000));
    check(Method::HEAD, "/32", StatusCode::OK, Some(0));
    check(Method::HEAD, "/", StatusCode::OK, Some(0));
    check(Method::OPTIONS, "/", StatusCode::OK, Some(0));
    check(Method::OPTIONS, "/32", StatusCode::OK, Some(0));
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::TRACE,
    ] {
        check(method.clone(), "/32", StatusCode::METHOD_NOT_ALLOWED, None);
        check(method.clone(), "/", StatusCode::METHOD_NOT_ALLOWED, None);
        check(method, "/thirty", StatusCode::NOT_FOUND, None);
    }
}

#[test]
fn refuses_what_is_no_number_or_too_many() {
    for path in [
        "/abc", "/-1", "/+5", "/3.5", "/0x20", "/32/", "/32/1", "//", "/%F0", "/%20",
    ] {
        check(Method::GET, path, StatusCode::NOT_FOUND, None);
    }
    check(Method::GET, "/100001", StatusCode::PAYLOAD_TOO_LARGE, None);
    let long = format!("/{}", "9".repeat(400));
    check(Method::GET, &long, StatusCode::PAYLOAD_TOO_LARGE, None);
}

#[tokio::test(start_paused = true)]
async fn every_path_waits_its_turn() {
    let service = service();
    let begin = tokio::time::Instant::now();
    let ask = |path: &'static str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = service.clone().oneshot(request);
        async move {
            answer.await.unwrap();
            begin.elapsed()
        }
    };
    let ended = join_all(["/8", "/8", "/", "/nothing", "/8"].map(ask)).await;
    let expect = [1, 2, 2, 2, 3].map(|delays| DELAY * delays);
    for (ended, expect) in ended.into_iter().zip(expect) {
        // Tokio's timer counts whole milliseconds.
        assert!(
            ended >= expect && ended < expect + DELAY / 2,
            "{ended:?}, not {expect:?}"
        );
    }
}

#[tokio::test]
async fn bytes_are_random_and_counted_beforehand() {
    let ask = async || {
        let settings = RngSettings {
            delay: Duration::ZERO,
            burn: Duration::ZERO,
            max_bytes: 64,
        };
        let response = random(State(settings), Count(64)).await;
        assert_eq!(
            http_body::Body::size_hint(response.body()).exact(),
            Some(64)
        );
        response.into_body().collect().await.unwrap().to_bytes()
    };
    assert_ne!(ask().await, ask().await);
}

#[test]
fn log_lines_are_those_of_the_original() {
    let line = log_line(&example(Method::GET, "/32"));
    assert_eq!(
        line,
        r#"172.18.0.3 - - [14/Dec/2023 08:15:00] "GET /32 HTTP/1.1" 200 -"#
    );
}
