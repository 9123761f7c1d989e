//! Thousands of clients that do nothing: no service stops for them, nor grows without bound.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::harness::http::connect;
use crate::harness::redis::{Redis, RedisKind};
use crate::harness::server::Server;

const CROWD: usize = 5000;

/// Descriptors for the crowd; where the hard limit is low, a smaller crowd has to do.
fn crowd_size() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let files = limit
        .maximum
        .map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    CROWD.min(files - 200)
}

fn crowd(address: SocketAddr, begun: &[u8]) -> Vec<TcpStream> {
    (0..crowd_size())
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(begun).ok();
            stream
        })
        .collect()
}

#[track_caller]
fn check(server: &Server, path: &str) {
    for begun in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let crowd = crowd(server.address, begun.as_bytes());
        assert_eq!(
            server.get(path).status,
            200,
            "beside a crowd that has sent {begun:?}"
        );
        let rss = server.process.rss_kib();
        // 1,024 connections with hyper's 8 KiB each, and the program itself.
        assert!(
            rss < 32 * 1024,
            "{rss} KiB beside a crowd that has sent {begun:?}"
        );
        drop(crowd);
    }
}

#[test]
fn webui_stands_a_crowd() {
    let redis = Redis::start(RedisKind::Store);
    check(
        &Server::start("webui", &["--redis-url", &redis.url()]),
        "/json",
    );
}

#[test]
fn rng_stands_a_crowd() {
    check(&Server::start("rng", &["--delay-ms", "0"]), "/");
}

#[test]
fn hasher_stands_a_crowd() {
    check(&Server::start("hasher", &["--delay-ms", "0"]), "/");
}

#[test]
fn the_store_stands_a_crowd() {
    let redis = Redis::start(RedisKind::Store);
    let mut before = redis.connect();
    for begun in ["", "*2\r\n$3\r\nGE", "PI"] {
        let crowd = crowd(redis.address, begun.as_bytes());
        assert_eq!(redis.hashes(), 0);
        // The one who was there first and has asked lately is still there.
        let pong: String = redis::cmd("PING")
            .query(&mut before)
            .or_else(|_| {
                before = redis.connect();
                redis::cmd("PING").query(&mut before)
            })
            .unwrap();
        assert_eq!(pong, "PONG");
        let rss = redis.process.rss_kib();
        assert!(rss < 32 * 1024, "{rss} KiB");
        drop(crowd);
    }
}
