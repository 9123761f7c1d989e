//! Whatever is asked for, and in whatever order: a typed refusal or a note, never a panic, and never a state that
//! is half changed.

use std::num::NonZeroU32;
use std::time::Duration;

use model::id::{NetworkId, NodeId, ServiceId, TaskId};
use model::port::Protocol;
use model::size::Resources;
use model::time::Timestamp;
use model::version::Version;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::test_runner::Config;
use swarm_core::assignment::build::assignment;
use swarm_core::object::network::{Network, NetworkPurpose, NetworkSpec};
use swarm_core::object::node::{
    Availability, Node, NodeDescription, NodeSpec, NodeState, NodeStatus,
};
use swarm_core::object::service::Service;
use swarm_core::object::settings::Settings;
use swarm_core::object::spec::{
    ContainerSpec, EndpointMode, EndpointSpec, FailureAction, NetworkAttachment, Placement,
    PortSpec, PublishMode, RestartCondition, RestartPolicy, ServiceMode, ServiceSpec, TaskTemplate,
    UpdateOrder, UpdatePolicy,
};
use swarm_core::object::task::{Slot, Task, TaskRecord, TaskState, TaskStatus};
use swarm_core::plan::plan;
use swarm_core::state::ClusterState;
use swarm_core::state::dirty::Dirty;
use swarm_core::state::transaction::{Change, Transaction, Write};

/// Few enough that they meet.
fn number() -> impl Strategy<Value = u128> {
    1_u128..5
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![4 => Just(Version(0)), 1 => (0_u64..12).prop_map(Version), 1 => any::<u64>().prop_map(Version)]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..20).prop_map(Duration::from_secs)
    ]
}

fn resources() -> impl Strategy<Value = Resources> {
    (
        prop_oneof![Just(0), Just(u64::MAX), 0_u64..10],
        prop_oneof![Just(0), Just(u64::MAX), 0_u64..10],
    )
        .prop_map(|(nano_cpus, memory_bytes)| Resources {
            nano_cpus,
            memory_bytes,
        })
}

fn mode() -> impl Strategy<Value = ServiceMode> {
    prop_oneof![
        (0_u32..6).prop_map(|replicas| ServiceMode::Replicated { replicas }),
        Just(ServiceMode::Global),
        (0_u32..6, 0_u32..3).prop_map(|(completions, concurrent)| ServiceMode::ReplicatedJob {
            completions,
            concurrent
        }),
        Just(ServiceMode::GlobalJob),
    ]
}

fn port() -> impl Strategy<Value = PortSpec> {
    let published = prop_oneof![
        Just(None),
        Just(Some(0)),
        Just(Some(u16::MAX)),
        (79_u16..82).prop_map(Some)
    ];
    let mode = prop_oneof![Just(PublishMode::Ingress), Just(PublishMode::Host)];
    (0_u16..3, published, mode).prop_map(|(target, published, mode)| PortSpec {
        protocol: Protocol::Tcp,
        target,
        published,
        mode,
    })
}

fn policy() -> impl Strategy<Value = UpdatePolicy> {
    let action = prop_oneof![
        Just(FailureAction::Pause),
        Just(FailureAction::Continue),
        Just(FailureAction::Rollback)
    ];
    let order = prop_oneof![Just(UpdateOrder::StopFirst), Just(UpdateOrder::StartFirst)];
    let ratio = prop_oneof![4 => 0.0_f32..=1.0, 1 => any::<f32>()];
    (0_u32..3, duration(), duration(), action, ratio, order).prop_map(
        |(parallelism, delay, monitor, failure_action, max_failure_ratio, order)| UpdatePolicy {
            parallelism,
            delay,
            monitor,
            failure_action,
            max_failure_ratio,
            order,
        },
    )
}

fn restart() -> impl Strategy<Value = RestartPolicy> {
    let condition = prop_oneof![
        Just(RestartCondition::None),
        Just(RestartCondition::OnFailure),
        Just(RestartCondition::Any)
    ];
    (condition, duration(), 0_u32..3, duration()).prop_map(
        |(condition, delay, attempts, window)| RestartPolicy {
            condition,
            delay,
            max_attempts: NonZeroU32::new(attempts),
            window,
        },
    )
}

