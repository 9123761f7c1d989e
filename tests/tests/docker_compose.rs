//! The Compose part of the lab on a real Docker Engine, by Debian's `docker-compose`: up, ps, the page, the
//! rates at one and ten workers, logs, a killed container, stop, rm and down.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    ops::RangeInclusive,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use blackbox::{
    command::{installed, run},
    debian_image,
    docker_engine::DockerEngine,
    dockercoins::{make_images, next_change, rate, read},
    engine::{CLIENT_LIMIT, Engine as _},
    form::Form,
    waiting::{wait_for, wait_until},
};
use rustix::process::{Pid, Signal, kill_process};

/// The ports that the lab gives, on the computer that it runs on.
const WEBUI: u16 = 8000;
const RNG: u16 = 8001;
const HASHER: u16 = 8002;

const ONE_WORKER: RangeInclusive<f64> = 3.2..=3.4;
const TEN_WORKERS: RangeInclusive<f64> = 9.3..=10.0;

/// How long rng's `GET /` takes with ten workers: it waits behind those that don't wait elsewhere just then.
const RNG_LATENCY_S: RangeInclusive<f64> = 0.65..=0.85;

/// An engine with all images, and the folder that `docker-compose` is called in.
struct Lab {
    engine: DockerEngine,
    folder: PathBuf,
    file: &'static str,
}

impl Lab {
    fn new(file: &'static str) -> Self {
        let engine = DockerEngine::alone();
        let folder = make_images(&engine);
        Self {
            engine,
            folder,
            file,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self
            .engine
            .client(installed("docker-compose", "docker-compose"));
        command
            .args(["--file", self.file])
            .args(arguments)
            .current_dir(&self.folder);
        command
    }

    /// Runs `docker-compose` with these arguments and returns what it printed, errors included: it prints what
    /// it does there.
    #[track_caller]
    fn compose(&self, arguments: &[&str]) -> String {
        let answer = run(&mut self.command(arguments), CLIENT_LIMIT);
        assert!(answer.status.success(), "{answer:?}");
        answer.stdout + &answer.stderr
    }

    #[track_caller]
    fn assert_rate(&self, full: RangeInclusive<f64>) {
        let form = Form::from_environment();
        let bounds = form.bounds(full);
        let rate = rate(self.engine.sandbox(), WEBUI, form.measured_for());
        assert!(
            bounds.contains(&rate),
            "{rate:.2} hashes/s are not within {bounds:?}"
        );
        #[expect(
            clippy::print_stdout,
            reason = "the figure is what the full form is run for"
        )]
        {
            println!("{}: {rate:.2} hashes/s", self.file);
        }
    }

    fn get(&self, port: u16, path: &str) -> Result<String, String> {
        let response = self
            .engine
            .sandbox()
            .get(port, path)
            .map_err(|error| error.to_string())?;
        if response.status < 400 {
            Ok(response.text())
        } else {
            Err(format!("{response:?}"))
        }
    }

    fn wait_for_answer(&self, port: u16, path: &str, words: &str) {
        wait_for(
            &format!("{port}{path} to answer"),
            Duration::from_secs(20),
            || {
                let text = self.get(port, path)?;
                if text.contains(words) {
                    Ok(())
                } else {
                    Err(text)
                }
            },
        );
    }

    /// How long `GET /` takes, in seconds: the mean of several, one after the other.
    fn latency(&self, port: u16, form: Form) -> f64 {
        let started = Instant::now();
        let times = match form {
            Form::Short => 4,
            Form::Full => 20,
        };
        for _ in 0..times {
            self.get(port, "/").unwrap();
        }
        started.elapsed().as_secs_f64() / f64::from(times)
    }

    fn running(&self, service: &str) -> usize {
        self.compose(&["ps", "--quiet", service]).lines().count()
    }
}

