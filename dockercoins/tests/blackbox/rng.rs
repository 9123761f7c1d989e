//! The contract of rng, over the wire.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::http::{connect, get, read_response, request};
use crate::harness::server::{Server, address_in};
use crate::harness::{PATIENCE, wait_until};

#[test]
fn answers_as_the_original() {
    let rng = Server::start("rng", &["--delay-ms", "1"]);
    let bytes = rng.get("/32");
    assert_eq!((bytes.status, bytes.body.len()), (200, 32));
    assert_eq!(
        bytes.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(bytes.header("content-length"), Some("32"));

    let home = rng.get("/");
    assert_eq!(
        home.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(home.text(), format!("RNG running on {hostname}"));

    let method = |method, path| {
        request(
            rng.address,
            &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"),
        )
    };
    let head = method("HEAD", "/32");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("32"), 0)
    );
    let options = method("OPTIONS", "/32");
    assert_eq!(
        (options.status, options.header("allow")),
        (200, Some("GET, HEAD, OPTIONS"))
    );
    let post = method("POST", "/32");
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(rng.get("/thirty-two").status, 404);
    assert_eq!(rng.get("/99999999999999999999999").status, 413);
    assert_eq!(rng.get("/1048576").body.len(), 1_048_576);
    rng.process.line("\"GET /32 HTTP/1.1\" 200 -");
}

#[test]
fn closes_each_connection_unless_it_is_fast() {
    // Without a word about the connection, HTTP/1.1 keeps it: that these answers end shows the difference.
    let ask = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let rng = Server::start("rng", &["--delay-ms", "0"]);
    let answer = request(rng.address, &ask.repeat(3));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.body.len(), 1, "one answer, then the end");

    let fast = Server::start("rng", &["--fast"]);
    let last = "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = request(fast.address, &format!("{ask}{ask}{last}"));
    let body = String::from_utf8_lossy(&answers.body).into_owned();
    assert_eq!(
        answers.head.matches("HTTP/1.1 200").count() + body.matches("HTTP/1.1 200").count(),
        3
    );
}

#[test]
fn serves_strictly_one_at_a_time() {
    let rng = Server::start("rng", &["--delay-ms", "100"]);
    let address = rng.address;
    let begin = Instant::now();
    let askers: Vec<_> = (0..5)
        .map(|_| thread::spawn(move || get(address, "/8")))
        .collect();
    // Behind at least the one being served, and none is served at the same time.
    for asker in askers {
        asker.join().unwrap();
    }
    assert!(begin.elapsed() >= Duration::from_millis(500));
}

#[test]
fn slow_and_idle_clients_block_nobody() {
    let rng = Server::start("rng", &["--delay-ms", "0"]);
    let idle: Vec<_> = (0..50).map(|_| connect(rng.address)).collect();
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(rng.address);
            stream.write_all(b"GET /32 HT").unwrap();
            stream
        })
        .collect();
    // Asks for much and never reads.
    let mut deaf = connect(rng.address);
    deaf.write_all(b"GET /1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(rng.get("/32").body.len(), 32);
    drop((idle, slow, deaf));
}

#[test]
fn a_request_that_doesnt_come_is_not_waited_for() {
    let rng = Server::start("rng", &["--read-timeout-ms", "200"]);
    for begun in ["", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = connect(rng.address);
        stream.write_all(begun.as_bytes()).unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut rest).unwrap(); // ends, within PATIENCE
    }
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let rng = Server::start("rng", &[]);
    let mut stream = connect(rng.address);
    stream.write_all(b"GET /32 HTTP/1.0\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(read_response(&mut stream).body.len(), 32);
}

#[test]
fn what_is_no_http_is_refused() {
    let rng = Server::start("rng", &["--delay-ms", "0"]);
    for raw in [
        "\x16\x03\x01 hello",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let status = request(rng.address, raw).status;
        assert!((400..=505).contains(&status), "{raw:?}: {status}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "1".repeat(100_000));
    let mut stream = connect(rng.address);
    stream.write_all(long.as_bytes()).ok();
    assert_eq!(rng.get("/32").body.len(), 32, "still serves");
}

#[test]
fn metrics_answer_beside_a_full_queue() {
    let rng = Server::start("rng", &["--delay-ms", "600000", "--metrics-port", "0"]);
    let metrics = address_in(&rng.process.line("metrics on http://"));
    let mut waiting = connect(rng.address);
    waiting
        .write_all(b"GET /32 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut behind = connect(rng.address);
    behind
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    wait_until("both wait", || {
        get(metrics, "/metrics")
            .text()
            .contains("dockercoins_rng_queue_length 2\n")
    });
    assert_eq!(get(metrics, "/healthz").status, 200);
    assert_eq!(get(metrics, "/readyz").status, 200);
}
