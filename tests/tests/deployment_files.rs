//! The files that deploy Dockercoins, as their readers understand them: Compose, `docker stack`, and the schema
//! of Kubernetes. No engine is needed, and no cluster: none has run the Kubernetes manifests here.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use blackbox::{
    command::{Answer, installed, run},
    dockercoins::{copy_folder, repository},
    engine::docker_clients,
    leftovers::fresh_name,
};

/// Starting Python, and the first time installing the validators.
const LIMIT: Duration = Duration::from_mins(3);

const SERVICES: [&str; 5] = ["hasher", "redis", "rng", "webui", "worker"];

fn validate(arguments: &[&Path]) -> Answer {
    run(
        Command::new(repository().join("tools/validate-deployment")).args(arguments),
        LIMIT,
    )
}

/// A folder that goes when it is dropped.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        let folder = env::temp_dir().join(fresh_name());
        copy_folder(&folder);
        Self(folder)
    }

    /// Replaces one word, once, and says what the validators say to that.
    fn broken(&self, file: &str, from: &str, to: &str) -> Answer {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let answer = validate(&[&self.0]);
        fs::write(&path, text).unwrap();
        answer
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _swept_later = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn all_are_valid_by_their_schemas() {
    let said = validate(&[]).success();
    assert!(
        said.contains("manifests are valid for Kubernetes"),
        "{said}"
    );
    assert!(said.contains("docker-compose.yml is valid"), "{said}");
}

#[test]
fn the_validators_do_refuse() {
    let copy = Copy::new();
    for (file, from, to) in [
        ("kubernetes/rng.yaml", "replicas: 1", "replica: 1"),
        (
            "kubernetes/rng.yaml",
            "containerPort: 80",
            "containerPort: http",
        ),
        (
            "kubernetes/rng-global/rng.yaml",
            "kind: DaemonSet",
            "kind: DemonSet",
        ),
        ("docker-compose.yml", "restart:", "restarts:"),
        (
            "docker-compose.store.yml",
            "services:",
            "version: \"3.8\"\nservices:",
        ),
    ] {
        let answer = copy.broken(file, from, to);
        assert!(
            !answer.status.success(),
            "{file} with `{to}` passed: {answer:?}"
        );
    }
}

fn compose(file: &str, arguments: &[&str]) -> String {
    let answer = run(
        Command::new(installed("docker-compose", "docker-compose"))
            .args(["--file", file])
            .args(arguments)
            .current_dir(repository().join("dockercoins")),
        LIMIT,
    );
    assert_eq!(answer.stderr, "", "{file} is read without a warning");
    answer.success()
}

#[test]
fn docker_compose_reads_every_file() {
    for file in [
        "docker-compose.yml",
        "docker-compose.store.yml",
        "stack.yml",
    ] {
        let services: BTreeSet<_> = compose(file, &["config", "--services"])
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(services, SERVICES.map(str::to_owned).into(), "{file}");
    }
    assert_eq!(
        compose("docker-compose.store.yml", &["config", "--volumes"]),
        "data"
    );
}

/// What the newer client, where there is one, makes of the stack: Debian's can only deploy it, which
/// `docker_swarm.rs` does.
#[test]
fn docker_stack_merges_the_override() {
    for client in docker_clients() {
        let mut command = Command::new(&client);
        command
            .args([
                "stack",
                "config",
                "-c",
                "stack.yml",
                "-c",
                "stack.dnsrr.yml",
            ])
            .env("REGISTRY", "registry.example/me")
            .env("WORKER_RELEASE", "0.2")
            .env("WORKERS", "10")
            .current_dir(repository().join("dockercoins"));
        let answer = run(&mut command, LIMIT);
        if answer.stderr.contains("unknown") || answer.stderr.contains("Usage:") {
            continue;
        }
        assert_eq!(answer.stderr, "", "no warning");
        let merged = answer.success();
        assert_eq!(
            merged.matches("endpoint_mode: dnsrr").count(),
            SERVICES.len(),
            "{merged}"
        );
        assert_eq!(
            merged.matches("published:").count(),
            1,
            "the port is overridden, not added: {merged}"
        );
        for words in [
            "mode: host",
            "mode: global",
            "replicas: 10",
            "failure_action: rollback",
            "registry.example/me/dockercoins_worker:0.2",
        ] {
            assert!(merged.contains(words), "`{words}` is missing: {merged}");
        }
    }
}

/// The same five services everywhere, and each role's image by the same name.
#[test]
fn kubernetes_has_the_same_services() {
    let folder = repository().join("dockercoins/kubernetes");
    for service in SERVICES {
        let manifest = fs::read_to_string(folder.join(format!("{service}.yaml"))).unwrap();
        assert!(
            manifest.contains(&format!("name: {service}\n")),
            "{service}"
        );
        assert!(manifest.contains("kind: Deployment"), "{service}");
        let reached_by_name = service != "worker";
        assert_eq!(
            manifest.contains("kind: Service"),
            reached_by_name,
            "{service}"
        );
        assert!(manifest.contains("runAsNonRoot: true"), "{service}");
    }
    // The DaemonSet is the Deployment but for its kind and the number of replicas.
    let pod = |file: &str| {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let start = text.find("  selector:").unwrap();
        let end = text.find("---").unwrap_or(text.len());
        text[start..end].to_owned()
    };
    assert_eq!(pod("rng.yaml"), pod("rng-global/rng.yaml"));
}
