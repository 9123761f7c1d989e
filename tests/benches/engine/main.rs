//! The engine's figures, beside those of Debian's Docker Engine: `make bench` prints them.
//!
//! Both engines run in sandboxes of their own and are asked in turn, in the same run, so that what else the
//! computer does hits both; medians and their ratio are printed, and nothing is asserted. `FORM=short` takes
//! fewer rounds.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on ends there"
)]
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

mod throughput;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use blackbox::{
    api::Api,
    command::run,
    debian_image,
    docker_engine::DockerEngine,
    dockercoins::{self, repository},
    engine::Engine,
    essaim_engine::EssaimEngine,
};
use serde_json::{Value, json};

fn main() {
    let short = std::env::var("FORM").is_ok_and(|form| form == "short");
    let rounds = if short { 7 } else { 31 };
    println!("Docker 20.10 (Debian) and Essaim in turn; medians of {rounds} rounds");
    starts(if short { 3 } else { 9 });

    let docker = DockerEngine::alone();
    let essaim = EssaimEngine::alone();
    idle(&docker, &essaim);
    let archive = fs::read(debian_image::archive("busybox")).unwrap();
    for engine in both(&docker, &essaim) {
        let mut api = Api::connect(&engine.1).unwrap();
        let answer = api
            .ask(
                "POST",
                "/v1.40/images/load?quiet=1",
                &archive,
                "application/x-tar",
            )
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    let [one, other] = both(&docker, &essaim).map(|(_, socket)| Api::connect(&socket).unwrap());
    let mut apis = [one, other];

    compare("run --rm of true, no network", rounds, &mut apis, |api| {
        run_and_remove(api, "none")
    });
    compare("run --rm of true, bridge", rounds, &mut apis, |api| {
        run_and_remove(api, "bridge")
    });
    compare("create", rounds, &mut apis, |api| {
        let started = Instant::now();
        let id = create(api, &["true"], "bridge", false);
        let took = started.elapsed();
        remove(api, &id);
        took
    });
    exec(rounds, &mut apis);
    compare("rm -f of one that runs", rounds, &mut apis, |api| {
        let id = create(api, &["sleep", "1000"], "bridge", false);
        api.json(
            "POST",
            &format!("/v1.40/containers/{id}/start"),
            &Value::Null,
        );
        let started = Instant::now();
        remove(api, &id);
        started.elapsed()
    });
    list_and_memory(if short { 1 } else { 3 }, &docker, &essaim, &mut apis);
    builds(if short { 3 } else { 9 }, &mut apis);
    let sandboxes = [docker.sandbox(), essaim.sandbox()];
    throughput::all(if short { 3 } else { 9 }, &mut apis, sandboxes);
}

/// The name and the socket of both, Docker first.
fn both(docker: &DockerEngine, essaim: &EssaimEngine) -> [(&'static str, PathBuf); 2] {
    [("docker", docker.socket()), ("essaim", essaim.socket())]
}

/// Measures `work` by both in turn, Docker first, and prints the medians.
fn compare(
    what: &str,
    rounds: usize,
    apis: &mut [Api; 2],
    mut work: impl FnMut(&mut Api) -> Duration,
) {
    // The first of each warms caches.
    for api in apis.iter_mut() {
        work(api);
    }
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (api, times) in apis.iter_mut().zip(&mut times) {
            times.push(work(api));
        }
    }
    print_times(what, times);
}

fn print_times(what: &str, times: [Vec<Duration>; 2]) {
    let [docker, essaim] = times.map(|times| median(times).as_secs_f64() * 1e3);
    print_row(what, docker, essaim, docker / essaim, "ms");
}

fn print_row(what: &str, docker: f64, essaim: f64, better: f64, unit: &str) {
    println!("{what:<44} {docker:>9.2} {essaim:>9.2} {unit:<10} {better:>6.1} times better");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn create(api: &mut Api, command: &[&str], network: &str, auto_remove: bool) -> String {
    let body = json!({
        "Image": "busybox",
        "Cmd": command,
        "HostConfig": { "NetworkMode": network, "AutoRemove": auto_remove },
    });
    let created = api.json("POST", "/v1.40/containers/create", &body);
    created["Id"].as_str().unwrap().to_owned()
}

fn remove(api: &mut Api, id: &str) {
    api.json(
        "DELETE",
        &format!("/v1.40/containers/{id}?force=1"),
        &Value::Null,
    );
}

/// What `docker run --rm` asks for: create, wait for the removal, start.
fn run_and_remove(api: &mut Api, network: &str) -> Duration {
    let started = Instant::now();
    let id = create(api, &["true"], network, true);
    let mut waiting = Api::connect(api.path()).unwrap();
    waiting
        .send(
            "POST",
            &format!("/v1.40/containers/{id}/wait?condition=removed"),
            &[],
            "",
        )
        .unwrap();
    let head = waiting.receive_head().unwrap();
    api.json(
        "POST",
        &format!("/v1.40/containers/{id}/start"),
        &Value::Null,
    );
    let ended: Value = serde_json::from_slice(&waiting.receive_body(&head).unwrap()).unwrap();
    assert_eq!(ended["StatusCode"], 0);
    started.elapsed()
}

fn exec(rounds: usize, apis: &mut [Api; 2]) {
    let containers: Vec<String> = apis
        .iter_mut()
        .map(|api| {
            let id = create(api, &["sleep", "1000"], "bridge", false);
            api.json(
                "POST",
                &format!("/v1.40/containers/{id}/start"),
                &Value::Null,
            );
            id
        })
        .collect();
    let mut turn = 0;
    compare("exec of true", rounds, apis, |api| {
        let id = &containers[turn % 2];
        turn += 1;
        let started = Instant::now();
        let body = json!({ "AttachStdout": true, "Cmd": ["true"] });
        let created = api.json("POST", &format!("/v1.40/containers/{id}/exec"), &body);
        let exec = created["Id"].as_str().unwrap();
        // The answer is the output, until the end; the connection is used up.
        let mut attached = Api::connect(api.path()).unwrap();
        let body = json!({ "Detach": false, "Tty": false }).to_string();
        let answer = attached
            .ask(
                "POST",
                &format!("/v1.40/exec/{exec}/start"),
                body.as_bytes(),
                "application/json",
            )
            .unwrap();
        assert_eq!(answer.status, 200);
        let state = api.json("GET", &format!("/v1.40/exec/{exec}/json"), &Value::Null);
        assert_eq!(state["ExitCode"], 0);
        started.elapsed()
    });
    for (api, id) in apis.iter_mut().zip(&containers) {
        remove(api, id);
    }
}

/// From the start of the daemon to the first answer. Each starts on a folder that it has used before.
fn starts(rounds: usize) {
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let sandbox = blackbox::sandbox::Sandbox::new("docker");
        let started = Instant::now();
        let docker = DockerEngine::start(sandbox);
        times[0].push(started.elapsed());
        drop(docker);
        let sandbox = blackbox::sandbox::Sandbox::new("essaim");
        let started = Instant::now();
        let essaim = EssaimEngine::start(sandbox, &[]);
        times[1].push(started.elapsed());
        drop(essaim);
    }
    print_times("daemon start to _ping", times);
}

fn idle(docker: &DockerEngine, essaim: &EssaimEngine) {
    let [docker, essaim] = [memory(docker), memory(essaim)];
    print_row("memory (PSS), idle", docker, essaim, docker / essaim, "MiB");
}

/// The PSS of all that an engine runs in its sandbox, less the containers' own processes, in MiB.
fn memory(engine: &impl Engine) -> f64 {
    let script = r"
        for folder in /proc/[0-9]*; do
          name=$(cat $folder/comm 2>/dev/null) || continue
          case $name in
            dockerd|containerd*|docker-*|runc|essaim*|shim|memfd:*) ;;
            *) case $(readlink $folder/exe) in *essaim*|*memfd*|*shim*) ;; *) continue ;; esac ;;
          esac
          sed -n 's/^Pss: *\([0-9]*\).*/\1/p' $folder/smaps_rollup 2>/dev/null
        done";
    let mut command = engine.sandbox().enter("bash");
    let sum = run(command.args(["-c", script]), Duration::from_secs(20)).success();
    let kib: f64 = sum
        .lines()
        .filter_map(|line| line.parse::<f64>().ok())
        .sum();
    kib / 1024.0
}

