//! `worker`: asks rng for bytes, has hasher hash them, keeps the coins. It must never exit because
//! something else is away: it says what is wrong, waits, and goes on with nothing lost that it had counted.
//!
//! ```text
//! units under way ──▶ Ledger (counted, not yet reported) ──each interval──▶ Redis
//! ```
//!
//! In lab mode one unit is under way at a time, each over new connections; with `--fast` several are, over
//! kept ones. Start reading at `mine`.

mod ledger;
mod services;
mod unit;

use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use ping::{Limits, Resolver, Target};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::args::{Release, WorkerArgs};
use crate::datastore::{Datastore, DatastoreError};
use crate::failure::{Failure, with_causes};
use crate::log::Log;
use crate::metrics::{self, Readiness};
use crate::service::{self, ProcessSettings, listen_for_metrics, serve_metrics};
use crate::stop::Stop;
use ledger::Ledger;
use services::{Connections, Lane, Services};
use unit::{UnitError, UnitSettings, work_once};

/// How long Redis may take for a command.
const REDIS_TIME_LIMIT: Duration = Duration::from_secs(3);
/// How long units under way are waited for once stopping is wished. With the time that Redis may take, it
/// stays within the 10 s after which Docker kills.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// How the worker works.
struct WorkerSettings {
    release: Release,
    rng: Vec<Target>,
    hasher: Vec<Target>,
    unit: UnitSettings,
    connections: Connections,
    limits: Limits,
    units_in_flight: usize,
    report_interval: Duration,
    back_off: Duration,
    /// Whether a coin waits for the next report instead of being saved at once.
    batch_coins: bool,
}

/// What interrupts the work for a while.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

#[derive(Clone)]
struct WorkerMetrics {
    units: Counter,
    coins: Counter,
    errors: Family<ErrorLabels, Counter>,
    unit_seconds: Histogram,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorLabels {
    service: &'static str,
}

/// Runs the role until it is told to stop.
pub(crate) fn run(args: &WorkerArgs) -> Result<(), Failure> {
    if args.version {
        return print_version(args.release);
    }
    let settings = WorkerSettings::new(args)?;
    let process = ProcessSettings::new("worker", args.listen, &args.process);
    service::block_on(process.on_sigterm, async |log, stop| {
        let resolver = Resolver::from_system()?;
        let datastore = Datastore::new(&args.redis_url, resolver.clone(), REDIS_TIME_LIMIT)?;
        let mut registry = metrics::registry();
        let metrics = WorkerMetrics::register(&mut registry);
        let readiness = Readiness::new(false);
        let listener = listen_for_metrics(process, &log).await?;
        log.line(greeting(&settings, &datastore));
        let mut worker = Worker {
            services: Services::new(&resolver, &settings.rng, &settings.hasher, settings.limits),
            ledger: Ledger::default(),
            settings,
            datastore,
            metrics,
            readiness: readiness.clone(),
            log: log.clone(),
            stop: stop.clone(),
        };
        let (stopper, metrics_stop) = crate::stop::Stopper::new();
        let work = async {
            worker.work().await;
            stopper.stop();
        };
        tokio::join!(
            work,
            serve_metrics(listener, registry, readiness, log, metrics_stop)
        );
        Ok(())
    })
}

impl Release {
    fn version(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V0_2 => "0.2",
        }
    }

    fn delay(self) -> Duration {
        match self {
            Self::V0_1 => Duration::from_millis(100),
            Self::V0_2 => Duration::from_millis(10),
        }
    }
}

impl WorkerSettings {
    fn new(args: &WorkerArgs) -> Result<Self, Failure> {
        let prefix = &args.coin_prefix;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(hex) {
            return Err(Failure::CoinPrefix(prefix.clone()));
        }
        let delay = args.delay_ms.map(Duration::from_millis);
        let time_limit = Duration::from_millis(args.timeout_ms);
        Ok(Self {
            release: args.release,
            rng: args.rng_url.clone(),
            hasher: args.hasher_url.clone(),
            unit: UnitSettings {
                delay: delay.unwrap_or(if args.fast {
                    Duration::ZERO
                } else {
                    args.release.delay()
                }),
                burn: Duration::from_millis(args.burn_ms),
                chunk_bytes: usize::try_from(args.chunk_bytes).unwrap_or(usize::MAX),
                coin_prefix: prefix.clone(),
            },
            connections: if args.fast {
                Connections::Kept
            } else {
                Connections::Fresh
            },
            limits: Limits {
                connect: time_limit,
                answer: time_limit,
                // One byte more than is asked for shows that too many came.
                body_bytes: usize::try_from(args.chunk_bytes)
                    .unwrap_or(usize::MAX)
                    .max(64)
                    + 1,
            },
            units_in_flight: args
                .units_in_flight
                .unwrap_or(if args.fast { 16 } else { 1 }) as usize,
            report_interval: Duration::from_millis(
                args.report_interval_ms
                    .unwrap_or(if args.fast { 250 } else { 1000 }),
            ),
            back_off: Duration::from_millis(args.back_off_ms),
            batch_coins: args.fast,
        })
    }
}

impl WorkerMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            units: Counter::<u64, AtomicU64>::default(),
            coins: Counter::default(),
            errors: Family::default(),
            unit_seconds: metrics::latency_histogram(),
        };
        registry.register("units", "Units of work done", metrics.units.clone());
        registry.register("coins", "Coins found", metrics.coins.clone());
        registry.register(
            "errors",
            "Errors, by the service that made them",
            metrics.errors.clone(),
        );
        registry.register(
            "unit_duration_seconds",
            "Time for a unit of work, its delay included",
            metrics.unit_seconds.clone(),
        );
        metrics
    }

    fn done(&self, took: Duration, coin: bool) {
        self.units.inc();
        self.unit_seconds.observe(took.as_secs_f64());
        self.coins.inc_by(u64::from(coin));
    }
}

