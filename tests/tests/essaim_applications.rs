//! Real programs on our engine: nginx and Redis, Dockercoins by Docker's own Compose, a stand-in that fails at first;
//! and who reaches their ports, from this host and from another.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::Path,
    process::Command,
    time::Duration,
};

use blackbox::{
    command::{installed, run},
    dockercoins::{make_images, rate},
    engine::{CLIENT_LIMIT, Engine as _, docker_clients},
    essaim_engine::EssaimEngine,
    form::Form,
    http,
    sandbox::Sandbox,
    switch::Switch,
    waiting::wait_for,
};

/// The port of Dockercoins' page, as the lab gives it.
const WEBUI: u16 = 8000;

/// What ten workers come to with one rng, which takes 100 ms for each.
const TEN_WORKERS: RangeInclusive<f64> = 9.3..=10.0;

/// Waits until a page at `port` on the sandbox' loopback has these words.
#[track_caller]
fn wait_for_page(engine: &EssaimEngine, port: u16, words: &str) -> String {
    wait_for(words, Duration::from_secs(20), || {
        let response = engine
            .sandbox()
            .get(port, "/")
            .map_err(|error| error.to_string())?;
        let text = response.text();
        if text.contains(words) {
            Ok(text)
        } else {
            Err(text)
        }
    })
}

