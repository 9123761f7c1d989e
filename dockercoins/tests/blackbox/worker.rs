//! The worker: what it writes, what it asks, and that nothing stops it.

use std::collections::HashSet;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use redis::Commands;
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::harness::http::{Fake, answer, connect, get};
use crate::harness::loopback::free_address;
use crate::harness::process::{Process, program};
use crate::harness::redis::{Redis, RedisKind};
use crate::harness::server::{Server, address_in};
use crate::harness::wait_until;

/// A worker with short delays; `more` overrides them.
fn worker(rng: &str, hasher: &str, redis: &str, more: &[&str]) -> Process {
    let mut arguments = vec![
        "worker",
        "--rng-url",
        rng,
        "--hasher-url",
        hasher,
        "--redis-url",
        redis,
    ];
    arguments.extend([
        "--delay-ms",
        "1",
        "--report-interval-ms",
        "100",
        "--back-off-ms",
        "100",
    ]);
    arguments.extend(more);
    Process::start(&arguments)
}

struct Services {
    rng: Server,
    hasher: Server,
    redis: Redis,
}

impl Services {
    fn start(kind: RedisKind) -> Self {
        Self {
            rng: Server::start("rng", &["--delay-ms", "1"]),
            hasher: Server::start("hasher", &["--delay-ms", "1"]),
            redis: Redis::start(kind),
        }
    }

    fn worker(&self, more: &[&str]) -> Process {
        worker(
            &self.rng.url("http"),
            &self.hasher.url("http"),
            &self.redis.url(),
            more,
        )
    }
}

#[track_caller]
fn check_wallet(wallet: &[(String, Vec<u8>)], prefix: &str) {
    for (hash, bytes) in wallet {
        assert_eq!(
            *hash,
            data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
        );
        assert!(hash.starts_with(prefix), "{hash}");
    }
}

fn keeps_counts_and_coins(kind: RedisKind) {
    let services = Services::start(kind);
    let mut worker = services.worker(&[]);
    wait_until("there are coins", || services.redis.wallet().len() >= 3);
    worker.line("units of work done, updating hash counter");
    let coin = worker.line("Coin found: 0");
    assert!(coin.ends_with("..."), "{coin}");
    assert_eq!(coin.len(), "Coin found: 01234567...".len());
    worker.signal(Signal::TERM);
    assert_eq!(worker.end(), Some(0));
    check_wallet(&services.redis.wallet(), "0");
    // Told to stop, it finished and reported all it had begun: each hash is counted.
    let posts = services.hasher.process.count("\"POST / HTTP/1.1\" 200 64");
    assert_eq!(services.redis.hashes(), posts as u64);
}

#[test]
fn keeps_counts_and_coins_in_redis() {
    keeps_counts_and_coins(RedisKind::Debian);
}

#[test]
fn keeps_counts_and_coins_in_the_store() {
    keeps_counts_and_coins(RedisKind::Store);
}

fn survives_the_death_of_redis(kind: RedisKind) {
    let mut services = Services::start(kind);
    let mut worker = services.worker(&["--fast"]);
    for _ in 0..3 {
        let before = services.redis.hashes();
        wait_until("there are more hashes", || {
            services.redis.hashes() > before + 100
        });
        services.redis.process.kill();
        worker.line(&format!("Redis at {}", services.redis.address));
        services.redis.restart();
    }
    let before = services.redis.hashes();
    wait_until("it goes on", || services.redis.hashes() > before);
    assert!(worker.is_running());
    worker.signal(Signal::TERM);
    assert_eq!(worker.end(), Some(0));
    check_wallet(&services.redis.wallet(), "0");
}

#[test]
fn survives_the_death_of_redis_itself() {
    survives_the_death_of_redis(RedisKind::Debian);
}

#[test]
fn survives_the_death_of_the_store() {
    survives_the_death_of_redis(RedisKind::Store);
}

#[test]
fn one_hash_in_sixteen_is_a_coin() {
    let rng = Server::start("rng", &["--fast"]);
    let hasher = Server::start("hasher", &["--fast"]);
    let redis = Redis::start(RedisKind::Store);
    let mut worker = worker(
        &rng.url("http"),
        &hasher.url("http"),
        &redis.url(),
        &["--fast", "--delay-ms", "0"],
    );
    wait_until("there are hashes enough", || redis.hashes() > 8000);
    worker.signal(Signal::TERM);
    worker.end();
    let float = |count: u64| f64::from(u32::try_from(count).unwrap());
    let (all, coins) = (float(redis.hashes()), float(redis.wallet().len() as u64));
    let sigma = (all * (1.0 / 16.0) * (15.0 / 16.0)).sqrt();
    let off = (coins - all / 16.0).abs() / sigma;
    assert!(
        off < 4.0,
        "{coins} coins of {all} hashes are {off:.1} sigma from 1/16"
    );
    check_wallet(&redis.wallet(), "0");
}

