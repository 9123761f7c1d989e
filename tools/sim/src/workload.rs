//! What users do to a cluster: seeded, and not always sensible.

use std::num::NonZeroU32;
use std::time::Duration;

use model::id::{NetworkId, ServiceId};
use model::name::Name;
use model::port::Protocol;
use model::size::Resources;
use swarm_core::object::network::NetworkPurpose;
use swarm_core::object::node::Availability;
use swarm_core::object::service::Service;
use swarm_core::object::spec::{
    EndpointMode, FailureAction, NetworkAttachment, PortSpec, PublishMode, RestartCondition,
    RestartPolicy, ServiceMode, ServiceSpec, UpdateOrder, UpdatePolicy,
};
use swarm_core::state::transaction::Transaction;

use crate::invariant::Failure;
use crate::scenario::Size;
use crate::user;
use crate::world::World;

/// How many networks users make.
const NETWORKS: u32 = 3;

const CONSTRAINTS: [&str; 5] = [
    "node.role==worker",
    "node.labels.disk==ssd",
    "node.labels.disk!=ssd",
    "node.hostname!=host2",
    "node.platform.os==linux",
];

/// Does one thing. It reaches the log a little later, and may be refused there.
pub(crate) fn act(world: &mut World, size: Size) {
    let name = format!("service{}", world.random.u32(1..=size.services));
    let service = world.state.service_named(&name).cloned();
    let written = match (world.random.u8(0..16), service) {
        (0..=10, None) => create(world, &name),
        (0, Some(service)) => Some(user::remove_service(&service)),
        (1..=3, Some(service)) => scale(world, &service),
        (4..=6, Some(service)) => Some(change_image(world, &service)),
        (7, Some(service)) => Some(change_policy(world, &service)),
        (8, Some(service)) => Some(change_mode(world, &service)),
        (9, Some(service)) => Some(change_ports(world, &service)),
        (10, Some(service)) => service
            .rolled_back(world.state.revision(), world.now)
            .ok()
            .map(|it| Transaction::of(it.into())),
        (11, _) => change_network(world),
        (12, _) => change_label(world),
        (_, _) => change_availability(world),
    };
    if let Some(transaction) = written {
        let delay = Duration::from_millis(world.random.u64(0..60));
        world.write_later(transaction, delay);
    }
}

/// Mends what keeps a cluster from coming to rest: images that crash, nodes drained and paused.
pub(crate) fn mend(world: &mut World) -> Result<(), Failure> {
    for service in world
        .state
        .services()
        .values()
        .cloned()
        .collect::<Vec<Service>>()
    {
        let mend = user::update_service(&service, |spec| {
            // Going back would be to what was just mended.
            spec.update.failure_action = FailureAction::Continue;
            // One after the other, a task that finds no room would hold up those that crash.
            spec.update.parallelism = 0;
            let image = &mut spec.task.container.image;
            if image.contains("crash") || image.contains("broken") {
                "web:mended".clone_into(image);
            }
            // A roll-out that paused goes on with the next change.
            spec.task.force_update += 1;
        });
        world
            .write(mend)?
            .map_err(|refusal| Failure::new("images are mended", &refusal))?;
    }
    for node in world.state.nodes().values().cloned().collect::<Vec<_>>() {
        let active = user::update_node(&node, |spec| spec.availability = Availability::Active);
        world
            .write(active)?
            .map_err(|refusal| Failure::new("nodes are activated", &refusal))?;
    }
    Ok(())
}

fn create(world: &mut World, name: &str) -> Option<Transaction> {
    let name: Name = name.parse().ok()?;
    let image = image(world);
    let mut spec = user::spec(name, &image);
    let random = &mut world.random;
    spec.mode = match random.u8(0..10) {
        0..=1 => ServiceMode::Global,
        2 => ServiceMode::ReplicatedJob {
            completions: random.u32(0..8),
            concurrent: random.u32(0..4),
        },
        3 => ServiceMode::GlobalJob,
        _ => ServiceMode::Replicated {
            replicas: random.u32(0..8),
        },
    };
    if spec.mode.is_job() {
        "job:1".clone_into(&mut spec.task.container.image);
        spec.task.container.settings = serde_json::json!({ "runs_ms": 1_500 });
    }
    spec.restart = restart_policy(random);
    spec.update = update_policy(random);
    spec.rollback = update_policy(random);
    if random.bool() {
        let constraint = CONSTRAINTS[random.usize(..CONSTRAINTS.len())];
        spec.placement.constraints = constraint.parse().into_iter().collect();
    }
    if random.u8(..) < 40 {
        spec.placement.preferences = "node.labels.disk".parse().into_iter().collect();
    }
    if random.u8(..) < 40 && !spec.mode.is_per_node() {
        spec.placement.max_replicas = NonZeroU32::new(random.u32(1..3));
    }
    if random.bool() {
        spec.task.reservations = Resources {
            nano_cpus: random.u64(0..2_500_000_000),
            memory_bytes: random.u64(0..4 << 30),
        };
    }
    spec.endpoint.mode = if random.u8(..) < 64 {
        EndpointMode::Dnsrr
    } else {
        EndpointMode::Vip
    };
    attach(world, &mut spec);
    spec.endpoint.ports = ports(world);
    Some(user::create_service(
        ServiceId::from_number(world.random.u128(..)),
        spec,
    ))
}

