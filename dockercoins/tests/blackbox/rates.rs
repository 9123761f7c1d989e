//! The lab's rates. They follow from the delays, so they are behaviour: one rng serves ten requests a
//! second, whoever asks. All topologies run side by side, since they wait much more than they work.

use std::thread;
use std::time::Duration;

use crate::harness::application::Application;
use crate::harness::http::{get, median_time};
use crate::harness::wait_until;

struct Rate {
    arguments: &'static [&'static str],
    expect: std::ops::RangeInclusive<f64>,
}

const RATES: [Rate; 5] = [
    Rate {
        arguments: &["--workers", "1"],
        expect: 3.2..=3.4,
    },
    Rate {
        arguments: &["--workers", "2"],
        expect: 6.3..=6.8,
    },
    Rate {
        arguments: &["--workers", "10"],
        expect: 9.3..=10.0,
    },
    Rate {
        arguments: &["--workers", "10", "--rng", "3"],
        expect: 27.0..=30.0,
    },
    // Release 0.2 waits less, but one rng gives no more.
    Rate {
        arguments: &["--workers", "8", "--release", "0.2"],
        expect: 9.3..=10.0,
    },
];

/// Hashes per second from `/json` between two moments 30 seconds apart, once all workers are in step.
fn measure(app: &Application) -> f64 {
    wait_until("it mines", || app.hashes() > 20);
    app.rate(Duration::from_secs(30))
}

#[test]
fn the_rates_of_the_lab() {
    let apps: Vec<_> = RATES
        .iter()
        .map(|rate| Application::start(rate.arguments))
        .collect();
    let rates: Vec<f64> = thread::scope(|scope| {
        let measuring: Vec<_> = apps
            .iter()
            .map(|app| scope.spawn(|| measure(app)))
            .collect();
        measuring
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (rate, found) in RATES.iter().zip(rates) {
        // Reports come once a second and per worker: the count at either moment may lack one of each.
        let slack = 1.0 / 30.0;
        let (low, high) = (rate.expect.start() - slack, rate.expect.end() + slack);
        assert!(
            (low..=high).contains(&found),
            "{:?}: {found:.2} hashes/s, not {:?}",
            rate.arguments,
            rate.expect
        );
    }
}

#[test]
fn rng_is_the_slow_one() {
    let app = Application::start(&["--workers", "10"]);
    wait_until("the queue is full", || app.hashes() > 20);
    let time = |port| median_time(app.address(port), "/", 5);
    let (rng, hasher) = (time(8001), time(8002));
    // About 8 of the 10 workers are in rng's queue at any moment, each for 100 ms; hasher has no queue.
    assert!(rng >= Duration::from_millis(500), "{rng:?}");
    assert!(hasher < rng / 5, "{hasher:?} against {rng:?}");
    assert_eq!(get(app.address(8002), "/").status, 200);
}