#[test]
fn a_killed_worker_loses_one_interval_at_most() {
    let services = Services::start(RedisKind::Store);
    let mut worker = services.worker(&["--report-interval-ms", "300"]);
    wait_until("it works", || services.redis.hashes() > 50);
    worker.signal(Signal::KILL);
    worker.end();
    let posts = services.hasher.process.count("\"POST / HTTP/1.1\" 200 64") as u64;
    let hashes = services.redis.hashes();
    // In one interval of 300 ms, with at least 3 ms a unit, at most 100 units are done.
    assert!(
        hashes <= posts && posts - hashes <= 100,
        "{posts} posts, {hashes} counted"
    );
}

#[test]
fn each_request_has_a_connection_of_its_own_and_takes_its_turn() {
    let rng: Vec<_> = (0..3)
        .map(|_| Server::start("rng", &["--delay-ms", "0"]))
        .collect();
    let hasher = Server::start("hasher", &["--delay-ms", "0"]);
    let redis = Redis::start(RedisKind::Store);
    let urls: Vec<_> = rng.iter().map(|rng| rng.url("http")).collect();
    let _worker = worker(&urls.join(","), &hasher.url("http"), &redis.url(), &[]);
    wait_until("each was asked", || {
        rng.iter().all(|rng| rng.process.count("GET /32") >= 20)
    });
    let counts: Vec<_> = rng.iter().map(|rng| rng.process.count("GET /32")).collect();
    let (min, max) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(max - min <= 5, "turns are even: {counts:?}");
}

#[test]
fn lab_mode_connects_anew_and_fast_mode_does_not() {
    let connections = |more: &[&str]| {
        let hasher = Server::start("hasher", &["--delay-ms", "0"]);
        let redis = Redis::start(RedisKind::Store);
        // Counts connections on their way to a real rng.
        let rng = Server::start("rng", &["--fast"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let peers = Arc::new(Mutex::new(HashSet::new()));
        let seen = Arc::clone(&peers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let inside = stream.unwrap();
                seen.lock().unwrap().insert(inside.peer_addr().unwrap());
                let outside = connect(rng.address);
                let copy = |mut from: std::net::TcpStream, mut to: std::net::TcpStream| {
                    thread::spawn(move || {
                        std::io::copy(&mut from, &mut to).ok();
                        to.shutdown(std::net::Shutdown::Both).ok();
                    });
                };
                copy(inside.try_clone().unwrap(), outside.try_clone().unwrap());
                copy(outside, inside);
            }
        });
        let _worker = worker(&url, &hasher.url("http"), &redis.url(), more);
        wait_until("it has worked", || redis.hashes() >= 100);
        peers.lock().unwrap().len()
    };
    assert!(connections(&[]) >= 100);
    assert!(connections(&["--fast"]) <= 16);
}

#[test]
fn two_releases() {
    let lines = |arguments: &[&str]| {
        let mut process = Process::start(arguments);
        assert_eq!(process.end(), Some(0));
        process.lines()
    };
    assert_eq!(lines(&["worker", "--version"]), ["dockercoins worker 0.1"]);
    assert_eq!(
        lines(&["worker", "--version", "--release", "0.2"]),
        ["dockercoins worker 0.2"]
    );
    let services = Services::start(RedisKind::Store);
    let environment = [("DOCKERCOINS_WORKER_RELEASE", "0.2")];
    let redis = services.redis.url();
    let second = Process::start_with(&["worker", "--redis-url", &redis], &environment);
    second.line(&format!(
        "worker 0.2: rng http://rng/, hasher http://hasher/, Redis {}",
        services.redis.address
    ));
}

/// A worker with this rng and a true hasher says the text, waits, and goes on saying it.
#[track_caller]
fn rng_is_told(answer: impl Fn(usize) -> Vec<u8> + Send + 'static, more: &[&str], text: &str) {
    let rng = Fake::start(answer);
    let hasher = Server::start("hasher", &["--delay-ms", "0"]);
    let redis = Redis::start(RedisKind::Store);
    let mut worker = worker(&rng.url(), &hasher.url("http"), &redis.url(), more);
    worker.line(text);
    worker.line("waiting 0.1 s before going on");
    let asked = rng.requests();
    wait_until("it tries again", || rng.requests() > asked);
    assert!(worker.is_running());
    assert_eq!(redis.hashes(), 0);
}

#[test]
fn tells_what_is_wrong_with_rng() {
    rng_is_told(
        |_| answer("500 Internal Server Error", b"out of entropy\n"),
        &[],
        "rng answers 500 Internal Server Error, \"out of entropy\" (see the log of rng)",
    );
    rng_is_told(
        |_| answer("200 OK", b"short"),
        &[],
        "rng gave 5 bytes where 32 were asked for",
    );
    rng_is_told(
        |_| answer("200 OK", &[0; 33]),
        &[],
        "rng gave 33 bytes where 32 were asked for",
    );
    rng_is_told(
        |_| answer("200 OK", &vec![0; 100_000]),
        &[],
        "sent a body that cannot be used",
    );
    rng_is_told(
        |_| b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\nhalf".to_vec(),
        &[],
        "rng fails: ",
    );
    rng_is_told(|_| Vec::new(), &[], "broke off before its answer was whole");
    rng_is_told(|_| b"SSH-2.0-OpenSSH\r\n".to_vec(), &[], "rng fails: ");
    rng_is_told(
        |_| {
            thread::sleep(Duration::from_millis(500));
            answer("200 OK", &[0; 32])
        },
        &["--timeout-ms", "50"],
        "did not answer within 50ms (rng has too much to do, or hangs",
    );
}