#[test]
fn the_lab_runs() {
    let lab = Lab::new("docker-compose.yml");
    debian_image::redis(&lab.engine);

    // Nothing is built: `make images` has given the images the names that Compose looks for.
    let said = lab.compose(&["up", "--detach"]);
    assert!(!said.contains("Building"), "{said}");
    lab.wait_for_answer(RNG, "/", "RNG running on ");
    lab.wait_for_answer(HASHER, "/", "HASHER running on ");
    lab.wait_for_answer(WEBUI, "/index.html", "<title>");
    let redirect = lab.engine.sandbox().get(WEBUI, "/").unwrap();
    assert!(
        (300..400).contains(&redirect.status),
        "/ leads to the page: {redirect:?}"
    );
    the_tables_show_the_lab(&lab);

    lab.assert_rate(ONE_WORKER);
    let reading = read(lab.engine.sandbox(), WEBUI).unwrap();
    assert!(reading.coins < reading.hashes, "{reading:?}");

    // `scale`, as the lab has it, and as Compose would have it now.
    lab.compose(&["scale", "worker=10"]);
    assert_eq!(lab.running("worker"), 10);
    lab.compose(&["up", "--detach", "--scale", "worker=10"]);
    assert_eq!(lab.running("worker"), 10);
    // The tenth to come up has its first unit done: what is measured is ten of them.
    wait_for("all workers to count", CLIENT_LIMIT, || {
        let counting = logs(&lab, "worker")
            .matches(" units of work done, updating hash counter")
            .count();
        if counting >= 20 {
            Ok(())
        } else {
            Err(format!("{counting} reports"))
        }
    });
    lab.assert_rate(TEN_WORKERS);
    rng_is_the_bottleneck(&lab);

    each_service_logs_in_its_own_form(&lab);
    killed_processes_come_back(&lab);
    nothing_is_left_after_stop_rm_down(&lab);
}

fn the_tables_show_the_lab(lab: &Lab) {
    let table = lab.compose(&["ps"]);
    for words in [
        "Name",
        "Command",
        "State",
        "Ports",
        "dockercoins_rng_1",
        "/dockercoins rng",
        "0.0.0.0:8000->80/tcp",
        "0.0.0.0:8001->80/tcp",
        "0.0.0.0:8002->80/tcp",
        "6379/tcp",
    ] {
        assert!(table.contains(words), "`{words}` is missing: {table}");
    }
    assert!(!table.contains("Exit"), "all are up: {table}");
    let table = lab.engine.docker(&["ps"]);
    assert!(table.contains("\"/dockercoins rng\""), "{table}");
    assert_eq!(lab.compose(&["config", "--services"]).lines().count(), 5);
}

/// Asking a service shows its queue: that of rng is as long as there are workers, that of hasher is empty.
fn rng_is_the_bottleneck(lab: &Lab) {
    let form = Form::from_environment();
    let rng = lab.latency(RNG, form);
    let hasher = lab.latency(HASHER, form);
    let bounds = form.bounds(RNG_LATENCY_S);
    assert!(
        bounds.contains(&rng),
        "rng takes {rng:.3} s, not {bounds:?}"
    );
    assert!(
        rng > 10.0 * hasher,
        "rng takes {rng:.3} s, hasher {hasher:.3} s"
    );
    #[expect(
        clippy::print_stdout,
        reason = "the figures are what the full form is run for"
    )]
    {
        println!("GET / with ten workers: rng {rng:.3} s, hasher {hasher:.4} s");
    }
}

fn logs(lab: &Lab, service: &str) -> String {
    lab.compose(&["logs", "--no-color", service])
}

fn each_service_logs_in_its_own_form(lab: &Lab) {
    for (service, prefix, words) in [
        ("rng", "rng_1", "] \"GET /32 HTTP/1.1\" 200 -"),
        ("hasher", "hasher_1", "\"POST / HTTP/1.1\" 200 64 0.1"),
        (
            "worker",
            "worker_1",
            " units of work done, updating hash counter",
        ),
        ("worker", "worker_1", "Coin found: 0"),
        ("redis", "redis_1", "Ready to accept connections"),
    ] {
        let said = logs(lab, service);
        let sample = said.lines().take(5).collect::<Vec<_>>();
        assert!(
            said.lines()
                .any(|line| line.starts_with(prefix) && line.contains(words)),
            "no line of {service} starts with `{prefix}` and has `{words}`: {sample:?}"
        );
    }
}

/// A crash is not a stop: what is killed behind Docker's back comes back, and the count goes on.
fn killed_processes_come_back(lab: &Lab) {
    for container in [
        "dockercoins_rng_1",
        "dockercoins_worker_1",
        "dockercoins_webui_1",
    ] {
        kill_and_wait(lab, container);
    }
    lab.wait_for_answer(WEBUI, "/json", "now");
    next_change(lab.engine.sandbox(), WEBUI);
}

fn kill_and_wait(lab: &Lab, container: &str) {
    let state = lab.engine.inspect("container", container)["State"].clone();
    lab.engine.sandbox().kill(state["Pid"].as_i64().unwrap());
    wait_for(
        &format!("{container} to come back"),
        Duration::from_secs(20),
        || {
            let now = lab.engine.inspect("container", container);
            let again = now["State"]["Running"] == true && now["RestartCount"] == 1;
            if again {
                Ok(())
            } else {
                Err(now["State"].to_string())
            }
        },
    );
}

