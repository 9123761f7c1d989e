//! Small objects for this crate's tests.

use std::collections::BTreeMap;

use model::id::{NetworkId, NodeId};
use model::platform::Platform;
use model::port::Protocol;
use model::size::Resources;
use model::time::Timestamp;
use model::version::Version;

use crate::object::node::{Node, NodeDescription, NodeSpec, NodeState, NodeStatus};
use crate::object::spec::{
    ContainerSpec, EndpointSpec, Placement, PortSpec, PublishMode, RestartPolicy, ServiceMode,
    ServiceSpec, TaskTemplate, UpdatePolicy,
};

/// A worker that is ready, called `host<number>`, with 4 processors and 8 GiB.
pub(crate) fn node(number: u128) -> Node {
    Node {
        id: NodeId::from_number(number),
        version: Version::default(),
        spec: NodeSpec::default(),
        description: NodeDescription {
            hostname: format!("host{number}"),
            platform: Platform {
                os: "linux".to_owned(),
                architecture: "x86_64".to_owned(),
            },
            resources: Resources {
                nano_cpus: 4_000_000_000,
                memory_bytes: 8 << 30,
            },
            ..NodeDescription::default()
        },
        status: NodeStatus {
            state: NodeState::Ready,
            since: Timestamp::default(),
            address: None,
            message: String::new(),
        },
        ingress: None,
    }
}

/// A service of one replica.
pub(crate) fn spec(name: &str) -> ServiceSpec {
    ServiceSpec {
        name: name.parse().unwrap(),
        labels: BTreeMap::new(),
        mode: ServiceMode::Replicated { replicas: 1 },
        task: TaskTemplate {
            container: ContainerSpec {
                image: "nginx".to_owned(),
                ..ContainerSpec::default()
            },
            ..TaskTemplate::default()
        },
        endpoint: EndpointSpec::default(),
        placement: Placement::default(),
        restart: RestartPolicy::default(),
        update: UpdatePolicy::default(),
        rollback: UpdatePolicy::default(),
    }
}

/// A port published on every node.
pub(crate) fn port(published: Option<u16>, target: u16) -> PortSpec {
    PortSpec {
        protocol: Protocol::Tcp,
        target,
        published,
        mode: PublishMode::Ingress,
    }
}

/// A network's id.
pub(crate) fn network_id(number: u128) -> NetworkId {
    NetworkId::from_number(number)
}
