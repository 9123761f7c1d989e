//! The Swarm part on a real Swarm: two Docker Engines that meet on a switch, `docker stack deploy`, rng on each
//! of them, a rolling update of worker and its way back, and `stack rm`.
//!
//! Test kernels mostly lack IPVS, so `stack.dnsrr.yml` is on top: what is left out is Swarm's virtual addresses
//! and routing mesh, which are Docker's.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    collections::BTreeSet, ops::RangeInclusive, path::PathBuf, process::Command, time::Duration,
};

use blackbox::{
    command::{installed, run},
    debian_image,
    docker_engine::DockerEngine,
    dockercoins::{first_column, make_images, rate},
    engine::{CLIENT_LIMIT, Engine as _},
    form::Form,
    sandbox::Sandbox,
    switch::Switch,
    waiting::wait_for,
};

const WEBUI: u16 = 8000;

/// Eight workers could make 26 hashes per second, and ten of 0.2 more; two rng that take 100 ms for each are what
/// bounds them. Workers that take turns leave little of that unused; and what eight of them have not yet counted
/// at one end, but have at the other, can be a little more than that.
const RATE_OF_TWO_RNG: RangeInclusive<f64> = 18.5..=20.3;

/// Two engines in one swarm. In the order in which they are to end: engines, then what they are plugged to.
struct Swarm {
    manager: DockerEngine,
    worker: DockerEngine,
    folder: PathBuf,
    _switch: Switch,
}

impl Swarm {
    fn new() -> Self {
        let mut switch = Switch::new();
        let [one, two] = ["node1", "node2"].map(Sandbox::new);
        let addresses = [switch.plug(&one), switch.plug(&two)];
        let [manager, worker] = [one, two].map(DockerEngine::start);

        let [at, from] = addresses.map(|address| format!("--advertise-addr={address}"));
        manager.docker(&["swarm", "init", &at]);
        let token = format!(
            "--token={}",
            manager.docker(&["swarm", "join-token", "--quiet", "worker"])
        );
        worker.docker(&[
            "swarm",
            "join",
            &token,
            &from,
            &format!("{}:2377", addresses[0]),
        ]);

        let folder = make_images(&manager);
        debian_image::redis(&manager);
        copy_images(&manager, &worker);
        Self {
            manager,
            worker,
            folder,
            _switch: switch,
        }
    }

    fn deploy(&self, variables: &[(&str, &str)]) {
        let mut command = self.stack(&["deploy", "--resolve-image=never"]);
        for file in ["stack.yml", "stack.dnsrr.yml"] {
            command.arg(format!("--compose-file={file}"));
        }
        command.arg("dockercoins").envs(variables.iter().copied());
        run(&mut command, CLIENT_LIMIT).success();
    }

    fn stack(&self, arguments: &[&str]) -> Command {
        let mut command = self.manager.client(installed("docker", "docker.io"));
        command
            .arg("stack")
            .args(arguments)
            .current_dir(&self.folder);
        command
    }

    /// Waits until `service` has as many tasks running as it should, all of them of `image`, and returns the
    /// nodes that they are on.
    fn converged(&self, service: &str, tasks: usize, image: &str) -> Vec<String> {
        let service = format!("dockercoins_{service}");
        wait_for(
            &format!("{tasks} tasks of {service}"),
            Duration::from_secs(90),
            || {
                let format = "--format={{.CurrentState}}\t{{.Image}}\t{{.Node}}\t{{.Error}}";
                let table = self.manager.docker(&[
                    "service",
                    "ps",
                    "--filter=desired-state=running",
                    format,
                    &service,
                ]);
                let nodes: Vec<_> = table
                    .lines()
                    .filter(|line| line.starts_with("Running"))
                    .filter_map(|line| {
                        let mut fields = line.split('\t').skip(1);
                        (fields.next()? == image)
                            .then(|| fields.next().unwrap_or_default().to_owned())
                    })
                    .collect();
                let as_many_wanted = table.lines().count() == tasks;
                if nodes.len() == tasks && as_many_wanted {
                    Ok(nodes)
                } else {
                    Err(table)
                }
            },
        )
    }

    fn update_state(&self, service: &str) -> String {
        let facts = self
            .manager
            .inspect("service", &format!("dockercoins_{service}"));
        facts["UpdateStatus"]["State"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }

    fn wait_for_update(&self, service: &str, state: &str) {
        wait_for(
            &format!("the update of {service} to be {state}"),
            Duration::from_secs(90),
            || {
                let now = self.update_state(service);
                if now == state { Ok(()) } else { Err(now) }
            },
        );
    }

    #[track_caller]
    fn assert_rate(&self, what: &str, full: RangeInclusive<f64>) {
        let form = Form::from_environment();
        let bounds = form.bounds(full);
        // A port in host mode answers on the node of its task, which the constraint makes the manager.
        let rate = rate(self.manager.sandbox(), WEBUI, form.measured_for());
        assert!(
            bounds.contains(&rate),
            "{what}: {rate:.2} hashes/s are not within {bounds:?}"
        );
        #[expect(
            clippy::print_stdout,
            reason = "the figure is what the full form is run for"
        )]
        {
            println!("{what}: {rate:.2} hashes/s");
        }
    }
}