fn nothing_is_left_after_stop_rm_down(lab: &Lab) {
    let answer = run(&mut lab.command(&["stop"]), CLIENT_LIMIT);
    assert!(answer.status.success(), "{answer:?}");
    assert!(
        answer.took < Duration::from_secs(9),
        "all stop when told: {:?}",
        answer.took
    );
    let table = lab.compose(&["ps"]);
    assert_eq!(table.matches("Exit 0").count(), 14, "{table}");

    // `rm` asks; no answer is a no.
    let answer = run(&mut lab.command(&["rm"]), CLIENT_LIMIT);
    assert!((answer.stdout + &answer.stderr).contains("Are you sure?"));
    assert_eq!(
        lab.engine
            .docker(&["ps", "--all", "--quiet"])
            .lines()
            .count(),
        14
    );
    lab.compose(&["rm", "--force"]);
    assert_eq!(lab.engine.docker(&["ps", "--all", "--quiet"]), "");

    lab.compose(&["down"]);
    let networks = lab
        .engine
        .docker(&["network", "ls", "--filter=type=custom", "--quiet"]);
    assert_eq!(networks, "", "a network is left");
    assert!(lab.get(WEBUI, "/").is_err(), "port {WEBUI} still answers");
}

/// The store takes Redis' place, and what it has acknowledged survives being killed.
#[test]
fn the_store_keeps_what_it_acknowledged() {
    let lab = Lab::new("docker-compose.store.yml");
    // Built by Compose itself, from the staged folder.
    lab.engine
        .docker(&["rmi", "dockercoins_redis", "dockercoins_rng"]);
    let said = lab.compose(&["up", "--detach", "--scale", "worker=3"]);
    assert!(said.contains("Building rng"), "{said}");
    lab.wait_for_answer(WEBUI, "/json", "now");
    let before = next_change(lab.engine.sandbox(), WEBUI);

    kill_and_wait(&lab, "dockercoins_redis_1");
    let after = wait_for("the page to answer", Duration::from_secs(30), || {
        read(lab.engine.sandbox(), WEBUI)
    });
    assert!(after.hashes >= before.hashes, "{before:?}, then {after:?}");
    next_change(lab.engine.sandbox(), WEBUI);

    // The containers go, the volume stays, and the count goes on from it.
    let before = read(lab.engine.sandbox(), WEBUI).unwrap();
    lab.compose(&["down"]);
    lab.compose(&["up", "--detach"]);
    let after = wait_for("the page to answer", Duration::from_secs(30), || {
        let reading = read(lab.engine.sandbox(), WEBUI)?;
        if reading.hashes > 0.0 {
            Ok(reading)
        } else {
            Err(format!("{reading:?}"))
        }
    });
    assert!(after.hashes >= before.hashes, "{before:?}, then {after:?}");
    lab.compose(&["stop"]);
    attached_it_shows_the_logs_until_it_is_interrupted(&lab);
    lab.compose(&["down", "--volumes"]);
    assert_eq!(
        lab.engine.docker(&["volume", "ls", "--quiet"]),
        "",
        "a volume is left"
    );
}

/// `docker-compose up` without `--detach`: the logs of all, each line with its service's name; Ctrl-C stops all.
fn attached_it_shows_the_logs_until_it_is_interrupted(lab: &Lab) {
    let mut up = lab.command(&["up", "--no-color"]);
    let mut up = up
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (line_came, lines) = mpsc::channel();
    let output = BufReader::new(up.stdout.take().unwrap());
    let reading = thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // Nobody listens any more once everything was seen; reading on keeps Compose from blocking.
            let _heard = line_came.send(line);
        }
    });

    let mut missing = BTreeSet::from(["rng_1", "hasher_1", "worker_1"]);
    let deadline = Instant::now() + CLIENT_LIMIT;
    while !missing.is_empty() {
        let line = lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .unwrap_or_else(|_| panic!("no line of {missing:?}"));
        missing.retain(|service| !(line.starts_with(service) && line.contains(" | ")));
    }

    kill_process(Pid::from_child(&up), Signal::INT).unwrap();
    wait_until("docker-compose to stop everything", CLIENT_LIMIT, || {
        up.try_wait().unwrap().is_some()
    });
    reading.join().unwrap();
    assert_eq!(
        lab.engine.docker(&["ps", "--quiet"]),
        "",
        "a container still runs"
    );
}
