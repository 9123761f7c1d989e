//! The images: `make images` and `docker build`, by each of Docker's clients that is here, and how what is in
//! them takes a signal.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{fs, path::Path, time::Duration};

use blackbox::{
    command::{Answer, installed, run},
    debian_image,
    docker_engine::DockerEngine,
    dockercoins::{IMAGES, copy_folder, images_command, make_images, repository},
    engine::{CLIENT_LIMIT, Engine as _, docker_clients},
    waiting::wait_for,
};

/// What an image may take, program and all.
const SIZE_LIMIT_BYTES: u64 = 5_000_000;

/// What `docker stop` grants before it kills.
const GRACE: Duration = Duration::from_secs(10);

#[test]
fn every_client_builds_every_image() {
    let engine = DockerEngine::alone();
    let folder = engine.sandbox().folder().join("dockercoins");
    copy_folder(&folder);

    for client in docker_clients() {
        let said = run(
            &mut images_command(&engine, &folder, &client),
            Duration::from_mins(2),
        )
        .success();
        assert!(
            said.contains("docker-compose up"),
            "what to do next is missing: {said}"
        );
        for image in IMAGES {
            let facts = engine.inspect("image", image);
            let size = facts["Size"].as_u64().unwrap();
            assert!(size < SIZE_LIMIT_BYTES, "{image} has {size} bytes");
            assert_eq!(facts["Config"]["User"], "65534:65534", "{image}");
            assert_eq!(facts["Config"]["Entrypoint"][0], "/dockercoins", "{image}");
            let labels = &facts["Config"]["Labels"];
            assert_eq!(
                labels["org.opencontainers.image.licenses"], "MIT OR Apache-2.0",
                "{image}"
            );
        }

        the_two_releases_of_worker_share_their_program(&engine);

        // As the lab's texts build them.
        for service in ["hasher", "rng", "webui", "worker"] {
            let tag = format!("registry.example/me/{service}:v1.0");
            let arguments = ["build", "-t", &tag, &format!("./{service}")];
            run(
                engine.client(&client).args(arguments).current_dir(&folder),
                CLIENT_LIMIT,
            )
            .success();
        }
        engine.docker(&["system", "prune", "--all", "--force"]);
    }
}

#[test]
fn building_what_is_not_staged_says_what_to_do() {
    let engine = DockerEngine::alone();
    let folder = engine.sandbox().folder().join("dockercoins");
    copy_folder(&folder);
    for client in docker_clients() {
        let answer = run(
            engine.client(&client).arg("build").arg(folder.join("rng")),
            CLIENT_LIMIT,
        );
        assert!(!answer.status.success());
        assert!(
            answer.stderr.contains("staged-by-make-images"),
            "{}",
            answer.stderr
        );
    }
}

