//! Our daemon killed with `-9`, in the middle of things, and started again: nothing that ran, was said or came to an
//! end is lost, and nothing half-made is left.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use blackbox::{
    command::installed, debian_image, engine::Engine as _, essaim_engine::EssaimEngine,
    waiting::wait_for,
};

fn with_busybox() -> EssaimEngine {
    let engine = EssaimEngine::alone();
    engine.load(&["busybox"]);
    engine
}

/// A client that goes on by itself, and that a killed daemon cuts off.
fn begin(engine: &EssaimEngine, arguments: &[&str]) -> Child {
    let mut command: Command = engine.client(installed("docker", "docker.io"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[track_caller]
fn wait_for_state(engine: &EssaimEngine, name: &str, state: &str) {
    wait_for(
        &format!("{name} to be {state}"),
        Duration::from_secs(20),
        || {
            let now = engine.inspect("container", name)["State"]["Status"].to_string();
            if now.contains(state) {
                Ok(())
            } else {
                Err(now)
            }
        },
    );
}

/// The mounts and processes that the computer has of this engine.
fn left(engine: &EssaimEngine) -> Vec<String> {
    let folder = engine.sandbox().folder().join("data");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts
        .lines()
        .filter(|line| line.contains(&*folder.to_string_lossy()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn containers_go_on_and_nothing_they_said_is_lost() {
    let mut engine = with_busybox();
    let count =
        "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); usleep 10000; done; exit 5";
    engine.docker(&[
        "run", "-d", "--name", "counts", "busybox", "sh", "-c", count,
    ]);
    engine.docker(&[
        "run",
        "-d",
        "--name",
        "ends",
        "busybox",
        "sh",
        "-c",
        "usleep 300000; exit 9",
    ]);
    engine.docker(&[
        "run", "-d", "--name", "stays", "-p", "8099:80", "busybox", "httpd", "-f", "-h", "/etc",
    ]);
    engine.kill();
    let response = wait_for(
        "the port to answer without a daemon",
        Duration::from_secs(10),
        || {
            engine
                .sandbox()
                .get(8099, "/group")
                .map_err(|error| error.to_string())
        },
    );
    assert!(response.text().contains("root"));
    engine.start_again();

    assert_eq!(engine.docker(&["wait", "ends"]), "9");
    assert_eq!(engine.docker(&["wait", "counts"]), "5");
    let lines = engine.docker(&["logs", "counts"]);
    let expected: Vec<_> = (0..200).map(|number| format!("line {number}")).collect();
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    assert_eq!(engine.docker(&["exec", "stays", "echo", "in"]), "in");
    engine.docker(&["rm", "-f", "counts", "ends", "stays"]);
    assert_eq!(engine.docker(&["ps", "-aq"]), "");
    assert!(
        engine.sandbox().get(8099, "/group").is_err(),
        "the port is closed"
    );
    assert_eq!(left(&engine), Vec::<String>::new());
}

#[test]
fn restart_policies_go_on_after_a_crash() {
    let mut engine = with_busybox();
    for (name, policy) in [("always", "always"), ("never", "no")] {
        engine.docker(&[
            "run",
            "-d",
            "--name",
            name,
            "--restart",
            policy,
            "busybox",
            "sleep",
            "1000",
        ]);
    }
    let pid = |engine: &EssaimEngine, name: &str| {
        engine.inspect("container", name)["State"]["Pid"]
            .as_i64()
            .unwrap()
    };
    let pids = [pid(&engine, "always"), pid(&engine, "never")];
    engine.kill();
    for pid in pids {
        engine.sandbox().kill(pid);
    }
    engine.start_again();
    wait_for_state(&engine, "always", "running");
    wait_for_state(&engine, "never", "exited");
    assert_eq!(
        engine.inspect("container", "never")["State"]["ExitCode"],
        137
    );
    engine.docker(&["rm", "-f", "always", "never"]);
}

/// Kills the daemon at moments that differ, while a client does something over and over.
fn killed_while(engine: &mut EssaimEngine, arguments: &[&str]) {
    for milliseconds in [5, 20, 40, 70] {
        let mut client = begin(engine, arguments);
        // Not to wait for anything: wherever this ends up is where the daemon is killed.
        std::thread::sleep(Duration::from_millis(milliseconds));
        engine.kill();
        client.wait().unwrap();
        engine.start_again();
    }
}

#[test]
fn nothing_half_made_is_left_of_containers() {
    let mut engine = with_busybox();
    killed_while(&mut engine, &["create", "busybox", "true"]);
    killed_while(&mut engine, &["run", "-d", "busybox", "sleep", "1000"]);
    killed_while(&mut engine, &["run", "--rm", "busybox", "true"]);
    // What is there is whole: it can be looked at, started and removed.
    let containers = engine.docker(&["ps", "-aq"]);
    for id in containers.lines() {
        engine.docker(&["inspect", id]);
        engine.docker(&["start", id]);
        engine.docker(&["rm", "-f", id]);
    }
    assert_eq!(engine.docker(&["ps", "-aq"]), "");
    // What is being thrown away has a place of its own, which is empty too.
    let folder = engine.sandbox().folder().join("data/containers/.removing");
    wait_for(
        "removed files to go",
        Duration::from_secs(10),
        || match fs::read_dir(&folder).map_or(0, Iterator::count) {
            0 => Ok(()),
            count => Err(format!("{count} are left")),
        },
    );
    fs::remove_dir(&folder).ok();
    let folder = engine.sandbox().folder().join("data/containers");
    let entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries, Vec::<std::path::PathBuf>::new());
    assert_eq!(left(&engine), Vec::<String>::new());
    assert_eq!(
        engine.docker(&["run", "--rm", "busybox", "echo", "fine"]),
        "fine"
    );
}

#[test]
fn nothing_half_made_is_left_of_images_and_builds() {
    let mut engine = with_busybox();
    let archive = debian_image::archive("redis");
    killed_while(&mut engine, &["load", "-i", archive.to_str().unwrap()]);
    let folder = engine.sandbox().folder().join("context");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("Dockerfile"),
        "FROM busybox\nRUN sleep 0.05; echo x > /file\nCOPY Dockerfile /\nRUN sleep 1000\n",
    )
    .unwrap();
    killed_while(
        &mut engine,
        &["build", "--no-cache", folder.to_str().unwrap()],
    );
    assert_eq!(
        engine.docker(&["ps", "-aq"]),
        "",
        "a build's containers go with it"
    );
    for folder in ["data/builds", "data/images/incoming"] {
        let path = engine.sandbox().folder().join(folder);
        let left = fs::read_dir(path).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{folder}");
    }
    engine.docker(&["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(
        engine
            .docker(&["run", "--rm", "redis", "redis-server", "--version"])
            .split(' ')
            .next(),
        Some("Redis")
    );
    assert_eq!(left(&engine), Vec::<String>::new());
}
