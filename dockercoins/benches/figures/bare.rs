//! Requests with the same HTTP library and nothing else: a process that answers 32 bytes, and one that asks
//! for them over as many connections as a fast worker has units under way.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ping::{Connection, Limits, Target};

use crate::harness::process::{Process, other_program};

/// The argument that makes this program the server.
pub(crate) const SERVER: &str = "bare-server";
const CONNECTIONS: usize = 16;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Answers until it is killed.
pub(crate) fn serve() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = async |_: Request<Incoming>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[7; 32]))))
            };
            let service = hyper::service::service_fn(answer);
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
}

/// Requests per second.
pub(crate) fn rate(duration: Duration) -> f64 {
    let program = std::env::current_exe().unwrap();
    let server = Process::spawn(other_program(program, &[SERVER]));
    let address = server.line("127.0.0.1:").parse().unwrap();
    let limits = Limits {
        connect: duration,
        answer: duration,
        body_bytes: 1024,
    };
    let target: Target = format!("http://{address}/32").parse().unwrap();
    let begin = Instant::now();
    let requests: u64 = runtime().block_on(async {
        let one = async || {
            let mut connection = Connection::open(address, limits).await.unwrap();
            let mut count = 0;
            while begin.elapsed() < duration {
                connection.get(&target).await.unwrap();
                count += 1;
            }
            count
        };
        // Not `join_all`, which asks all of a few futures whenever one of them has something.
        let all: FuturesUnordered<_> = (0..CONNECTIONS).map(|_| one()).collect();
        all.fold(0, async |sum, count| sum + count).await
    });
    f64::from(u32::try_from(requests).unwrap()) / begin.elapsed().as_secs_f64()
}