#[test]
fn tells_what_is_wrong_with_hasher() {
    let wrong_coin = format!("0{}", "a".repeat(63));
    for (body, text) in [
        (
            "not a hash",
            "hasher gave no SHA-256 hash but \"not a hash\"",
        ),
        ("", "hasher gave no SHA-256 hash but \"\""),
        (&*wrong_coin, "hasher gave 0aaa"),
    ] {
        let rng = Server::start("rng", &["--delay-ms", "0"]);
        let body = body.to_owned();
        let hasher = Fake::start(move |_| answer("200 OK", body.as_bytes()));
        let redis = Redis::start(RedisKind::Store);
        let worker = worker(&rng.url("http"), &hasher.url(), &redis.url(), &[]);
        worker.line(text);
        assert_eq!(redis.wallet(), []);
    }
}

#[test]
fn tells_who_is_away() {
    let services = Services::start(RedisKind::Store);
    let nowhere = free_address();
    let (rng, hasher, redis) = (
        services.rng.url("http"),
        services.hasher.url("http"),
        services.redis.url(),
    );
    let away = format!("http://{nowhere}");
    let process = worker(&away, &hasher, &redis, &[]);
    process.line(&format!(
        "rng fails: cannot connect to {nowhere}: Connection refused"
    ));
    process.line("(is rng running?)");
    let process = worker(&rng, &away, &redis, &[]);
    process.line(&format!("hasher fails: cannot connect to {nowhere}"));
    let process = worker(&rng, &hasher, &format!("redis://{nowhere}"), &[]);
    process.line(&format!("cannot reach Redis at {nowhere}"));
    process.line("(is it running, and is the port right?)");
}

#[test]
fn a_wallet_of_the_wrong_type_costs_no_count() {
    for kind in [RedisKind::Debian, RedisKind::Store] {
        let services = Services::start(kind);
        let mut redis = services.redis.connect();
        let () = redis.set("wallet", "mine").unwrap();
        let worker = services.worker(&[]);
        worker.line("does not keep the coins: ");
        assert!(
            worker
                .line("WRONGTYPE")
                .contains("another program uses the key")
        );
        // Coins wait; hashes are counted meanwhile, and the coins kept once they can be.
        let counted = services.redis.hashes();
        wait_until("hashes are counted", || services.redis.hashes() > counted);
        let () = redis.del("wallet").unwrap();
        wait_until("coins are kept", || !services.redis.wallet().is_empty());
        check_wallet(&services.redis.wallet(), "0");
    }
}

#[test]
fn sigterm_can_be_ignored_as_the_original_does() {
    let services = Services::start(RedisKind::Store);
    let mut worker = services.worker(&["--on-sigterm", "ignore"]);
    wait_until("it works", || services.redis.hashes() > 0);
    worker.signal(Signal::TERM);
    worker.line("SIGTERM is ignored");
    let before = services.redis.hashes();
    wait_until("it goes on", || services.redis.hashes() > before);
    worker.signal(Signal::INT);
    assert_eq!(worker.end(), Some(0));
}

#[test]
fn metrics_and_readiness() {
    let services = Services::start(RedisKind::Store);
    let worker = services.worker(&["--listen", "127.0.0.1", "--metrics-port", "0"]);
    let metrics = address_in(&worker.line("metrics on http://"));
    wait_until("it is ready", || get(metrics, "/readyz").status == 200);
    let text = get(metrics, "/metrics").text().to_owned();
    for name in [
        "dockercoins_units_total ",
        "dockercoins_coins_total ",
        "dockercoins_unit_duration_seconds_bucket",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    drop(services.rng);
    wait_until("it is not", || get(metrics, "/readyz").status == 503);
    assert_eq!(get(metrics, "/healthz").status, 200);
    wait_until("errors are counted", || {
        get(metrics, "/metrics")
            .text()
            .contains("dockercoins_errors_total{service=\"rng\"}")
    });
}

#[test]
fn slow_writes_to_the_log_hold_nothing_up() {
    // The reader of this worker's log never reads: a full pipe must not stop the work.
    let services = Services::start(RedisKind::Store);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&filler, true).unwrap();
    while filler.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filler, false).unwrap();
    let mut command = program(&[
        "worker",
        "--fast",
        "--rng-url",
        &services.rng.url("http"),
        "--hasher-url",
        &services.hasher.url("http"),
        "--redis-url",
        &services.redis.url(),
    ]);
    command.stdout(writer);
    let worker = Process::spawn(command);
    wait_until("it works all the same", || services.redis.hashes() > 500);
    drop(worker);
    drop(reader);
}