/// The port of the host that a container's port is published at.
#[track_caller]
fn port(engine: &EssaimEngine, container: &str, own: &str) -> u16 {
    let said = engine.docker(&["port", container, own]);
    said.lines()
        .next()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn nginx_serves_logs_and_stops_as_it_is_told() {
    let engine = EssaimEngine::alone();
    engine.load(&["nginx"]);
    engine.docker(&["run", "-d", "-P", "--name", "web", "nginx"]);
    wait_for_page(&engine, port(&engine, "web", "80"), "Welcome to nginx!");
    let logs = engine.docker(&["logs", "web"]);
    assert!(logs.contains("\"GET / HTTP/1.0\" 200"), "{logs}");
    let facts = engine.inspect("container", "web");
    assert_eq!(facts["Config"]["StopSignal"], "SIGQUIT");
    engine.docker(&["stop", "web"]);
    let facts = engine.inspect("container", "web");
    assert_eq!(facts["State"]["ExitCode"], 0, "it took its signal: {facts}");
}

#[test]
fn redis_keeps_its_data_in_a_volume() {
    let engine = EssaimEngine::alone();
    engine.load(&["redis"]);
    engine.docker(&["run", "-d", "--name", "one", "-v", "kept:/data", "redis"]);
    let ask = |words: &[&str]| {
        let mut arguments = vec!["exec", "one", "redis-cli"];
        arguments.extend(words);
        engine.docker(&arguments)
    };
    wait_for("redis to answer", Duration::from_secs(20), || {
        let mut command = engine.client(installed("docker", "docker.io"));
        command.args(["exec", "one", "redis-cli", "ping"]);
        let answer = run(&mut command, CLIENT_LIMIT);
        if answer.stdout.contains("PONG") {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
    assert_eq!(ask(&["set", "key", "value"]), "OK");
    assert_eq!(ask(&["save"]), "OK");
    engine.docker(&["rm", "-f", "one"]);
    let cli = engine.docker(&["run", "--rm", "-v", "kept:/data", "redis", "ls", "/data"]);
    assert_eq!(cli, "dump.rdb");
}

#[test]
fn what_fails_at_first_is_started_until_it_runs() {
    let engine = EssaimEngine::alone();
    engine.load(&["elasticsearch"]);
    engine.docker(&[
        "run",
        "-d",
        "-P",
        "--name",
        "search",
        "--restart=on-failure",
        "-e",
        "FAILURES=2",
        "elasticsearch:8.11.1",
    ]);
    wait_for("it to be started again twice", CLIENT_LIMIT, || {
        let facts = engine.inspect("container", "search");
        if facts["RestartCount"] == 2 && facts["State"]["Running"] == true {
            Ok(())
        } else {
            Err(facts["State"].to_string())
        }
    });
    let name = engine.docker(&["exec", "search", "hostname"]);
    wait_for_page(&engine, port(&engine, "search", "9200"), &name);
    engine.docker(&["rm", "-f", "search"]);
}

/// What another host on the switch gets from an address, if it answers.
fn from_outside(other: &Sandbox, address: Ipv4Addr, port: u16) -> Option<String> {
    let stream = other.connect_to(SocketAddr::from((address, port))).ok()?;
    http::get(stream, "/").ok().map(|response| response.text())
}

#[test]
fn ports_answer_where_they_are_published_and_nowhere_else() {
    let mut switch = Switch::new();
    let here = Sandbox::new("here");
    let other = Sandbox::new("other");
    let address = switch.plug(&here);
    switch.plug(&other);
    let engine = EssaimEngine::start(here, &[]);
    engine.load(&["nginx"]);
    for (name, publish) in [
        ("everywhere", Some("8081:80")),
        ("loopback", Some("127.0.0.1:8082:80")),
        ("unpublished", None),
    ] {
        let mut arguments = vec!["run", "-d", "--name", name];
        arguments.extend(publish.into_iter().flat_map(|publish| ["-p", publish]));
        arguments.push("nginx");
        engine.docker(&arguments);
    }
    wait_for_page(&engine, 8081, "Welcome to nginx!");
    wait_for_page(&engine, 8082, "Welcome to nginx!");
    let inside = engine
        .sandbox()
        .connect_to(SocketAddr::from((address, 8081)));
    assert!(
        http::get(inside.unwrap(), "/")
            .unwrap()
            .text()
            .contains("Welcome")
    );

    assert!(
        from_outside(&other, address, 8081)
            .unwrap()
            .contains("Welcome")
    );
    assert_eq!(
        from_outside(&other, address, 8082),
        None,
        "only on loopback"
    );
    // A host that sends its packets for the bridge through us gets nothing either.
    let facts = engine.inspect("container", "unpublished");
    let own: Ipv4Addr = facts["NetworkSettings"]["IPAddress"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let route = [format!("{own}/32"), "via".to_owned(), address.to_string()];
    run(
        other.enter("ip").args(["route", "add"]).args(route),
        Duration::from_secs(5),
    )
    .success();
    assert_eq!(from_outside(&other, own, 80), None, "unpublished");
    assert!(http::get(engine.sandbox().connect_to((own, 80).into()).unwrap(), "/").is_ok());
    drop(engine);
}

#[test]
fn the_lab_runs_on_essaim() {
    let engine = EssaimEngine::alone();
    let folder = make_images(&engine);
    engine.load(&["redis"]);
    let compose = |arguments: &[&str]| {
        let mut command: Command = engine.client(installed("docker-compose", "docker-compose"));
        command.args(arguments).current_dir(&folder);
        let answer = run(&mut command, CLIENT_LIMIT);
        assert!(answer.status.success(), "{answer:?}");
        answer.stdout + &answer.stderr
    };
    let said = compose(&["up", "--detach"]);
    assert!(!said.contains("Building"), "{said}");
    compose(&["scale", "worker=10"]);
    assert_eq!(compose(&["ps", "--quiet", "worker"]).lines().count(), 10);
    wait_for("all workers to count", CLIENT_LIMIT, || {
        let logs = compose(&["logs", "--no-color", "worker"]);
        let counting = logs
            .matches(" units of work done, updating hash counter")
            .count();
        if counting >= 20 {
            Ok(())
        } else {
            Err(format!("{counting} reports"))
        }
    });
    let form = Form::from_environment();
    let bounds = form.bounds(TEN_WORKERS);
    let rate = rate(engine.sandbox(), WEBUI, form.measured_for());
    assert!(
        bounds.contains(&rate),
        "{rate:.2} hashes/s are not within {bounds:?}"
    );
    compose(&["stop", "--timeout", "1"]);
    compose(&["rm", "--force"]);
    compose(&["down"]);
    assert_eq!(engine.docker(&["ps", "--all", "--quiet"]), "");
}

#[test]
fn every_client_builds_dockercoins() {
    let engine = EssaimEngine::alone();
    let folder = make_images(&engine);
    let clients = docker_clients()
        .into_iter()
        .chain([EssaimEngine::program()]);
    for client in clients {
        let build = |service: &str| -> String {
            let mut command = engine.client(Path::new(&client));
            let tag = format!("registry.example/me/{service}:v1.0");
            command.args(["build", "-t", &tag, &format!("./{service}")]);
            run(command.current_dir(&folder), CLIENT_LIMIT).success()
        };
        for service in ["hasher", "rng", "webui", "worker"] {
            let said = build(service);
            assert!(said.contains("Using cache"), "it was built before: {said}");
            let facts = engine.inspect("image", &format!("registry.example/me/{service}:v1.0"));
            assert_eq!(facts["Config"]["Entrypoint"][1], service);
        }
    }
}
