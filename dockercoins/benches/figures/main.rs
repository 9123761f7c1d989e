//! The figures of Dockercoins: `make bench` prints them. Speeds are only printed, never asserted, and where
//! one is compared with another, both are taken in turn in the same run. This must never touch an address
//! outside loopback.
//!
//! `FORM=short` takes seconds where the full form takes minutes.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on ends there"
)]
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

mod bare;
#[path = "../../tests/blackbox/harness/mod.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod harness;

use std::thread;
use std::time::{Duration, Instant};

use harness::application::Application;
use harness::http::{get, median_time};
use harness::process::rss_kib;
use harness::redis::{Redis, RedisKind};
use harness::server::Server;

/// How long things are measured.
struct Form {
    lab: Duration,
    fast: Duration,
    rounds: usize,
    starts: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == bare::SERVER) {
        bare::serve();
        return;
    }
    let form = if std::env::var("FORM").is_ok_and(|form| form == "short") {
        Form {
            lab: Duration::from_secs(10),
            fast: Duration::from_secs(2),
            rounds: 1,
            starts: 5,
        }
    } else {
        Form {
            lab: Duration::from_secs(30),
            fast: Duration::from_secs(5),
            rounds: 5,
            starts: 30,
        }
    };
    starts_and_sizes(&form);
    fast_mode(&form);
    lab_mode(&form);
}

fn starts_and_sizes(form: &Form) {
    println!(
        "Each service alone: start to first answer (median of {}), memory after 100 answers",
        form.starts
    );
    println!("  {:<8} {:>10} {:>12}", "service", "start ms", "RSS KiB");
    let redis = redis_in_memory();
    let url = redis.url();
    for (name, more, path) in [
        ("rng", vec!["--delay-ms", "0"], "/32"),
        ("hasher", vec!["--delay-ms", "0"], "/"),
        ("webui", vec!["--redis-url", &url], "/json"),
    ] {
        let mut times: Vec<_> = (0..form.starts)
            .map(|_| {
                let begin = Instant::now();
                let server = Server::start(name, &more);
                server.get(path);
                begin.elapsed()
            })
            .collect();
        times.sort();
        let server = Server::start(name, &more);
        for _ in 0..100 {
            get(server.address, path);
        }
        println!(
            "  {name:<8} {:>10.1} {:>12}",
            milliseconds(times[times.len() / 2]),
            server.process.rss_kib()
        );
    }
    let app = Application::start(&["--workers", "1", "--redis", &url]);
    thread::sleep(Duration::from_secs(3));
    println!(
        "  {:<8} {:>10} {:>12}",
        "worker",
        "-",
        rss_kib(app.child("worker"))
    );
    println!();
}

/// The application against bare requests, in turn: two requests make a hash.
fn fast_mode(form: &Form) {
    println!("Fast mode through a real Redis, beside bare GET requests with the same HTTP library");
    println!(
        "  {:<8} {:>14} {:>14} {:>18}",
        "round", "bare req/s", "hashes/s", "requests to bare"
    );
    let redis = redis_in_memory();
    let mut ratios = Vec::new();
    for round in 1..=form.rounds {
        let bare = bare::rate(form.fast);
        let hashes = {
            let app = Application::start(&["--fast", "--workers", "1", "--redis", &redis.url()]);
            thread::sleep(Duration::from_secs(1)); // until it is warm
            app.rate(form.fast)
        };
        let ratio = hashes * 2.0 / bare;
        println!("  {round:<8} {bare:>14.0} {hashes:>14.0} {ratio:>18.2}");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "  median ratio {:.2} (wanted: at least 0.5)\n",
        ratios[ratios.len() / 2]
    );
}

fn lab_mode(form: &Form) {
    println!(
        "Lab mode, hashes/s from /json over {} s, all side by side",
        form.lab.as_secs()
    );
    let topologies: [(&str, &[&str], &str); 5] = [
        ("1 worker", &["--workers", "1"], "3.2-3.4"),
        ("2 workers", &["--workers", "2"], "6.3-6.8"),
        ("10 workers", &["--workers", "10"], "9.3-10"),
        (
            "10 workers, 3 rng",
            &["--workers", "10", "--rng", "3"],
            "27-30",
        ),
        (
            "8 workers of 0.2, 3 rng",
            &["--workers", "8", "--rng", "3", "--release", "0.2"],
            "29",
        ),
    ];
    let apps: Vec<_> = topologies
        .iter()
        .map(|(_, arguments, _)| Application::start(arguments))
        .collect();
    thread::sleep(Duration::from_secs(3));
    let rates: Vec<f64> = thread::scope(|scope| {
        let measuring: Vec<_> = apps
            .iter()
            .map(|app| scope.spawn(|| app.rate(form.lab)))
            .collect();
        measuring
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for ((name, _, wanted), rate) in topologies.iter().zip(&rates) {
        println!("  {name:<24} {rate:>6.2}   (wanted: {wanted})");
    }
    let crowded = &apps[2];
    let time = |port| milliseconds(median_time(crowded.address(port), "/", 9));
    println!(
        "  rng's GET / with 10 workers    {:>6.0} ms (wanted: 650-850)",
        time(8001)
    );
    println!(
        "  hasher's GET / with 10 workers {:>6.1} ms (wanted: under 10)",
        time(8002)
    );
}

/// Debian's Redis, without a journal to wait for.
fn redis_in_memory() -> Redis {
    let redis = Redis::start(RedisKind::Debian);
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "appendonly", "no"])
        .query(&mut redis.connect())
        .unwrap();
    redis
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
