//! Where the tasks of one service go, among three nodes of which the first is a manager and the first two are in
//! rack `a`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use model::id::{NodeId, ServiceId};
use model::time::Timestamp;

use crate::object::node::{Availability, Node, NodeRole};
use crate::object::service::Service;
use crate::object::spec::{PortSpec, PublishMode, ServiceMode, ServiceSpec};
use crate::plan::plan;
use crate::state::ClusterState;
use crate::state::dirty::Dirty;
use crate::state::transaction::Transaction;
use crate::testing::{node, port, spec};

fn nodes() -> [Node; 3] {
    let mut nodes = [node(1), node(2), node(3)];
    nodes[0].spec.role = NodeRole::Manager;
    for (node, rack) in nodes.iter_mut().zip(["a", "a", "b"]) {
        node.spec.labels.insert("rack".to_owned(), rack.to_owned());
    }
    nodes
}

/// Places `replicas` tasks; how many each node has then, and why the others wait.
fn place(
    nodes: [Node; 3],
    replicas: u32,
    change: impl FnOnce(&mut ServiceSpec),
) -> (Vec<u32>, Vec<String>) {
    let mut state = ClusterState::default();
    for node in nodes {
        state.apply(Transaction::of(node.into())).unwrap();
    }
    let mut spec = spec("web");
    spec.mode = ServiceMode::Replicated { replicas };
    change(&mut spec);
    let service = Service::new(ServiceId::from_number(1), spec);
    state.apply(Transaction::of(service.into())).unwrap();
    let mut next = 0;
    let plan = plan(
        &state,
        &Dirty::everything(),
        Timestamp::from_millis(1),
        &mut || {
            next += 1;
            next
        },
    );
    let reasons = plan
        .notes
        .iter()
        .map(|note| note.reason.to_string())
        .collect();
    state.apply(plan.transaction).unwrap();
    let mut counts: BTreeMap<NodeId, u32> = state.nodes().keys().map(|id| (*id, 0)).collect();
    for node in state.tasks().filter_map(|record| record.task.node) {
        *counts.get_mut(&node).unwrap() += 1;
    }
    (counts.into_values().collect(), reasons)
}

#[track_caller]
fn check(
    replicas: u32,
    change: impl FnOnce(&mut ServiceSpec),
    expect: [u32; 3],
    waiting: Option<&str>,
) {
    let (counts, notes) = place(nodes(), replicas, change);
    assert_eq!(counts, expect);
    assert_eq!(notes.first().map(String::as_str), waiting);
    assert_eq!(
        expect.iter().sum::<u32>() as usize + notes.len(),
        replicas as usize
    );
}

#[test]
fn tasks_are_spread_evenly() {
    check(6, |_| (), [2, 2, 2], None);
    check(7, |_| (), [3, 2, 2], None);
    check(0, |_| (), [0, 0, 0], None);
}

#[test]
fn constraints_leave_some_nodes_out() {
    let on = |text: &'static str| {
        move |spec: &mut ServiceSpec| spec.placement.constraints = vec![text.parse().unwrap()]
    };
    check(4, on("node.role==manager"), [4, 0, 0], None);
    check(4, on("node.labels.rack!=a"), [0, 0, 4], None);
    check(
        2,
        on("node.labels.rack==c"),
        [0, 0, 0],
        Some("no suitable node (scheduling constraints not satisfied on 3 nodes)"),
    );
}

#[test]
fn preferences_spread_over_racks_first() {
    let racks = |spec: &mut ServiceSpec| {
        spec.placement.preferences = vec!["node.labels.rack".parse().unwrap()];
    };
    check(6, racks, [2, 1, 3], None);
}

#[test]
fn reservations_must_fit() {
    check(
        4,
        |spec| spec.task.reservations.memory_bytes = 5 << 30,
        [1, 1, 1],
        Some("no suitable node (insufficient resources on 3 nodes)"),
    );
}

#[test]
fn a_port_of_a_node_is_given_once() {
    check(
        5,
        |spec| {
            spec.endpoint.ports = vec![PortSpec {
                mode: PublishMode::Host,
                ..port(Some(80), 80)
            }];
        },
        [1, 1, 1],
        Some("no suitable node (host-mode port already in use on 3 nodes)"),
    );
}

#[test]
fn replicas_per_node_are_limited() {
    check(
        7,
        |spec| spec.placement.max_replicas = NonZeroU32::new(2),
        [2, 2, 2],
        Some("no suitable node (max replicas per node limit exceed on 3 nodes)"),
    );
}

#[test]
fn paused_and_drained_nodes_get_none() {
    let mut nodes = nodes();
    nodes[0].spec.availability = Availability::Pause;
    nodes[1].spec.availability = Availability::Drain;
    assert_eq!(place(nodes, 3, |_| ()), (vec![0, 0, 3], Vec::new()));
}

#[test]
fn published_ports_need_an_ingress_network() {
    let (counts, notes) = place(nodes(), 1, |spec| {
        spec.endpoint.ports = vec![port(Some(80), 80)];
    });
    assert_eq!(counts, [0, 0, 0]);
    let expect = [
        "ports are published, but there is no ingress network",
        "waiting for the service's addresses and ports",
    ];
    assert!(
        notes.iter().all(|note| expect.contains(&note.as_str())),
        "{notes:?}"
    );
}