fn placement() -> impl Strategy<Value = Placement> {
    let constraint = prop_oneof![
        Just("node.role==manager"),
        Just("node.labels.a==b"),
        Just("node.id!=nonsense"),
        Just("node.ip==10.0.0.0/8")
    ];
    (prop::option::of(constraint), any::<bool>(), 0_u32..3).prop_map(
        |(constraint, prefers, max)| Placement {
            constraints: constraint
                .map(|it| it.parse().expect("it parses"))
                .into_iter()
                .collect(),
            preferences: if prefers {
                vec!["node.labels.a".parse().expect("it parses")]
            } else {
                Vec::new()
            },
            platforms: Vec::new(),
            max_replicas: NonZeroU32::new(max),
        },
    )
}

fn spec() -> impl Strategy<Value = ServiceSpec> {
    let what = (
        prop_oneof![Just("a"), Just("b"), Just("")],
        number(),
        prop::collection::vec(number(), 0..2),
    );
    let endpoint = (
        prop_oneof![Just(EndpointMode::Vip), Just(EndpointMode::Dnsrr)],
        prop::collection::vec(port(), 0..3),
    );
    let policies = (restart(), policy(), policy());
    (
        what,
        mode(),
        endpoint,
        placement(),
        policies,
        resources(),
        resources(),
    )
        .prop_map(
            |(
                (image, name, networks),
                mode,
                endpoint,
                placement,
                policies,
                reservations,
                limits,
            )| ServiceSpec {
                name: format!("service{name}").parse().expect("it parses"),
                labels: std::collections::BTreeMap::new(),
                mode,
                task: TaskTemplate {
                    container: ContainerSpec {
                        image: image.to_owned(),
                        ..ContainerSpec::default()
                    },
                    networks: networks
                        .into_iter()
                        .map(|id| NetworkAttachment {
                            network: NetworkId::from_number(id),
                            aliases: Vec::new(),
                        })
                        .collect(),
                    reservations,
                    limits,
                    force_update: 0,
                },
                endpoint: EndpointSpec {
                    mode: endpoint.0,
                    ports: endpoint.1,
                },
                placement,
                restart: policies.0,
                update: policies.1,
                rollback: policies.2,
            },
        )
}

fn service() -> impl Strategy<Value = Change> {
    (number(), spec(), version()).prop_map(|(id, spec, version)| {
        Change::from(Service {
            version,
            ..Service::new(ServiceId::from_number(id), spec)
        })
    })
}

fn node() -> impl Strategy<Value = Change> {
    let availability = prop_oneof![3 => Just(Availability::Active), 1 => Just(Availability::Pause), 1 => Just(Availability::Drain)];
    let state = prop_oneof![3 => Just(NodeState::Ready), 1 => Just(NodeState::Down), 1 => Just(NodeState::Unknown)];
    (
        number(),
        availability,
        state,
        resources(),
        version(),
        any::<u64>(),
    )
        .prop_map(|(id, availability, state, resources, version, since)| {
            let since = Timestamp::from_nanos(since);
            Change::from(Node {
                id: NodeId::from_number(id),
                version,
                spec: NodeSpec {
                    availability,
                    ..NodeSpec::default()
                },
                description: NodeDescription {
                    resources,
                    ..NodeDescription::default()
                },
                status: NodeStatus {
                    state,
                    since,
                    address: None,
                    message: String::new(),
                },
                ingress: None,
            })
        })
}

fn network() -> impl Strategy<Value = Change> {
    let subnet = prop_oneof![
        Just(None),
        Just(Some("10.0.0.0/24")),
        Just(Some("10.0.0.8/29")),
        Just(Some("0.0.0.0/0")),
        Just(Some("10.9.0.1/32"))
    ];
    let purpose = prop_oneof![
        Just(NetworkPurpose::Services),
        Just(NetworkPurpose::Ingress)
    ];
    (number(), subnet, purpose, version()).prop_map(|(id, subnet, purpose, version)| {
        let spec = NetworkSpec {
            name: format!("network{id}").parse().expect("it parses"),
            labels: std::collections::BTreeMap::new(),
            subnet: subnet.map(|it| it.parse().expect("it parses")),
            purpose,
        };
        Change::from(Network {
            id: NetworkId::from_number(id),
            version,
            spec,
            allocation: None,
        })
    })
}

fn state() -> impl Strategy<Value = TaskState> {
    (0..TaskState::ALL.len()).prop_map(|position| TaskState::ALL[position])
}

