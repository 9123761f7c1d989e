//! The contract of hasher, against its router, without a socket.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Method, Request};
use tower::ServiceExt;

use super::*;
use crate::access::example;
use crate::args::AccessLog;
use crate::log::Log;

const DELAY: Duration = Duration::from_millis(100);

fn service(places: usize) -> Router {
    let settings = HasherSettings {
        delay: DELAY,
        burn: Duration::ZERO,
        max_body_bytes: 1000,
        read_timeout: Duration::from_secs(1),
        places: Arc::new(Semaphore::new(places)),
    };
    let metrics = HttpMetrics::register(&mut metrics::registry());
    let accesses = AccessRecord::new(Log::start().0, metrics, AccessLog::Each, log_line);
    router(settings, accesses)
}

async fn answer(request: Request<Body>) -> (StatusCode, String) {
    let response = service(20).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn hashes_what_is_posted() {
    let request = Request::post("/")
        .header("content-type", "text/nonsense")
        .body(Body::from("abc"))
        .unwrap();
    let (status, body) = answer(request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let (_, empty) = answer(Request::post("/").body(Body::empty()).unwrap()).await;
    assert!(empty.starts_with("e3b0c442"));
}

#[tokio::test(start_paused = true)]
async fn other_paths_and_methods() {
    let (status, body) = answer(Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with("HASHER running on "), "{body}");
    let elsewhere = Request::post("/hash").body(Body::empty()).unwrap();
    assert_eq!(answer(elsewhere).await.0, StatusCode::NOT_FOUND);
    let put = Request::builder()
        .method(Method::PUT)
        .uri("/")
        .body(Body::empty())
        .unwrap();
    assert_eq!(answer(put).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn a_body_too_large_or_too_slow_is_refused() {
    let large = Request::post("/").body(Body::from(vec![0; 1001])).unwrap();
    assert_eq!(answer(large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let chunks = (0..1001).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"x")));
    let unannounced = Request::post("/")
        .body(Body::from_stream(stream::iter(chunks)))
        .unwrap();
    assert_eq!(answer(unannounced).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let never = stream::pending::<Result<Bytes, Infallible>>();
    let slow = Request::post("/").body(Body::from_stream(never)).unwrap();
    assert_eq!(answer(slow).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn serves_as_many_at_a_time_as_it_has_places() {
    let service = service(20);
    let begin = tokio::time::Instant::now();
    let ask = |_| {
        service
            .clone()
            .oneshot(Request::post("/").body(Body::from("x")).unwrap())
    };
    join_all((0..20).map(ask)).await;
    let first_twenty = begin.elapsed();
    assert!(first_twenty < DELAY * 2, "{first_twenty:?}");
    join_all((0..21).map(ask)).await;
    assert!(begin.elapsed() >= first_twenty + DELAY * 2);
}

#[test]
fn log_lines_are_those_of_the_original() {
    let line = log_line(&example(Method::POST, "/"));
    assert_eq!(
        line,
        r#"172.18.0.3 - - [14/Dec/2023:08:15:00 +0000] "POST / HTTP/1.1" 200 64 0.1010"#
    );
}
