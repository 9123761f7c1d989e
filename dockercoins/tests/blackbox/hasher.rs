//! The contract of hasher, over the wire.

use std::io::Write;
use std::thread;

use crate::harness::http::{Response, connect, get, read_response, request};
use crate::harness::server::Server;

fn post(address: std::net::SocketAddr, headers: &str, body: &str) -> Response {
    let length = body.len();
    request(
        address,
        &format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ),
    )
}

#[test]
fn answers_as_the_original() {
    let hasher = Server::start("hasher", &["--delay-ms", "1"]);
    for headers in [
        "",
        "Content-Type: application/octet-stream\r\n",
        "Content-Type: ;;\r\n",
    ] {
        let hash = post(hasher.address, headers, "abc");
        assert_eq!(hash.status, 200);
        assert_eq!(
            hash.header("content-type"),
            Some("text/plain;charset=utf-8")
        );
        assert_eq!(
            hash.text(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
    assert!(hasher.get("/").text().starts_with("HASHER running on "));
    assert_eq!(hasher.get("/nothing").status, 404);
    let line = hasher.process.line("\"POST / HTTP/1.1\" 200 64 0.");
    assert!(line.contains(" +0000] "), "{line}");
}

#[test]
fn huge_and_unfinished_bodies_harm_nobody() {
    let hasher = Server::start(
        "hasher",
        &[
            "--delay-ms",
            "1",
            "--concurrency",
            "1",
            "--max-body-bytes",
            "1000",
        ],
    );
    assert_eq!(post(hasher.address, "", &"x".repeat(1001)).status, 413);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = connect(hasher.address);
    stream
        .write_all(format!("{chunked}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000)).as_bytes())
        .unwrap();
    assert_eq!(read_response(&mut stream).status, 413);
    // With one place only: were unfinished bodies to take it, nothing else would be answered.
    let unfinished: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = connect(hasher.address);
            stream
                .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf")
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(post(hasher.address, "", "abc").status, 200);
    drop(unfinished);
}

#[test]
fn gigabytes_cost_no_memory() {
    let hasher = Server::start(
        "hasher",
        &["--delay-ms", "0", "--max-body-bytes", "1000000000"],
    );
    let before = hasher.process.rss_kib();
    let size = 256 * 1024 * 1024;
    let mut stream = connect(hasher.address);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![0; 1024 * 1024];
    for _ in 0..256 {
        stream.write_all(&chunk).unwrap();
    }
    // The SHA-256 of 256 MiB of zeros, by coreutils.
    let hash = read_response(&mut stream);
    assert_eq!(
        hash.text(),
        "a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484"
    );
    let after = hasher.process.rss_kib();
    assert!(
        after < before + 4096,
        "{before} KiB before, {after} KiB after"
    );
}

#[test]
fn serves_many_at_a_time() {
    let hasher = Server::start("hasher", &["--delay-ms", "300"]);
    let address = hasher.address;
    let askers: Vec<_> = (0..20)
        .map(|_| thread::spawn(move || post(address, "", "x")))
        .collect();
    // All twenty have a place: a page request is the twenty-first, and only that one waits.
    for asker in askers {
        let hash = asker.join().unwrap();
        assert_eq!(hash.status, 200);
    }
    assert!(get(address, "/").text().starts_with("HASHER"));
}
