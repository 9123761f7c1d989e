//! The tables that Docker's commands show.

use model::id::NodeId;
use swarm_core::object::node::NodeState;
use swarm_core::object::service::Service;
use swarm_core::object::spec::{PortSpec, PublishMode, ServiceMode};
use swarm_core::object::task::{Slot, TaskRecord};
use swarm_core::plan::note::Subject;
use swarm_core::state::ClusterState;

use crate::world::World;

/// `docker node ls`
pub(super) fn nodes(state: &ClusterState) -> String {
    let mut rows = vec![
        ["HOSTNAME", "STATUS", "AVAILABILITY", "ROLE", "TASKS"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for node in state.nodes().values() {
        let status = match node.status.state {
            NodeState::Ready => "Ready",
            NodeState::Down => "Down",
            NodeState::Unknown => "Unknown",
            NodeState::Disconnected => "Disconnected",
        };
        let tasks = state
            .tasks()
            .filter(|it| it.task.node == Some(node.id) && it.is_running())
            .count();
        rows.push(vec![
            node.description.hostname.clone(),
            status.to_owned(),
            node.spec.availability.as_str().to_owned(),
            node.spec.role.as_str().to_owned(),
            tasks.to_string(),
        ]);
    }
    align(&rows)
}

/// `docker network ls`
pub(super) fn networks(state: &ClusterState) -> String {
    let mut rows = vec![["NAME", "SCOPE", "SUBNET"].map(str::to_owned).to_vec()];
    let mut networks: Vec<_> = state.networks().values().collect();
    networks.sort_by_key(|network| &network.spec.name);
    for network in networks {
        let subnet = network
            .allocation
            .map(|it| it.subnet.to_string())
            .unwrap_or_default();
        rows.push(vec![
            network.spec.name.to_string(),
            "swarm".to_owned(),
            subnet,
        ]);
    }
    align(&rows)
}

/// `docker service ls`
pub(super) fn services(state: &ClusterState) -> String {
    let mut rows = vec![
        ["NAME", "MODE", "REPLICAS", "IMAGE", "PORTS", "UPDATE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut services: Vec<_> = state.services().values().collect();
    services.sort_by_key(|service| &service.spec.name);
    for service in services {
        let running = state
            .tasks_of(service.id)
            .filter(|it| it.is_running())
            .count();
        let per_node = state
            .tasks_of(service.id)
            .filter(|it| it.is_active())
            .count();
        let (mode, wanted) = match service.spec.mode {
            ServiceMode::Replicated { replicas } => ("replicated", replicas.to_string()),
            ServiceMode::Global => ("global", per_node.to_string()),
            ServiceMode::ReplicatedJob { completions, .. } => {
                ("replicated job", completions.to_string())
            }
            ServiceMode::GlobalJob => ("global job", per_node.to_string()),
        };
        rows.push(vec![
            service.spec.name.to_string(),
            mode.to_owned(),
            format!("{running}/{wanted}"),
            service.spec.task.container.image.clone(),
            service
                .endpoint
                .ports
                .iter()
                .copied()
                .map(port)
                .collect::<Vec<_>>()
                .join(", "),
            service
                .rollout
                .as_ref()
                .map(|rollout| rollout.as_str().to_owned())
                .unwrap_or_default(),
        ]);
    }
    align(&rows)
}

fn port(port: PortSpec) -> String {
    let published = port
        .published
        .map_or_else(|| "?".to_owned(), |number| number.to_string());
    let mode = match port.mode {
        PublishMode::Ingress => "*",
        PublishMode::Host => "host",
    };
    format!("{mode}:{published}->{}/{}", port.target, port.protocol)
}

/// `docker service ps`
pub(super) fn tasks(world: &World, service: &Service) -> String {
    let mut records: Vec<&TaskRecord> = world.state.tasks_of(service.id).collect();
    records.sort_by_key(|it| (it.task.slot, std::cmp::Reverse(it.task.incarnation)));
    table_of_tasks(world, &records)
}

/// `docker node ps`
pub(super) fn tasks_on(state: &ClusterState, node: NodeId) -> String {
    let keys = state.index().tasks_on(node);
    let mut rows: Vec<Vec<String>> = keys
        .filter_map(|(service, task)| state.task(service, task))
        .map(|it| {
            vec![
                name(state, it),
                it.task.desired.to_string(),
                it.status.state.to_string(),
            ]
        })
        .collect();
    rows.sort();
    rows.insert(
        0,
        ["NAME", "DESIRED STATE", "CURRENT STATE"]
            .map(str::to_owned)
            .to_vec(),
    );
    align(&rows)
}

fn table_of_tasks(world: &World, records: &[&TaskRecord]) -> String {
    let state = &world.state;
    let head = [
        "NAME",
        "IMAGE",
        "NODE",
        "DESIRED STATE",
        "CURRENT STATE",
        "ERROR",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut slot: Option<Slot> = None;
    for record in records {
        let older = slot == Some(record.task.slot);
        slot = Some(record.task.slot);
        let image = state
            .spec_of(&record.task)
            .map(|spec| spec.template.container.image.clone());
        let node = record.task.node.and_then(|node| state.nodes().get(&node));
        rows.push(vec![
            format!(
                "{}{}",
                if older { " \\_ " } else { "" },
                name(state, record)
            ),
            image.unwrap_or_default(),
            node.map(|node| node.description.hostname.clone())
                .unwrap_or_default(),
            record.task.desired.to_string(),
            record.status.state.to_string(),
            trouble(world, record),
        ]);
    }
    align(&rows)
}

/// What went wrong with a task, or why it waits.
fn trouble(world: &World, record: &TaskRecord) -> String {
    let subject = Subject::Task((record.task.service, record.task.id));
    let note = world
        .leader
        .as_ref()
        .and_then(|leader| leader.agenda.note(subject));
    match (&record.status.message, note.filter(|_| record.is_waiting())) {
        (Some(message), _) => format!("\"{message}\""),
        (None, Some(note)) => format!("\"{note}\""),
        (None, None) => String::new(),
    }
}

fn name(state: &ClusterState, record: &TaskRecord) -> String {
    let service = state
        .services()
        .get(&record.task.service)
        .map(|it| it.spec.name.to_string());
    let slot = match record.task.slot {
        Slot::Replica(number) => number.to_string(),
        Slot::Node(node) => state.nodes().get(&node).map_or_else(
            || node.to_string(),
            |node| node.description.hostname.clone(),
        ),
    };
    format!(
        "{}.{slot}",
        service.unwrap_or_else(|| "(removed)".to_owned())
    )
}

/// Columns as wide as their widest cell, three spaces between them, as Docker does.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("   ").trim_end();
        text.push('\n');
    }
    text
}
