//! What the commits changed, in lines for people.

use model::time::Timestamp;
use swarm_core::object::node::Node;
use swarm_core::object::task::TaskRecord;
use swarm_core::state::ClusterState;

/// What the commits changed.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) on: bool,
    lines: Vec<String>,
}

impl Journal {
    /// Writes down what a commit changed.
    pub(crate) fn record(&mut self, now: Timestamp, before: &ClusterState, after: &ClusterState) {
        if self.on {
            let changes = nodes(before, after)
                .chain(services(before, after))
                .chain(tasks(before, after));
            self.lines
                .extend(changes.map(|change| format!("{:>9}  {change}", elapsed(now))));
        }
    }

    /// Takes the lines written so far.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// Seconds since the world began.
fn elapsed(now: Timestamp) -> String {
    format!("{:.3}", now.since(crate::world::BEGINNING).as_secs_f64())
}

fn nodes<'s>(
    before: &'s ClusterState,
    after: &'s ClusterState,
) -> impl Iterator<Item = String> + 's {
    let show = |node: &Node| {
        format!(
            "{} {}",
            node.status.state.as_str(),
            node.spec.availability.as_str()
        )
    };
    after.nodes().values().filter_map(move |node| {
        let old = before.nodes().get(&node.id).map(show);
        (old.as_ref() != Some(&show(node)))
            .then(|| format!("node {}: {}", node.description.hostname, show(node)))
    })
}

fn services<'s>(
    before: &'s ClusterState,
    after: &'s ClusterState,
) -> impl Iterator<Item = String> + 's {
    after.services().values().filter_map(move |service| {
        let rollout = service
            .rollout
            .as_ref()
            .map(swarm_core::object::service::Rollout::as_str);
        let old = before
            .services()
            .get(&service.id)
            .and_then(|it| it.rollout.as_ref());
        let changed =
            rollout.is_some() && rollout != old.map(swarm_core::object::service::Rollout::as_str);
        changed.then(|| {
            format!(
                "service {}: {}",
                service.spec.name,
                rollout.unwrap_or_default()
            )
        })
    })
}

fn tasks<'s>(
    before: &'s ClusterState,
    after: &'s ClusterState,
) -> impl Iterator<Item = String> + 's {
    let changed = after.tasks().filter_map(move |new| {
        let old = before.task(new.task.service, new.task.id);
        let new_line = line(after, new);
        (old.map(|old| line(before, old)).as_ref() != Some(&new_line)).then_some(new_line)
    });
    let gone = before
        .tasks()
        .filter(|it| after.task(it.task.service, it.task.id).is_none());
    changed.chain(gone.map(|it| format!("{} forgotten", name(before, it))))
}

fn line(state: &ClusterState, record: &TaskRecord) -> String {
    let node = record.task.node.and_then(|node| state.nodes().get(&node));
    let node = node
        .map(|node| format!(" on {}", node.description.hostname))
        .unwrap_or_default();
    let message = record
        .status
        .message
        .as_ref()
        .map(|it| format!(" \"{it}\""))
        .unwrap_or_default();
    let image = state
        .spec_of(&record.task)
        .map(|it| it.template.container.image.clone())
        .unwrap_or_default();
    let (desired, observed) = (record.task.desired, record.status.state);
    format!(
        "{} {image}{node}: {observed}, wanted {desired}{message}",
        name(state, record)
    )
}

/// A task as people call it: its service, its slot, and which of the slot's tasks it is.
pub(crate) fn name(state: &ClusterState, record: &TaskRecord) -> String {
    let service = state
        .services()
        .get(&record.task.service)
        .map(|it| it.spec.name.to_string());
    let slot = match record.task.slot {
        swarm_core::object::task::Slot::Replica(number) => number.to_string(),
        swarm_core::object::task::Slot::Node(node) => state.nodes().get(&node).map_or_else(
            || node.to_string(),
            |node| node.description.hostname.clone(),
        ),
    };
    format!(
        "{}.{slot}#{}",
        service.unwrap_or_else(|| "(removed)".to_owned()),
        record.task.incarnation
    )
}
