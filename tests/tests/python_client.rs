//! The package `docker` from `PyPI`, as programs use it, on our engine and on Docker's: `python_client/test_engine.py`.

use std::{process::Command, time::Duration};

use blackbox::{
    command::run, debian_image, docker_engine::DockerEngine, dockercoins::repository,
    engine::Engine, essaim_engine::EssaimEngine,
};

#[track_caller]
fn check(engine: &impl Engine) {
    let archive = debian_image::archive("busybox");
    engine.docker(&["load", "--quiet", "--input", &archive.to_string_lossy()]);
    // Making the environment takes longer than the tests.
    let limit = Duration::from_mins(2);
    let python = run(
        &mut Command::new(repository().join("tools/python-client")),
        limit,
    )
    .success();
    let mut tests = engine.client(python);
    tests
        .args(["-W", "ignore::ResourceWarning"])
        .arg(repository().join("tests/tests/python_client/test_engine.py"));
    run(&mut tests, limit).success();
}

#[test]
fn our_engine_does_what_pythons_programs_ask() {
    check(&EssaimEngine::alone());
}

/// What the tests ask for is what Docker does.
#[test]
fn docker_does_what_pythons_programs_ask() {
    check(&DockerEngine::alone());
}
