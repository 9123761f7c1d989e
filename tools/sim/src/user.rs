//! What users write: read an object, change it, put it back at the version it was read at.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use model::id::{NetworkId, NodeId, ServiceId};
use model::name::Name;
use model::platform::Platform;
use model::size::Resources;
use model::time::Timestamp;
use model::version::Version;
use swarm_core::object::network::{Network, NetworkPurpose, NetworkSpec};
use swarm_core::object::node::{Node, NodeDescription, NodeRole, NodeSpec, NodeState, NodeStatus};
use swarm_core::object::service::Service;
use swarm_core::object::spec::{
    ContainerSpec, EndpointSpec, Placement, RestartPolicy, ServiceMode, ServiceSpec, TaskTemplate,
    UpdatePolicy,
};
use swarm_core::state::transaction::{Transaction, Write};

/// A node that has just joined: `host<number>`, 4 processors, 8 GiB; the first is a manager.
pub(crate) fn node(number: u32, now: Timestamp) -> Node {
    let [_, high, middle, low] = number.to_be_bytes();
    let role = if number == 1 {
        NodeRole::Manager
    } else {
        NodeRole::Worker
    };
    Node {
        id: NodeId::from_number(u128::from(number)),
        version: Version::default(),
        spec: NodeSpec {
            role,
            ..NodeSpec::default()
        },
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
            since: now,
            address: Some(IpAddr::V4(Ipv4Addr::new(127, high, middle, low))),
            message: String::new(),
        },
        ingress: None,
    }
}

/// A network.
pub(crate) fn network(name: Name, id: NetworkId, purpose: NetworkPurpose) -> Transaction {
    let spec = NetworkSpec {
        name,
        labels: BTreeMap::new(),
        subnet: None,
        purpose,
    };
    Transaction::of(
        Network {
            id,
            version: Version::default(),
            spec,
            allocation: None,
        }
        .into(),
    )
}

/// A service of one replica of `image`.
pub(crate) fn spec(name: Name, image: &str) -> ServiceSpec {
    ServiceSpec {
        name,
        labels: BTreeMap::new(),
        mode: ServiceMode::Replicated { replicas: 1 },
        task: TaskTemplate {
            container: ContainerSpec {
                image: image.to_owned(),
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

/// `docker service create`
pub(crate) fn create_service(id: ServiceId, spec: ServiceSpec) -> Transaction {
    Transaction::of(Service::new(id, spec).into())
}

/// `docker service update`
pub(crate) fn update_service(
    service: &Service,
    change: impl FnOnce(&mut ServiceSpec),
) -> Transaction {
    let mut spec = ServiceSpec::clone(&service.spec);
    change(&mut spec);
    Transaction::of(service.updated(spec).into())
}

/// `docker service rm`
pub(crate) fn remove_service(service: &Service) -> Transaction {
    Transaction::of(Write::delete(service).into())
}

/// `docker network rm`
pub(crate) fn remove_network(network: &Network) -> Transaction {
    Transaction::of(Write::delete(network).into())
}

/// `docker node update`
pub(crate) fn update_node(node: &Node, change: impl FnOnce(&mut NodeSpec)) -> Transaction {
    let mut changed = node.clone();
    change(&mut changed.spec);
    Transaction::of(changed.into())
}