fn task() -> impl Strategy<Value = Change> {
    let slot = prop_oneof![
        (1_u32..4).prop_map(|it| Slot::Replica(NonZeroU32::new(it).expect("it parses"))),
        number().prop_map(|it| Slot::Node(NodeId::from_number(it)))
    ];
    let ids = (number(), number(), prop::option::of(number()));
    (
        ids,
        slot,
        0_u64..8,
        state(),
        state(),
        any::<u32>(),
        any::<u64>(),
    )
        .prop_map(
            |((id, service, node), slot, spec, desired, observed, incarnation, at)| {
                let at = Timestamp::from_nanos(at);
                let task = Task {
                    id: TaskId::from_number(id),
                    version: Version(0),
                    born: Version(0),
                    service: ServiceId::from_number(service),
                    slot,
                    incarnation,
                    spec: Version(spec),
                    node: node.map(NodeId::from_number),
                    desired,
                    created: at,
                    delay: Duration::MAX,
                    attachments: Box::default(),
                    restarts: Box::default(),
                };
                Change::CreateTask(Box::new(TaskRecord {
                    task,
                    status: TaskStatus::new(observed, at),
                }))
            },
        )
}

fn rest() -> impl Strategy<Value = Change> {
    prop_oneof![
        (number(), version()).prop_map(|(id, version)| {
            Change::from(Write::<Service, _>::Delete {
                id: ServiceId::from_number(id),
                version,
            })
        }),
        (number(), version()).prop_map(|(id, version)| {
            Change::from(Write::<Node, _>::Delete {
                id: NodeId::from_number(id),
                version,
            })
        }),
        (number(), version()).prop_map(|(id, version)| {
            Change::from(Write::<Network, _>::Delete {
                id: NetworkId::from_number(id),
                version,
            })
        }),
        (number(), number(), version(), state()).prop_map(|(service, task, version, state)| {
            let status = TaskStatus {
                version,
                ..TaskStatus::new(state, Timestamp::MAX)
            };
            let (service, task) = (ServiceId::from_number(service), TaskId::from_number(task));
            Change::UpdateStatus {
                service,
                task,
                status,
            }
        }),
        (number(), number(), version()).prop_map(|(service, task, version)| Change::DeleteTask {
            service: ServiceId::from_number(service),
            task: TaskId::from_number(task),
            version,
        }),
        (0_u32..3, any::<u8>(), duration()).prop_map(
            |(task_history, subnet_length, orphan_after)| {
                let settings = Settings {
                    task_history,
                    subnet_length,
                    orphan_after,
                    ..Settings::default()
                };
                Change::Settings(Box::new(settings))
            }
        ),
    ]
}

fn transactions() -> impl Strategy<Value = Vec<(Transaction, Timestamp)>> {
    let change = prop_oneof![3 => service(), 2 => node(), 2 => network(), 2 => task(), 2 => rest()];
    let transaction =
        prop::collection::vec(change, 1..4).prop_map(|changes| Transaction { changes });
    let clock = any::<u64>().prop_map(Timestamp::from_nanos);
    prop::collection::vec((transaction, clock), 1..24)
}

/// The same write at the version that is stored, so that more of them get through.
fn refreshed(state: &ClusterState, mut transaction: Transaction) -> Transaction {
    for change in &mut transaction.changes {
        if let Change::Service(write) = change
            && let Write::Put(service) = write.as_mut()
            && let Some(stored) = state.services().get(&service.id)
        {
            *service = stored.updated(ServiceSpec::clone(&service.spec));
        }
    }
    transaction
}

fn check(transactions: Vec<(Transaction, Timestamp)>) {
    let mut state = ClusterState::default();
    let mut next_id = 1_000_u128;
    for (transaction, now) in transactions {
        for transaction in [transaction.clone(), refreshed(&state, transaction)] {
            let before = state.snapshot();
            if state.apply(transaction).is_err() {
                assert_eq!(
                    state.snapshot(),
                    before,
                    "a refused transaction changed something"
                );
            }
        }
        let planned = plan(&state, &Dirty::everything(), now, &mut || {
            next_id += 1;
            next_id
        });
        state
            .apply(planned.transaction)
            .expect("nobody wrote since the plan was made");
        let rebuilt = ClusterState::restore(state.snapshot()).expect("it was a state");
        assert_eq!(rebuilt.snapshot(), state.snapshot());
        for node in state.nodes().keys() {
            let told = assignment(&state, *node);
            assert_eq!(told.generation, state.revision());
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 2_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_input_breaks_a_decision(transactions in transactions()) {
        check(transactions);
    }

    #[test]
    fn a_spec_is_written_and_read_unchanged(spec in spec()) {
        let text = serde_json::to_string(&spec).unwrap();
        // JSON knows neither NaN nor infinity; such a ratio is refused before it is stored.
        if spec.update.max_failure_ratio.is_finite() && spec.rollback.max_failure_ratio.is_finite() {
            assert_eq!(serde_json::from_str::<ServiceSpec>(&text).unwrap(), spec);
        }
    }
}
