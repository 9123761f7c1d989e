//! Building a node's assignment from the state. It costs what the node's own networks hold, whatever else the
//! cluster does.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use model::id::{NetworkId, NodeId};

use crate::assignment::{
    AddressKey, AssignedNetwork, AssignedTask, Assignment, NameKey, PublishedPort,
};
use crate::object::network::Network;
use crate::object::node::Node;
use crate::object::service::Service;
use crate::object::spec::{NetworkAttachment, PortSpec};
use crate::object::task::TaskRecord;
use crate::state::ClusterState;

/// All that `node` is told, by the state as it is.
pub fn assignment(state: &ClusterState, node: NodeId) -> Assignment {
    let mut assignment = Assignment {
        generation: state.revision(),
        ..Assignment::default()
    };
    let Some(own) = state.nodes().get(&node) else {
        return assignment;
    };
    for (service, task) in state.index().tasks_on(node) {
        if let Some(record) = state.task(service, task) {
            add_task(state, &mut assignment, record);
        }
    }
    let ingress = state.ingress_network().filter(|_| own.ingress.is_some());
    if let Some(network) = ingress {
        add_network(&mut assignment, network, own);
        add_ports(state, &mut assignment, network.id);
    }
    let networks: Vec<NetworkId> = assignment.networks.keys().copied().collect();
    for network in networks {
        add_peers(state, &mut assignment, network, node);
        add_services(state, &mut assignment, network);
    }
    assignment
}

fn add_task(state: &ClusterState, assignment: &mut Assignment, record: &TaskRecord) {
    let task = &record.task;
    let Some(spec) = state.spec_of(task) else {
        return;
    };
    let service = state.services().get(&task.service);
    let assigned = AssignedTask {
        service: task.service,
        service_name: service.map(|service| service.spec.name.clone()),
        slot: task.slot,
        desired: task.desired,
        spec: spec.clone(),
        attachments: task.attachments.clone(),
    };
    assignment.tasks.insert(task.id, assigned);
    if record.is_over() {
        return;
    }
    let container = &spec.template.container;
    let secrets = container
        .secrets
        .iter()
        .filter_map(|id| state.secrets().get(id));
    assignment
        .secrets
        .extend(secrets.map(|secret| (secret.id, secret.clone())));
    let configs = container
        .configs
        .iter()
        .filter_map(|id| state.configs().get(id));
    assignment
        .configs
        .extend(configs.map(|config| (config.id, config.clone())));
    for attachment in &task.attachments {
        if let (Some(network), Some(own)) = (
            state.networks().get(&attachment.network),
            task.node.and_then(|it| state.nodes().get(&it)),
        ) {
            add_network(assignment, network, own);
        }
    }
}

fn add_network(assignment: &mut Assignment, network: &Network, own: &Node) {
    let Some(allocation) = network.allocation else {
        return;
    };
    let own_address = own
        .ingress
        .filter(|address| allocation.subnet.contains(&address.addr()));
    let told = AssignedNetwork {
        name: network.spec.name.clone(),
        allocation,
        own_address,
    };
    assignment.networks.insert(network.id, told);
}

fn add_peers(state: &ClusterState, assignment: &mut Assignment, network: NetworkId, own: NodeId) {
    for (service, task) in state.index().tasks_attached_to(network) {
        let Some(record) = state.task(service, task) else {
            continue;
        };
        let Some(node) = record.task.node.filter(|node| *node != own) else {
            continue;
        };
        let behind = state
            .nodes()
            .get(&node)
            .and_then(|node| node.status.address);
        if let (Some(address), Some(behind)) = (address_on(record, network), behind) {
            assignment
                .peers
                .insert(AddressKey { network, address }, behind);
        }
    }
    if state
        .ingress_network()
        .is_some_and(|ingress| ingress.id == network)
    {
        for node in state.nodes().values().filter(|node| node.id != own) {
            if let (Some(address), Some(behind)) = (node.ingress, node.status.address) {
                assignment.peers.insert(
                    AddressKey {
                        network,
                        address: address.addr(),
                    },
                    behind,
                );
            }
        }
    }
}

fn add_services(state: &ClusterState, assignment: &mut Assignment, network: NetworkId) {
    for service in state
        .index()
        .services_on(network)
        .filter_map(|id| state.services().get(&id))
    {
        let running = running_on(state, service, network);
        let answers = match service.address_on(network) {
            Some(address) => {
                assignment
                    .services
                    .insert(AddressKey { network, address }, running.clone());
                BTreeSet::from([address])
            }
            None => running.clone(),
        };
        let Some(attachment) = service
            .spec
            .task
            .networks
            .iter()
            .find(|it| it.network == network)
        else {
            continue;
        };
        let all = NameKey {
            network,
            name: format!("tasks.{}", service.spec.name),
        };
        assignment.names.insert(all, running);
        for name in names_of(service, attachment) {
            assignment
                .names
                .entry(NameKey { network, name })
                .or_default()
                .extend(&answers);
        }
    }
}

fn names_of(service: &Service, attachment: &NetworkAttachment) -> impl Iterator<Item = String> {
    let names = std::iter::once(&service.spec.name).chain(&attachment.aliases);
    names
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .into_iter()
}

fn add_ports(state: &ClusterState, assignment: &mut Assignment, ingress: NetworkId) {
    for (port, owner) in state.index().ingress_ports() {
        let Some(service) = state.services().get(owner) else {
            continue;
        };
        let given = service
            .endpoint
            .ports
            .iter()
            .find(|it| PortSpec::ingress_port(it) == Some(*port));
        if let Some(given) = given {
            let tasks = running_on(state, service, ingress);
            let told = PublishedPort {
                service: service.id,
                target: given.target,
                tasks,
            };
            assignment.ports.insert(*port, told);
        }
    }
}

/// The addresses on `network` of the tasks of a service that run and are to go on.
fn running_on(state: &ClusterState, service: &Service, network: NetworkId) -> BTreeSet<Ipv4Addr> {
    let running = state
        .tasks_of(service.id)
        .filter(|record| record.is_running());
    running
        .filter_map(|record| address_on(record, network))
        .collect()
}

fn address_on(record: &TaskRecord, network: NetworkId) -> Option<Ipv4Addr> {
    let attachment = record
        .task
        .attachments
        .iter()
        .find(|attachment| attachment.network == network)?;
    Some(attachment.address.addr())
}