const MANY: u8 = 50;

fn list_and_memory(
    seconds: u64,
    docker: &DockerEngine,
    essaim: &EssaimEngine,
    apis: &mut [Api; 2],
) {
    let before = [memory(docker), memory(essaim)];
    let mut containers: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    for (api, ids) in apis.iter_mut().zip(&mut containers) {
        for _ in 0..MANY {
            let id = create(api, &["sleep", "1000"], "bridge", false);
            api.json(
                "POST",
                &format!("/v1.40/containers/{id}/start"),
                &Value::Null,
            );
            ids.push(id);
        }
    }
    let after = [memory(docker), memory(essaim)];
    let [docker, essaim] = [0, 1].map(|it| (after[it] - before[it]) / f64::from(MANY));
    print_row(
        "memory (PSS), each container more",
        docker,
        essaim,
        docker / essaim,
        "MiB",
    );
    let mut rates = [0.0, 0.0];
    for (api, rate) in apis.iter_mut().zip(&mut rates) {
        let until = Duration::from_secs(seconds);
        let (started, mut answers) = (Instant::now(), 0_u32);
        while started.elapsed() < until {
            let answer = api.ask("GET", "/v1.40/containers/json", &[], "").unwrap();
            assert_eq!(answer.status, 200);
            answers += 1;
        }
        *rate = f64::from(answers) / started.elapsed().as_secs_f64();
    }
    print_row(
        "GET /containers/json, 50 containers",
        rates[0],
        rates[1],
        rates[1] / rates[0],
        "requests/s",
    );
    for (api, ids) in apis.iter_mut().zip(&containers) {
        for id in ids {
            remove(api, id);
        }
    }
}

