//! Anything is asked of an engine, by several clients at once, while it is killed with `-9` again and again: what runs
//! goes on, what is said of containers and images is true, and in the end nothing is left.
//!
//! The short form kills it a few times; `ESSAIM_TEST_FORM=full` many times. `ESSAIM_TEST_SEED` gives another course: the
//! requests are then the same, though their moments are not.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use blackbox::{
    api::{Answer, Api},
    command::run,
    engine::Engine as _,
    essaim_engine::EssaimEngine,
    form::Form,
    waiting::wait_for,
};
use fastrand::Rng;
use serde_json::{Value, json};

/// How many clients ask at once.
const CLIENTS: u64 = 3;

/// The names that they share, so that they get in each other's way; none may be the beginning of an id.
const NAMES: u64 = 5;

#[test]
fn whatever_is_asked_when_the_daemon_dies_nothing_is_half_made() {
    let rounds = match Form::from_environment() {
        Form::Short => 6,
        Form::Full => 100,
    };
    let seed = std::env::var("ESSAIM_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut engine = EssaimEngine::alone();
    engine.load(&["busybox"]);
    // What an engine has after its first container, it keeps.
    engine.docker(&["run", "--rm", "busybox", "true"]);
    let clean = traces(&engine);
    let counting = "i=0; while :; do echo $i; i=$((i+1)); usleep 20000; done";
    engine.docker(&[
        "run", "-d", "--name", "counts", "busybox", "sh", "-c", counting,
    ]);
    let pid = engine.inspect("container", "counts")["State"]["Pid"].clone();
    for round in 0..rounds {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let socket = engine.socket();
                let rng = Rng::with_seed(seed * 1_000_000 + round * CLIENTS + client);
                thread::spawn(move || ask_until_it_dies(&socket, rng))
            })
            .collect();
        let mut rng = Rng::with_seed(seed + round);
        thread::sleep(Duration::from_millis(rng.u64(20..700)));
        engine.kill();
        let failures: Vec<_> = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect();
        assert!(failures.is_empty(), "round {round}: {failures:#?}");
        engine.start_again();
        let now = engine.inspect("container", "counts")["State"]["Pid"].clone();
        assert_eq!(now, pid, "round {round}: it was not touched");
        check(&engine, round);
    }
    let log = engine.docker(&["logs", "counts"]);
    for (number, line) in log.lines().enumerate() {
        assert_eq!(line, number.to_string(), "no line is lost or told twice");
    }
    remove_all(&engine);
    wait_for("nothing to be left", Duration::from_secs(20), || {
        let left: Vec<_> = traces(&engine)
            .into_iter()
            .filter(|trace| !clean.contains(trace))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:#?}"))
        }
    });
}

/// What an engine answers to nobody's fault is a failure; anything else may be refused.
fn ask_until_it_dies(socket: &Path, mut rng: Rng) -> Vec<String> {
    let mut failures = Vec::new();
    let Ok(mut api) = Api::connect(socket) else {
        return failures;
    };
    for _ in 0..1000 {
        let (method, path, body, kind) = request(&mut rng);
        let Ok(Answer { status, body }) = api.ask(method, &path, &body, kind) else {
            break;
        };
        if status == 500 {
            let said = String::from_utf8_lossy(&body).into_owned();
            failures.push(format!("{method} {path}: {said}"));
        }
    }
    failures
}

type Request = (&'static str, String, Vec<u8>, &'static str);

fn request(rng: &mut Rng) -> Request {
    let name = format!("box{}", rng.u64(0..NAMES));
    let thing = rng.u64(0..3);
    let json = |method, path: String, body: Value| -> Request {
        (
            method,
            path,
            body.to_string().into_bytes(),
            "application/json",
        )
    };
    let bare = |method, path: String| -> Request { (method, path, Vec::new(), "") };
    let of = |name: &str, what: &str| format!("/v1.50/containers/{name}/{what}");
    match rng.u64(0..22) {
        0..4 => {
            let networks = ["bridge", "none", "n0", "n1"];
            let network = networks[rng.usize(0..networks.len())];
            let policies = ["no", "always", "on-failure"];
            let policy = policies[rng.usize(0..policies.len())];
            let scripts = ["sleep 1000", "exit 3", "echo said; usleep 200000"];
            let script = scripts[rng.usize(0..scripts.len())];
            let body = json!({
                "Image": "busybox",
                "Cmd": ["sh", "-c", script],
                "Healthcheck": { "Test": ["CMD", "true"], "Interval": 100_000_000 },
                "ExposedPorts": { "80/tcp": {} },
                "HostConfig": {
                    "NetworkMode": network,
                    "RestartPolicy": { "Name": policy },
                    "Binds": [format!("v{thing}:/data")],
                    "PortBindings": { "80/tcp": [{}] },
                    "Init": rng.bool(),
                },
            });
            json(
                "POST",
                format!("/v1.50/containers/create?name={name}"),
                body,
            )
        }
        4..8 => bare("POST", of(&name, "start")),
        8 => bare("POST", of(&name, "stop?t=0")),
        9 => bare("POST", of(&name, "restart?t=0")),
        10 => bare("POST", of(&name, "kill")),
        11 | 12 => bare("DELETE", format!("/v1.50/containers/{name}?force=1&v=1")),
        13 => bare("POST", of(&name, ["pause", "unpause"][rng.usize(0..2)])),
        14 => bare(
            "POST",
            format!("/v1.50/commit?container={name}&repo=i{thing}"),
        ),
        15 => bare("DELETE", format!("/v1.50/images/i{thing}?force=1")),
        16 => json(
            "POST",
            "/v1.50/networks/create".to_owned(),
            json!({ "Name": format!("n{}", thing % 2) }),
        ),
        17 => bare("DELETE", format!("/v1.50/networks/n{}", thing % 2)),
        18 => {
            let what = ["connect", "disconnect"][rng.usize(0..2)];
            let path = format!("/v1.50/networks/n{}/{what}", thing % 2);
            json("POST", path, json!({ "Container": name, "Force": true }))
        }
        19 => {
            let path = format!("/v1.50/build?t=b{thing}&nocache={}", rng.u8(0..2));
            ("POST", path, dockerfile(), "application/x-tar")
        }
        20 => bare(
            "POST",
            ["/v1.50/volumes/prune", "/v1.50/images/prune"][rng.usize(0..2)].to_owned(),
        ),
        _ => json(
            "POST",
            of(&name, &format!("rename?name=box{}", rng.u64(0..NAMES))),
            Value::Null,
        ),
    }
}