struct Worker {
    settings: WorkerSettings,
    services: Services,
    ledger: Ledger,
    datastore: Datastore,
    metrics: WorkerMetrics,
    readiness: Readiness,
    log: Log,
    stop: Stop,
}

impl Worker {
    /// Works until stopping is wished; each trouble is told, waited out, and left behind.
    async fn work(&mut self) {
        while !self.stop.is_wished() {
            if let Err(trouble) = self.mine().await {
                self.tell(&trouble);
                self.wait().await;
            }
        }
        if let Err(error) = self.settle().await {
            self.tell(&error.into());
            let (units, coins) = self.ledger.left();
            self.log.line(format!(
                "{units} units and {coins} coins could not be reported and are lost"
            ));
        }
        self.log.line("worker stopped");
    }

    /// Units of work, reported each interval, until stopping is wished (what is under way is then
    /// finished) or something fails. What is not reported by then waits in the ledger.
    async fn mine(&mut self) -> Result<(), Trouble> {
        self.settle().await?;
        let (unit, services) = (&self.settings.unit, &self.services);
        let begin = async |mut lane: Lane| {
            let began = Instant::now();
            let coin = work_once(services, &mut lane, unit).await;
            (coin, lane, began.elapsed())
        };
        let mut under_way: FuturesUnordered<_> = (0..self.settings.units_in_flight)
            .map(|_| begin(Lane::new(self.settings.connections)))
            .collect();
        let started = Instant::now();
        let interval = self.settings.report_interval;
        let mut report = interval_at(started + interval, interval);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        let mut stopping = pin!(stop.wished());
        let mut give_up = None;
        loop {
            tokio::select! {
                biased;
                () = &mut stopping, if give_up.is_none() => {
                    give_up = Some(Instant::now() + FINISH_WITHIN);
                }
                // Whoever is asked may never answer, as a name server that is gone.
                () = sleep_until(give_up.unwrap_or(started)), if give_up.is_some() => return Ok(()),
                _ = report.tick() => {
                    report_units(&mut self.ledger, &mut self.datastore, &self.log).await?;
                    keep_coins(&mut self.ledger, &mut self.datastore, &self.log).await?;
                    self.readiness.set(true);
                }
                done = under_way.next() => {
                    let Some((coin, lane, took)) = done else {
                        return Ok(());
                    };
                    let coin = coin?;
                    self.metrics.done(took, coin.is_some());
                    self.ledger.add_unit();
                    if let Some(coin) = coin {
                        self.log.line(format!("Coin found: {}...", &coin.hash[..8]));
                        self.ledger.add_coin(coin);
                        if !self.settings.batch_coins {
                            keep_coins(&mut self.ledger, &mut self.datastore, &self.log).await?;
                        }
                    }
                    if give_up.is_none() {
                        under_way.push(begin(lane));
                    }
                }
            }
        }
    }

    /// Waits out a trouble, unless stopping is wished.
    async fn wait(&self) {
        if self.stop.is_wished() {
            return;
        }
        let seconds = self.settings.back_off.as_secs_f64();
        self.log
            .line(format!("waiting {seconds} s before going on"));
        tokio::select! {
            () = sleep(self.settings.back_off) => {}
            () = self.stop.wished() => {}
        }
    }

    /// Brings Redis up to date with the ledger.
    async fn settle(&mut self) -> Result<(), DatastoreError> {
        report_units(&mut self.ledger, &mut self.datastore, &self.log).await?;
        keep_coins(&mut self.ledger, &mut self.datastore, &self.log).await
    }

    fn tell(&self, trouble: &Trouble) {
        self.readiness.set(false);
        let (service, hint) = match trouble {
            Trouble::Unit(error) => (error.service(), Some(error.hint())),
            Trouble::Datastore(error) => ("redis", error.hint()),
        };
        self.metrics
            .errors
            .get_or_create(&ErrorLabels { service })
            .inc();
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        self.log.line(format!("{}{hint}", with_causes(trouble)));
    }
}

/// Adds the counted units to Redis; they leave the ledger only once Redis has them.
async fn report_units(
    ledger: &mut Ledger,
    datastore: &mut Datastore,
    log: &Log,
) -> Result<(), DatastoreError> {
    let units = ledger.units();
    log.line(format!("{units} units of work done, updating hash counter"));
    if units > 0 {
        datastore.count_units(units).await?;
        ledger.units_reported(units);
    }
    Ok(())
}

/// Puts the coins found into Redis; they leave the ledger only once Redis has them.
async fn keep_coins(
    ledger: &mut Ledger,
    datastore: &mut Datastore,
    log: &Log,
) -> Result<(), DatastoreError> {
    let coins = ledger.coins().len();
    if coins == 0 {
        return Ok(());
    }
    let new = datastore.keep_coins(ledger.coins()).await?;
    if new < coins {
        let known = coins - new;
        log.line(format!(
            "{known} of {coins} coins were in the wallet already"
        ));
    }
    ledger.coins_kept(coins);
    Ok(())
}

fn greeting(settings: &WorkerSettings, datastore: &Datastore) -> String {
    let list = |targets: &[Target]| {
        targets
            .iter()
            .map(Target::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "worker {}: rng {}, hasher {}, Redis {}",
        settings.release.version(),
        list(&settings.rng),
        list(&settings.hasher),
        datastore.name(),
    )
}

fn print_version(release: Release) -> Result<(), Failure> {
    use std::io::Write;
    let text = format!("dockercoins worker {}\n", release.version());
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}