const SERVICES: [&str; 4] = ["hasher", "rng", "webui", "worker"];

/// The four images of Dockercoins, from contexts that are in memory: no client's work is in the figure.
fn builds(rounds: usize, apis: &mut [Api; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let contexts: Vec<Vec<u8>> = SERVICES
        .iter()
        .map(|it| context(it, folder.path()))
        .collect();
    let build = |api: &mut Api, without_cache: bool| {
        let started = Instant::now();
        for (service, context) in SERVICES.iter().zip(&contexts) {
            let path = format!(
                "/v1.40/build?t=bench_{service}&nocache={}&rm=1",
                u8::from(without_cache)
            );
            let answer = api
                .ask("POST", &path, context, "application/x-tar")
                .unwrap();
            let said = String::from_utf8_lossy(&answer.body);
            assert!(said.contains("Successfully built"), "{service}: {said}");
        }
        started.elapsed()
    };
    compare("build of Dockercoins' images, cold", rounds, apis, |api| {
        build(api, true)
    });
    compare(
        "build of Dockercoins' images, cached",
        rounds,
        apis,
        |api| build(api, false),
    );
}

/// The folder of a service with the program staged into it, as `tools/images` does.
fn context(service: &str, folder: &Path) -> Vec<u8> {
    let target = folder.join(service);
    fs::create_dir_all(target.join("staged-by-make-images")).unwrap();
    let source = repository().join("dockercoins").join(service);
    for entry in fs::read_dir(source).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target.join(entry.file_name())).unwrap();
        }
    }
    fs::copy(
        dockercoins::program(),
        target.join("staged-by-make-images/dockercoins"),
    )
    .unwrap();
    let archive = folder.join(format!("{service}.tar"));
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(&archive).arg("-C").arg(&target).arg(".");
    run(&mut tar, Duration::from_secs(20)).success();
    fs::read(archive).unwrap()
}