/// What a registry would do.
fn copy_images(from: &DockerEngine, to: &DockerEngine) {
    let archive = from.sandbox().folder().join("images.tar");
    let archive = archive.to_str().unwrap();
    let mut arguments = vec!["save", "--output", archive, "redis:latest"];
    arguments.extend([
        "theoghi/dockercoins_rng",
        "theoghi/dockercoins_hasher",
        "theoghi/dockercoins_webui",
        "theoghi/dockercoins_worker:0.1",
        "theoghi/dockercoins_worker:0.2",
    ]);
    from.docker(&arguments);
    to.docker(&["load", "--input", archive]);
}

#[test]
fn the_stack_runs_on_two_nodes() {
    let swarm = Swarm::new();
    let nodes = swarm
        .manager
        .docker(&["node", "ls", "--format={{.Hostname}} {{.Status}}"]);
    assert_eq!(
        nodes.lines().collect::<BTreeSet<_>>(),
        BTreeSet::from(["node1 Ready", "node2 Ready"])
    );

    swarm.deploy(&[]);
    let mut nodes = swarm.converged("rng", 2, "theoghi/dockercoins_rng:latest");
    nodes.sort();
    assert_eq!(nodes, ["node1", "node2"], "rng is global: one on each node");
    swarm.converged("hasher", 1, "theoghi/dockercoins_hasher:latest");
    assert_eq!(swarm.converged("redis", 1, "redis:latest"), ["node1"]);
    assert_eq!(
        swarm.converged("webui", 1, "theoghi/dockercoins_webui:latest"),
        ["node1"]
    );
    let nodes = swarm.converged("worker", 8, "theoghi/dockercoins_worker:0.1");
    assert_eq!(
        BTreeSet::from_iter(nodes).len(),
        2,
        "the workers are spread"
    );
    wait_for_workers_to_count(&swarm, 8);
    swarm.assert_rate("8 workers 0.1, 2 rng", RATE_OF_TWO_RNG);

    a_new_release_rolls_out(&swarm);
    swarm.assert_rate("8 workers 0.2, 2 rng", RATE_OF_TWO_RNG);
    a_release_rolls_back(&swarm);
    nothing_is_left(&swarm);
}

/// A worker that came up before rng did waits 10 s: the rate is that of all only then.
fn wait_for_workers_to_count(swarm: &Swarm, workers: usize) {
    wait_for("each worker to count", CLIENT_LIMIT, || {
        let said = swarm
            .manager
            .docker(&["service", "logs", "--raw=false", "dockercoins_worker"]);
        // `dockercoins_worker.1.<task>@node1    | 3 units of work done, updating hash counter`
        let counting: BTreeSet<_> = said
            .lines()
            .filter(|line| line.contains("units of work done"))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        if counting.len() >= workers {
            Ok(())
        } else {
            Err(format!("{counting:?}"))
        }
    });
}

fn a_new_release_rolls_out(swarm: &Swarm) {
    let before = task_ids(swarm, "worker");
    swarm.deploy(&[("WORKER_RELEASE", "0.2")]);
    // The policy of the file: two at a time, so meanwhile both releases are at work.
    wait_for("both releases to run at once", CLIENT_LIMIT, || {
        let images = running_images(swarm, "worker");
        let both = images.iter().any(|image| image.ends_with(":0.1"))
            && images
                .iter()
                .filter(|image| image.ends_with(":0.2"))
                .count()
                >= 2;
        if both {
            Ok(())
        } else {
            Err(format!("{images:?}"))
        }
    });
    swarm.wait_for_update("worker", "completed");
    swarm.converged("worker", 8, "theoghi/dockercoins_worker:0.2");
    let after = task_ids(swarm, "worker");
    assert!(before.is_disjoint(&after), "each task is replaced");
}

fn a_release_rolls_back(swarm: &Swarm) {
    swarm
        .manager
        .docker(&["service", "rollback", "--detach", "dockercoins_worker"]);
    swarm.wait_for_update("worker", "rollback_completed");
    swarm.converged("worker", 8, "theoghi/dockercoins_worker:0.1");
}

fn nothing_is_left(swarm: &Swarm) {
    // Docker may find the network in use by a task that has just gone; the same command again goes on.
    wait_for("the stack to be removed", CLIENT_LIMIT, || {
        let answer = run(&mut swarm.stack(&["rm", "dockercoins"]), CLIENT_LIMIT);
        if answer.status.success() {
            Ok(())
        } else {
            Err(answer.stderr)
        }
    });
    assert_eq!(swarm.manager.docker(&["service", "ls", "--quiet"]), "");
    for node in [&swarm.manager, &swarm.worker] {
        wait_for("containers and networks to go", CLIENT_LIMIT, || {
            let left = node.docker(&["ps", "--all", "--quiet"])
                + &node.docker(&["network", "ls", "--filter=name=dockercoins", "--quiet"]);
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    }
}

fn task_ids(swarm: &Swarm, service: &str) -> BTreeSet<String> {
    let service = format!("dockercoins_{service}");
    first_column(&swarm.manager.docker(&[
        "service",
        "ps",
        "--filter=desired-state=running",
        &service,
    ]))
}

fn running_images(swarm: &Swarm, service: &str) -> Vec<String> {
    let service = format!("dockercoins_{service}");
    let format = "--format={{.CurrentState}}\t{{.Image}}";
    let table = swarm.manager.docker(&["service", "ps", format, &service]);
    table
        .lines()
        .filter(|line| line.starts_with("Running"))
        .filter_map(|line| line.split('\t').nth(1))
        .map(str::to_owned)
        .collect()
}
