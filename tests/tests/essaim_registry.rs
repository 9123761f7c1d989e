//! Our registry: with users on loopback, and open to another host, between our engine and a real Docker Engine, where
//! what one pushes the other pulls and runs.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use blackbox::{
    command::{Answer, installed, run, run_with_input},
    docker_engine::DockerEngine,
    engine::{CLIENT_LIMIT, Engine},
    essaim_engine::EssaimEngine,
    sandbox::Sandbox,
    switch::Switch,
    waiting::wait_for,
};

/// A registry in a sandbox; ends with it.
struct Registry {
    server: Child,
    port: u16,
}

impl Registry {
    /// On loopback, for `bob` alone.
    fn with_a_user(sandbox: &Sandbox) -> Self {
        let program = EssaimEngine::program();
        let mut user = sandbox.enter(&program);
        user.args(["registry", "user", "bob"]);
        let line = run_with_input(&mut user, b"secret\n", CLIENT_LIMIT).success();
        let users = sandbox.folder().join("users");
        fs::write(&users, line + "\n").unwrap();
        Self::start(
            sandbox,
            "127.0.0.1",
            &[&format!("--users={}", users.display())],
        )
    }

    /// On all addresses, for everybody.
    fn open(sandbox: &Sandbox) -> Self {
        Self::start(sandbox, "0.0.0.0", &[])
    }

    fn start(sandbox: &Sandbox, address: &str, flags: &[&str]) -> Self {
        // Free on this computer, and the sandbox' loopback has nothing else on it.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = sandbox
            .enter(EssaimEngine::program())
            .args(["registry", "serve"])
            .arg(format!("--listen={address}:{port}"))
            .arg(format!(
                "--root={}",
                sandbox.folder().join("registry").display()
            ))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { server, port };
        wait_for("the registry to listen", Duration::from_secs(20), || {
            sandbox
                .connect(port)
                .map(drop)
                .map_err(|error| error.to_string())
        });
        registry
    }

    fn name(&self, image: &str) -> String {
        format!("127.0.0.1:{}/{image}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.server.kill();
        let _reaped = self.server.wait();
    }
}

fn ask(engine: &impl Engine, client: &Path, arguments: &[&str]) -> Answer {
    run(engine.client(client).args(arguments), CLIENT_LIMIT)
}

fn log_in(engine: &impl Engine, client: &Path, server: &str, password: &str) -> Answer {
    let mut command = engine.client(client);
    let server = server.trim_end_matches('/');
    command.args(["login", "-u", "bob", "--password-stdin", server]);
    run_with_input(&mut command, password.as_bytes(), CLIENT_LIMIT)
}

#[test]
fn images_travel_between_engines_with_a_password() {
    let ours = EssaimEngine::alone();
    ours.load(&["busybox"]);
    let registry = Registry::with_a_user(ours.sandbox());
    let image = registry.name("me/busybox:v1");
    let docker = installed("docker", "docker.io");

    ours.docker(&["tag", "busybox", &image]);
    let refused = ask(&ours, &docker, &["push", &image]);
    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("authentication required"),
        "{refused:?}"
    );
    assert!(
        !log_in(&ours, &docker, &registry.name(""), "guess")
            .status
            .success()
    );
    log_in(&ours, &docker, &registry.name(""), "secret").success();
    ours.docker(&["push", &image]);
    ours.docker(&["rmi", &image, "busybox"]);
    // Ours reads the login that Docker's client wrote.
    let program = EssaimEngine::program();
    ask(&ours, &program, &["pull", &image]).success();
    assert_eq!(
        ours.docker(&["run", "--rm", &image, "echo", "back"]),
        "back"
    );
    let missing = ask(&ours, &program, &["pull", &registry.name("me/busybox:v2")]);
    assert!(missing.stderr.contains("manifest unknown"), "{missing:?}");
}

/// Docker trusts the registry, which has no TLS, since it is on its loopback; ours, on another host, since it was told.
#[test]
fn docker_runs_what_ours_pushed_and_ours_what_docker_pushed() {
    let mut switch = Switch::new();
    let there = Sandbox::new("docker");
    let here = Sandbox::new("essaim");
    let address = switch.plug(&there);
    switch.plug(&here);
    let theirs = DockerEngine::start(there);
    let registry = Registry::open(theirs.sandbox());
    let archive = blackbox::debian_image::archive("busybox");
    theirs.docker(&["load", "-q", "-i", archive.to_str().unwrap()]);
    let pushed = registry.name("from/docker:1");
    theirs.docker(&["tag", "busybox", &pushed]);
    theirs.docker(&["push", &pushed]);

    let server = format!("{address}:{}", registry.port);
    let ours = EssaimEngine::start(here, &[&format!("--insecure-registry={server}")]);
    let program = EssaimEngine::program();
    let pulled = format!("{server}/from/docker:1");
    let by_ours = |arguments: &[&str]| ask(&ours, &program, arguments).success();
    by_ours(&["pull", &pulled]);
    let said = by_ours(&["run", "--rm", "--network=none", &pulled, "echo", "one"]);
    assert_eq!(said, "one");
    by_ours(&["tag", &pulled, &format!("{server}/from/ours:1")]);
    by_ours(&["push", &format!("{server}/from/ours:1")]);
    let built = registry.name("from/ours:1");
    theirs.docker(&["rmi", "-f", "busybox", &pushed]);
    theirs.docker(&["pull", &built]);
    let said = theirs.docker(&["run", "--rm", "--network=none", &built, "echo", "two"]);
    assert_eq!(said, "two");
}

/// What has no registry in its name comes from the mirror, if one is there and has it.
#[test]
fn a_mirror_stands_in_for_the_hub() {
    let sandbox = Sandbox::new("essaim");
    let registry = Registry::open(&sandbox);
    let mirror = format!("--registry-mirror=http://{}", registry.name(""));
    let ours = EssaimEngine::start(sandbox, &[&mirror]);
    ours.load(&["busybox"]);
    let there = registry.name("library/busybox:latest");
    ours.docker(&["tag", "busybox", &there]);
    ours.docker(&["push", &there]);
    ours.docker(&["rmi", "busybox", &there]);
    let said = ours.docker(&["pull", "busybox"]);
    assert!(
        said.contains("Downloaded newer image for busybox:latest"),
        "{said}"
    );
    assert_eq!(
        ours.docker(&["run", "--rm", "busybox", "echo", "mirrored"]),
        "mirrored"
    );
    // It has no other, and the hub is out of reach.
    let docker = installed("docker", "docker.io");
    let refused = ask(&ours, &docker, &["pull", "nginx"]);
    assert!(
        !refused.status.success() && !refused.stderr.is_empty(),
        "{refused:?}"
    );
}