fn attach(world: &mut World, spec: &mut ServiceSpec) {
    for number in 1..=NETWORKS {
        if let Some(network) = world.state.network_named(&format!("network{number}"))
            && world.random.bool()
        {
            spec.task.networks.push(NetworkAttachment {
                network: network.id,
                aliases: Vec::new(),
            });
        }
    }
}

fn ports(world: &mut World) -> Vec<PortSpec> {
    let random = &mut world.random;
    let count = random.usize(0..3);
    let port = |random: &mut fastrand::Rng| PortSpec {
        protocol: if random.u8(..) < 64 {
            Protocol::Udp
        } else {
            Protocol::Tcp
        },
        target: random.u16(0..4) * 40 + 80,
        published: random.bool().then(|| random.u16(8_000..8_004)),
        mode: if random.u8(..) < 96 {
            PublishMode::Host
        } else {
            PublishMode::Ingress
        },
    };
    (0..count).map(|_| port(random)).collect()
}

fn image(world: &mut World) -> String {
    match world.random.u8(0..10) {
        0 => "web:broken".to_owned(),
        1 => "web:crash".to_owned(),
        number => format!("web:{number}"),
    }
}

fn restart_policy(random: &mut fastrand::Rng) -> RestartPolicy {
    RestartPolicy {
        condition: match random.u8(0..8) {
            0 => RestartCondition::None,
            1 => RestartCondition::OnFailure,
            _ => RestartCondition::Any,
        },
        delay: Duration::from_millis(random.u64(0..8_000)),
        max_attempts: if random.u8(..) < 64 {
            NonZeroU32::new(random.u32(1..4))
        } else {
            None
        },
        window: Duration::from_secs(random.u64(0..30)),
    }
}

fn update_policy(random: &mut fastrand::Rng) -> UpdatePolicy {
    UpdatePolicy {
        parallelism: random.u32(0..4),
        delay: Duration::from_millis(random.u64(0..4_000)),
        monitor: Duration::from_millis(random.u64(0..6_000)),
        failure_action: match random.u8(0..3) {
            0 => FailureAction::Pause,
            1 => FailureAction::Continue,
            _ => FailureAction::Rollback,
        },
        max_failure_ratio: if random.bool() { 0.0 } else { 0.3 },
        order: if random.u8(..) < 80 {
            UpdateOrder::StartFirst
        } else {
            UpdateOrder::StopFirst
        },
    }
}

fn scale(world: &mut World, service: &Service) -> Option<Transaction> {
    let count = world.random.u32(0..10);
    let mode = match service.spec.mode {
        ServiceMode::Replicated { .. } => ServiceMode::Replicated { replicas: count },
        ServiceMode::ReplicatedJob { concurrent, .. } => ServiceMode::ReplicatedJob {
            completions: count,
            concurrent,
        },
        ServiceMode::Global | ServiceMode::GlobalJob => return None,
    };
    Some(user::update_service(service, |spec| spec.mode = mode))
}

fn change_image(world: &mut World, service: &Service) -> Transaction {
    let image = image(world);
    user::update_service(service, |spec| {
        if spec.mode.is_job() {
            spec.task.force_update += 1;
        } else {
            spec.task.container.image = image;
        }
    })
}

fn change_policy(world: &mut World, service: &Service) -> Transaction {
    let (update, restart) = (
        update_policy(&mut world.random),
        restart_policy(&mut world.random),
    );
    user::update_service(service, |spec| {
        spec.update = update;
        spec.restart = restart;
    })
}

fn change_mode(world: &mut World, service: &Service) -> Transaction {
    let replicas = world.random.u32(1..8);
    user::update_service(service, |spec| {
        spec.mode = match spec.mode {
            ServiceMode::Replicated { .. } => ServiceMode::Global,
            ServiceMode::Global => ServiceMode::Replicated { replicas },
            ServiceMode::ReplicatedJob { .. } => ServiceMode::GlobalJob,
            ServiceMode::GlobalJob => ServiceMode::ReplicatedJob {
                completions: replicas,
                concurrent: 2,
            },
        };
    })
}

fn change_ports(world: &mut World, service: &Service) -> Transaction {
    let ports = ports(world);
    user::update_service(service, |spec| spec.endpoint.ports = ports)
}

fn change_network(world: &mut World) -> Option<Transaction> {
    let name = format!("network{}", world.random.u32(1..=NETWORKS));
    if let Some(network) = world.state.network_named(&name) {
        Some(user::remove_network(network))
    } else {
        let id = NetworkId::from_number(world.random.u128(..));
        Some(user::network(
            name.parse().ok()?,
            id,
            NetworkPurpose::Services,
        ))
    }
}

fn change_label(world: &mut World) -> Option<Transaction> {
    let node = world.random.choice(world.state.nodes().values())?.clone();
    let disk = if world.random.bool() { "ssd" } else { "hdd" };
    Some(user::update_node(&node, |spec| {
        spec.labels.insert("disk".to_owned(), disk.to_owned());
    }))
}

fn change_availability(world: &mut World) -> Option<Transaction> {
    let node = world.random.choice(world.state.nodes().values())?.clone();
    let availability = match world.random.u8(0..6) {
        0 => Availability::Drain,
        1 => Availability::Pause,
        _ => Availability::Active,
    };
    Some(user::update_node(&node, |spec| {
        spec.availability = availability;
    }))
}
