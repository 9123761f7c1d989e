//! No address, published port, port of a node or resource of a node is given twice.

use std::collections::{BTreeMap, BTreeSet};

use model::size::Resources;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "nothing is given twice",
    when: When::Commit,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    addresses(moment)?;
    published_ports(moment)?;
    nodes(moment)
}

fn addresses(moment: &Moment<'_>) -> Result<(), String> {
    let state = moment.state;
    let tasks = state
        .tasks()
        .filter(|it| !it.is_over())
        .flat_map(|it| &it.task.attachments)
        .map(|it| it.address);
    let services = state
        .services()
        .values()
        .flat_map(|it| &it.endpoint.addresses)
        .map(|it| it.address);
    let nodes = state.nodes().values().filter_map(|it| it.ingress);
    let mut seen = BTreeSet::new();
    match tasks
        .chain(services)
        .chain(nodes)
        .find(|address| !seen.insert(address.addr()))
    {
        Some(address) => Err(format!("address {address}")),
        None => Ok(()),
    }
}

fn published_ports(moment: &Moment<'_>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match moment
        .state
        .services()
        .values()
        .flat_map(swarm_core::object::service::Service::ingress_ports)
        .find(|port| !seen.insert(*port))
    {
        Some(port) => Err(format!("published port {port}")),
        None => Ok(()),
    }
}

fn nodes(moment: &Moment<'_>) -> Result<(), String> {
    let mut reserved: BTreeMap<_, Resources> = BTreeMap::new();
    let mut ports = BTreeSet::new();
    for record in moment.state.tasks().filter(|it| !it.is_over()) {
        let (Some(node), Some(spec)) = (record.task.node, moment.state.spec_of(&record.task))
        else {
            continue;
        };
        let sum = reserved.entry(node).or_default();
        *sum = sum.plus(spec.template.reservations);
        if let Some(port) = spec.host_ports().find(|port| !ports.insert((node, *port))) {
            return Err(format!("port {port} of node {node}"));
        }
    }
    let over = reserved.iter().find(|(node, reserved)| {
        moment
            .state
            .nodes()
            .get(node)
            .is_some_and(|node| !node.description.resources.holds(**reserved))
    });
    match over {
        Some((node, reserved)) => Err(format!(
            "node {node} has {reserved:?} reserved, more than it has"
        )),
        None => Ok(()),
    }
}