/// A context with nothing but a Dockerfile: one header and two blocks of a tar archive.
fn dockerfile() -> Vec<u8> {
    let text = b"FROM busybox\nENV A=b\nRUN echo built > /built && rm /bin/vi\nCOPY Dockerfile /\n";
    let mut archive = vec![0; 512 * 4];
    archive[..10].copy_from_slice(b"Dockerfile");
    archive[100..107].copy_from_slice(b"0000644");
    archive[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
    archive[148..156].fill(b' ');
    archive[156] = b'0';
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive[512..512 + text.len()].copy_from_slice(text);
    archive
}

/// What the engine says must be true.
fn check(engine: &EssaimEngine, round: u64) {
    let mut api = Api::connect(&engine.socket()).unwrap();
    let containers = api.json("GET", "/v1.50/containers/json?all=1", &Value::Null);
    for container in containers.as_array().unwrap() {
        let id = container["Id"].as_str().unwrap();
        let answer = api.ask("GET", &format!("/v1.50/containers/{id}/json"), &[], "");
        let answer = answer.unwrap();
        if answer.status == 404 {
            // Its removal went on.
            continue;
        }
        let known = answer.json();
        let pid = known["State"]["Pid"].as_i64().unwrap();
        if known["State"]["Status"] == "running" {
            let mut alive = engine.sandbox().enter("test");
            let process = format!("/proc/{pid}");
            let alive = run(alive.args(["-e", &process]), Duration::from_secs(10));
            // One that its policy starts again may have ended meanwhile.
            let path = format!("/v1.50/containers/{id}/json");
            let again = api.json("GET", &path, &Value::Null);
            let is_same = again["State"]["Pid"] == known["State"]["Pid"];
            assert!(alive.status.success() || !is_same, "round {round}: {known}");
        }
    }
    let images = api.json("GET", "/v1.50/images/json", &Value::Null);
    for image in images.as_array().unwrap() {
        let id = image["Id"].as_str().unwrap();
        api.json("GET", &format!("/v1.50/images/{id}/json"), &Value::Null);
        assert_eq!(
            engine.docker(&["run", "--rm", "--network=none", id, "echo", "runs"]),
            "runs"
        );
    }
}

fn remove_all(engine: &EssaimEngine) {
    let mut api = Api::connect(&engine.socket()).unwrap();
    let containers = api.json("GET", "/v1.50/containers/json?all=1", &Value::Null);
    for container in containers.as_array().unwrap() {
        let id = container["Id"].as_str().unwrap();
        let path = format!("/v1.50/containers/{id}?force=1&v=1");
        let status = api.ask("DELETE", &path, &[], "").unwrap().status;
        assert!(matches!(status, 204 | 404 | 409), "{status}");
    }
    let all = "?filters=%7B%22all%22:%5B%221%22%5D%7D";
    for prune in [
        "networks/prune",
        "build/prune",
        &format!("volumes/prune{all}"),
    ] {
        api.json("POST", &format!("/v1.50/{prune}"), &Value::Null);
    }
    let images = api.json("GET", "/v1.50/images/json", &Value::Null);
    for tag in images.as_array().unwrap() {
        for name in tag["RepoTags"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            if name != "busybox:latest" {
                api.json("DELETE", &format!("/v1.50/images/{name}"), &Value::Null);
            }
        }
    }
    // What commits and builds have left without a name.
    api.json("POST", "/v1.50/images/prune", &Value::Null);
}

/// What an engine has beside its databases: folders, cgroups, interfaces and processes of its sandbox.
fn traces(engine: &EssaimEngine) -> Vec<String> {
    let folder = engine.sandbox().folder();
    let mut traces = Vec::new();
    for below in [
        "data/containers",
        "data/builds",
        "data/volumes",
        "data/images/layers",
        "exec",
    ] {
        traces.extend(names_in(&folder.join(below)).map(|path| path.display().to_string()));
    }
    for group in blackbox::leftovers::cgroups_of(engine.sandbox().name()) {
        traces.extend(
            names_in(&group)
                .filter(|path| path.is_dir())
                .map(|path| path.display().to_string()),
        );
    }
    let mut look = engine.sandbox().enter("bash");
    let script = "ls /sys/class/net; cat /proc/[0-9]*/comm | sort | uniq -c | grep -E 'sh$|sleep|shim|essaim'; grep -c overlay /proc/mounts";
    let said = run(look.args(["-c", script]), Duration::from_secs(10)).stdout;
    traces.extend(said.lines().map(str::to_owned));
    traces
}

fn names_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path())
}