#[test]
fn without_an_engine_the_program_is_staged_and_the_way_on_is_told() {
    let engine = DockerEngine::alone();
    let folder = engine.sandbox().folder().join("dockercoins");
    copy_folder(&folder);
    let docker = installed("docker", "docker.io");
    let nowhere = format!("unix://{}/nobody.sock", engine.sandbox().folder().display());
    let mut command = images_command(&engine, &folder, &docker);
    let said = run(command.env("DOCKER_HOST", &nowhere), CLIENT_LIMIT).success();
    for words in ["no images built", &nowhere, "DOCKER_HOST", "hint:"] {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
    for image in ["hasher", "rng", "webui", "worker", "store"] {
        assert!(
            folder
                .join(image)
                .join("staged-by-make-images/dockercoins")
                .is_file(),
            "{image}"
        );
    }

    let mut command = images_command(&engine, &folder, &docker);
    let answer = run(
        command.env("DOCKERCOINS_BIN", "/nowhere/dockercoins"),
        CLIENT_LIMIT,
    );
    assert!(!answer.status.success());
    assert!(
        answer.stderr.contains("/nowhere/dockercoins"),
        "{}",
        answer.stderr
    );
}

/// The stages of the Dockerfile that builds from source, with a stand-in for the compiler's image: a shell, and
/// a `cargo` that finds the program built. The compilation itself needs Docker Hub, and is not proven here.
#[test]
fn the_stages_from_source_end_in_images_that_run() {
    let engine = DockerEngine::alone();
    let folder = engine.sandbox().folder();
    let archive = folder.join("compiler.tar");
    debian_image::pack(
        &[
            Path::new("/bin/sh"),
            &installed("cp", "coreutils"),
            &installed("mkdir", "coreutils"),
        ],
        &archive,
    );
    engine.docker(&["import", archive.to_str().unwrap(), "shell"]);

    let compiler = folder.join("compiler");
    fs::create_dir(&compiler).unwrap();
    fs::copy(
        blackbox::dockercoins::program(),
        compiler.join("dockercoins"),
    )
    .unwrap();
    for file in ["cargo", "Dockerfile"] {
        let source = repository()
            .join("tests/tests/compiler_stand_in")
            .join(file);
        fs::copy(source, compiler.join(file)).unwrap();
    }
    engine.docker(&["build", "--tag", "compiler", compiler.to_str().unwrap()]);

    // A context with no more in it than the Dockerfile's own COPY could miss.
    let context = folder.join("context");
    copy_folder(&context.join("dockercoins"));
    fs::copy(
        repository().join(".dockerignore"),
        context.join(".dockerignore"),
    )
    .unwrap();
    fs::copy(repository().join("Cargo.toml"), context.join("Cargo.toml")).unwrap();
    let file = context.join("dockercoins/Dockerfile");
    for role in ["rng", "hasher", "webui", "worker", "store"] {
        engine.docker(&[
            "build",
            "--build-arg=RUST_IMAGE=compiler",
            "--build-arg=RELEASE=0.2",
            "--target",
            role,
            "--tag",
            role,
            "--file",
            file.to_str().unwrap(),
            context.to_str().unwrap(),
        ]);
        let facts = engine.inspect("image", role);
        assert!(facts["Size"].as_u64().unwrap() < SIZE_LIMIT_BYTES, "{role}");
        assert_eq!(facts["Config"]["Entrypoint"][1], role);
        if role == "worker" {
            assert_eq!(facts["Config"]["Env"][1], "DOCKERCOINS_WORKER_RELEASE=0.2");
        }
    }
    engine.docker(&["run", "--detach", "--publish=8001:80", "rng"]);
    wait_for("rng from source to answer", CLIENT_LIMIT, || {
        answers(&engine, 8001, "RNG running on ")
    });
}

#[test]
fn a_service_stops_when_told_and_is_killed_when_it_ignores_that() {
    let engine = DockerEngine::alone();
    make_images(&engine);
    debian_image::redis(&engine);
    engine.docker(&["network", "create", "app"]);
    engine.docker(&["run", "--detach", "--network=app", "--name=redis", "redis"]);
    // Whoever answers stops before whoever asks: nothing may then wait for what will not come.
    let services = ["store", "rng", "hasher", "webui", "worker"];
    for service in services {
        let image = format!("dockercoins_{service}");
        let variable = format!("DOCKERCOINS_{}", service.to_uppercase());
        let metrics = format!("--env={variable}_METRICS_PORT=9090");
        let ignore = format!("--env={variable}_ON_SIGTERM=ignore");
        let stubborn = format!("--name=stubborn-{service}");
        let name = format!("--name={service}");
        let common = ["run", "--detach", "--network=app", &metrics];
        engine.docker(&[&common[..], &[&name, &image]].concat());
        engine.docker(&[&common[..], &[&ignore, &stubborn, &image]].concat());
    }
    for service in services {
        // Before it has come so far as to say what it does with the signal, process 1 ignores it.
        wait_for_health(&engine, service);
        wait_for_health(&engine, &format!("stubborn-{service}"));
    }

    for service in services {
        let stopped = stop(&engine, service);
        assert!(
            stopped.took < GRACE / 2,
            "{service} took {:?} to stop",
            stopped.took
        );
        let state = engine.inspect("container", service)["State"].clone();
        assert_eq!(state["ExitCode"], 0, "{service}: {state}");
    }

    // All at once, since each takes all the seconds that it is granted.
    let stubborn = services.map(|service| format!("stubborn-{service}"));
    let mut arguments = vec!["stop", "--time=4"];
    arguments.extend(stubborn.iter().map(String::as_str));
    run(
        engine
            .client(installed("docker", "docker.io"))
            .args(arguments),
        CLIENT_LIMIT,
    )
    .success();
    for service in &stubborn {
        assert_eq!(
            engine.inspect("container", service)["State"]["ExitCode"],
            137,
            "{service} was killed"
        );
    }
}

fn stop(engine: &DockerEngine, name: &str) -> Answer {
    let answer = run(
        engine
            .client(installed("docker", "docker.io"))
            .args(["stop", name]),
        CLIENT_LIMIT,
    );
    assert!(answer.status.success(), "{answer:?}");
    answer
}

/// Asks in the container, by what an orchestrator would use too, since an empty image has no `curl`.
fn wait_for_health(engine: &DockerEngine, container: &str) {
    let ping = [
        "exec",
        container,
        "/dockercoins",
        "ping",
        "--count",
        "1",
        "http://127.0.0.1:9090/healthz",
    ];
    wait_for(&format!("{container} to be healthy"), CLIENT_LIMIT, || {
        let answer = run(
            engine.client(installed("docker", "docker.io")).args(ping),
            CLIENT_LIMIT,
        );
        if answer.status.success() {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
}

fn answers(engine: &DockerEngine, port: u16, words: &str) -> Result<(), String> {
    let text = engine
        .sandbox()
        .get(port, "/")
        .map_err(|error| error.to_string())?
        .text();
    if text.starts_with(words) {
        Ok(())
    } else {
        Err(text)
    }
}

/// A release is a setting, not another program.
fn the_two_releases_of_worker_share_their_program(engine: &DockerEngine) {
    let [one, two] = [
        "theoghi/dockercoins_worker:0.1",
        "humboldtux/dockercoins_worker:0.2",
    ]
    .map(|image| {
        let facts = engine.inspect("image", image);
        let version = facts["Config"]["Labels"]["org.opencontainers.image.version"].clone();
        let release = facts["Config"]["Env"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(|variable| {
                variable
                    .as_str()?
                    .strip_prefix("DOCKERCOINS_WORKER_RELEASE=")
            })
            .unwrap()
            .to_owned();
        assert_eq!(version, release, "{image}");
        assert!(image.ends_with(&release), "{image} is release {release}");
        facts
    });
    assert_eq!(one["RootFS"], two["RootFS"]);
}
