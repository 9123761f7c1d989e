//! Measures what decisions cost on large clusters, on one core.
//!
//! ```text
//! place    1,000,000 tasks of 10,000 services on 10,000 nodes: plan and apply, per second, and the memory
//! fail     one of those nodes goes down: mark, plan, apply
//! change   one service of 1,000 tasks among 10,000 services, and one of 10 for comparison
//! flat     cost per task from 100 to 10,000 nodes, as a figure
//! ```

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use model::id::ServiceId;
use model::size::Resources;
use model::time::Timestamp;
use swarm_core::object::node::{Node, NodeState};
use swarm_core::object::spec::ServiceMode;
use swarm_core::plan::plan;
use swarm_core::state::ClusterState;
use swarm_core::state::dirty::Dirty;
use swarm_core::state::transaction::{Change, Transaction};

use crate::arguments::BenchOptions;
use crate::plot;
use crate::user;

/// What the large cluster is made of.
#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: u32,
    services: u32,
    tasks_per_service: u32,
}

/// What one size cost per task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    pub(crate) nodes: u32,
    pub(crate) plan_ns: f64,
    pub(crate) apply_ns: f64,
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

/// The figures, a line each.
pub(crate) fn figures(options: &BenchOptions) -> Result<String, String> {
    let scale = if options.small { 10 } else { 1 };
    let mut text = String::new();
    large(
        &mut text,
        Size {
            nodes: 10_000 / scale,
            services: 10_000 / scale,
            tasks_per_service: 100,
        },
    );
    change(&mut text, scale);
    let costs = flat(scale);
    writeln!(text, "\n{TASKS} tasks\nnodes   plan ns/task  apply ns/task").expect(WRITES);
    for cost in &costs {
        writeln!(
            text,
            "{:<7} {:<13.0} {:.0}",
            cost.nodes, cost.plan_ns, cost.apply_ns
        )
        .expect(WRITES);
    }
    if let Some(path) = &options.csv {
        fs::write(path, plot::csv(&costs))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        fs::write(path, plot::svg(&costs))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(text)
}

const WRITES: &str = "writing to a string does not fail";

/// Places all tasks of a large cluster, then has a node of it fail.
fn large(text: &mut String, size: Size) {
    let (mut state, cost) = placed(size);
    let tasks = f64::from(size.services) * f64::from(size.tasks_per_service);
    let (plan_s, both_s) = (cost.0.as_secs_f64(), (cost.0 + cost.1).as_secs_f64());
    writeln!(
        text,
        "place   {tasks} tasks on {} nodes: plan {plan_s:.2} s ({:.0} tasks/s), plan and apply {both_s:.2} s \
         ({:.0} tasks/s); peak memory {} MiB",
        size.nodes,
        tasks / plan_s,
        tasks / both_s,
        peak_memory_mib(),
    )
    .expect(WRITES);
    let mut times: Vec<Duration> = Vec::new();
    let failing: Vec<Node> = state
        .nodes()
        .values()
        .step_by(97)
        .take(10)
        .cloned()
        .collect();
    let mut replaced = 0;
    for node in failing {
        let mut down = node;
        down.status.state = NodeState::Down;
        let dirty = state
            .apply(Transaction::of(down.into()))
            .expect("a node can go down");
        let (plan_time, apply_time, changes) = step(&mut state, &dirty);
        replaced += changes;
        times.push(plan_time + apply_time);
    }
    times.sort_unstable();
    writeln!(
        text,
        "fail    a node of {} tasks: median {:.1} ms, worst {:.1} ms of {} ({replaced} changes in all)",
        size.services / size.nodes * size.tasks_per_service,
        millis(times[times.len() / 2]),
        millis(times[times.len() - 1]),
        times.len(),
    )
    .expect(WRITES);
}

/// Changes services of 1,000 and of 10 tasks among many others.
fn change(text: &mut String, scale: u32) {
    let size = Size {
        nodes: 1_000,
        services: 10_000 / scale,
        tasks_per_service: 10,
    };
    let (mut state, _) = placed(size);
    for replicas in [10, 100, 1_000, 10_000] {
        let id = ServiceId::from_number(u128::from(size.services) + u128::from(replicas));
        let spec = spec(&format!("changed{replicas}"), replicas);
        let dirty = state
            .apply(user::create_service(id, spec))
            .expect("the service is new");
        step(&mut state, &dirty);
        run_all(&mut state, id);
        let service = state.services().get(&id).expect("it was just made").clone();
        let update = user::update_service(&service, |spec| {
            "web:2".clone_into(&mut spec.task.container.image);
            spec.update.parallelism = 0;
        });
        let dirty = state.apply(update).expect("nobody else writes");
        let (plan_time, apply_time, changes) = step(&mut state, &dirty);
        writeln!(
            text,
            "change  a service of {replicas} tasks among {}: plan {:.2} ms, apply {:.2} ms ({changes} changes)",
            size.services,
            millis(plan_time),
            millis(apply_time),
        )
        .expect(WRITES);
    }
}

/// As many tasks on each number of nodes, so that nothing but that number differs.
const TASKS: u32 = 100_000;

/// The cost per task on several numbers of nodes.
fn flat(scale: u32) -> Vec<Cost> {
    [100, 200, 500, 1_000, 2_000, 5_000, 10_000]
        .map(|nodes| nodes / scale)
        .map(cost)
        .to_vec()
}

fn cost(nodes: u32) -> Cost {
    let size = Size {
        nodes,
        services: TASKS / 100,
        tasks_per_service: 100,
    };
    // Other programs run here too: the best of a few counts.
    let rounds = 5;
    let runs: Vec<(Duration, Duration)> = (0..rounds).map(|_| placed(size).1).collect();
    let per_task = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(TASKS);
    let best = |times: fn(&(Duration, Duration)) -> Duration| {
        runs.iter().map(times).min().unwrap_or_default()
    };
    Cost {
        nodes,
        plan_ns: per_task(best(|it| it.0)),
        apply_ns: per_task(best(|it| it.1)),
    }
}

/// A cluster of `size` with all its tasks placed, and what the plan for that and its application took.
fn placed(size: Size) -> (ClusterState, (Duration, Duration)) {
    let mut state = ClusterState::default();
    let mut all = Dirty::nothing();
    for number in 1..=size.nodes {
        let mut node = user::node(number, NOW);
        // Room for what is placed here, and something to compute with.
        node.description.resources = Resources {
            nano_cpus: 400_000_000_000,
            memory_bytes: 1 << 40,
        };
        all.merge(
            state
                .apply(Transaction::of(node.into()))
                .expect("the node is new"),
        );
    }
    for number in 1..=size.services {
        let spec = spec(&format!("service{number}"), size.tasks_per_service);
        let id = ServiceId::from_number(u128::from(number));
        all.merge(
            state
                .apply(user::create_service(id, spec))
                .expect("the service is new"),
        );
    }
    let (plan_time, apply_time, _) = step(&mut state, &all);
    (state, (plan_time, apply_time))
}

fn spec(name: &str, replicas: u32) -> swarm_core::object::spec::ServiceSpec {
    let mut spec = user::spec(
        name.parse().expect("a word and a number are a name"),
        "web:1",
    );
    spec.mode = ServiceMode::Replicated { replicas };
    spec.task.reservations = Resources {
        nano_cpus: 1_000_000,
        memory_bytes: 1 << 20,
    };
    spec.placement.constraints = vec![
        "node.platform.os==linux"
            .parse()
            .expect("it is a constraint"),
    ];
    spec
}

/// Plans and applies; how long each took, and how many changes that was.
fn step(state: &mut ClusterState, dirty: &Dirty) -> (Duration, Duration, usize) {
    let mut random = fastrand::Rng::with_seed(state.revision().0);
    let begin = Instant::now();
    let plan = plan(state, dirty, NOW, &mut || random.u128(..));
    let planned = begin.elapsed();
    let changes = plan.transaction.changes.len();
    let begin = Instant::now();
    state.apply(plan.transaction).expect("nobody else writes");
    (planned, begin.elapsed(), changes)
}

/// Has all tasks of a service run.
fn run_all(state: &mut ClusterState, service: ServiceId) {
    let running = |record: &swarm_core::object::task::TaskRecord| {
        let mut status = record
            .status
            .moved(swarm_core::object::task::TaskState::Running, NOW);
        status.started = Some(NOW);
        Change::UpdateStatus {
            service,
            task: record.task.id,
            status,
        }
    };
    let changes = state.tasks_of(service).map(running).collect();
    state
        .apply(Transaction { changes })
        .expect("nobody else writes");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The most memory this process ever had, as the kernel counts it.
fn peak_memory_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
