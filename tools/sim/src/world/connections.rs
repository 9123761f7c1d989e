//! What goes between the managers and the nodes: assignments, reports, heartbeats; and what comes of what the
//! agents begin.

use std::collections::BTreeMap;
use std::time::Duration;

use model::id::{NodeId, TaskId};
use swarm_core::assignment::build::assignment;
use swarm_core::assignment::difference::between;
use swarm_core::object::node::NodeState;
use swarm_core::state::index::TaskKey;
use swarm_core::state::transaction::{Change, Transaction};
use swarm_core::task_machine::{self, Outcome, Report};

use crate::agent::{Link, Power, SILENCE, Work};
use crate::event::{Event, Message};
use crate::invariant::Failure;
use crate::world::World;

impl World {
    pub(super) fn dispatch(&mut self, node: NodeId) {
        let Some(agent) = self.agents.get(&node).filter(|agent| agent.is_connected()) else {
            return;
        };
        let Some(leader) = self.leader.as_mut() else {
            return;
        };
        let fresh = assignment(&self.state, node);
        let message = match leader.sessions.get(&node) {
            None => Message::Whole(fresh.clone()),
            Some(told) => {
                let difference = between(told, &fresh);
                if difference.is_empty() {
                    return;
                }
                Message::Difference(difference)
            }
        };
        leader.sessions.insert(node, fresh);
        let told = Event::Told {
            node,
            connection: agent.connection,
            message: Box::new(message),
        };
        // In order, and at once: the delay was before the dispatch.
        self.queue.push(self.now, told);
    }

    pub(super) fn told(&mut self, node: NodeId, connection: u64, message: Message) {
        let Some(agent) = self.agents.get_mut(&node) else {
            return;
        };
        if !agent.is_connected() || agent.connection != connection {
            return;
        }
        match message {
            Message::Whole(assignment) => agent.assignment = assignment,
            Message::Difference(difference) => {
                let difference = self.saboteur.garble(&agent.assignment, difference);
                if agent.assignment.advance(difference).is_err() {
                    if let Some(leader) = &mut self.leader {
                        leader.sessions.remove(&node);
                    }
                    self.queue.push(self.now, Event::Dispatch(node));
                    return;
                }
            }
        }
        self.step(node);
    }

    fn step(&mut self, node: NodeId) {
        let Some(agent) = self
            .agents
            .get_mut(&node)
            .filter(|agent| agent.power == Power::On)
        else {
            return;
        };
        let (begun, reports) = agent.step();
        let (boot, slowness) = (agent.boot, agent.slowness);
        for it in begun {
            let takes = match it.work {
                Work::Preparing => self.takes(Duration::from_millis(400)),
                Work::Starting => self.takes(Duration::from_millis(200)),
                Work::Stopping => self.takes(Duration::from_millis(300)),
            };
            let outcome = Event::Outcome {
                node,
                boot,
                task: it.task,
                step: it.step,
                outcome: it.outcome,
            };
            self.queue.push(self.now.after(takes * slowness), outcome);
        }
        self.report(node, reports);
    }

    pub(super) fn came_of(
        &mut self,
        node: NodeId,
        boot: u64,
        (task, step): (TaskId, u64),
        outcome: Outcome,
    ) {
        let Some(agent) = self.agents.get_mut(&node) else {
            return;
        };
        if agent.power == Power::Off || agent.boot != boot {
            return;
        }
        let started = outcome == Outcome::Started;
        let Some(report) = agent.observe(task, step, outcome, self.now) else {
            return;
        };
        if let Some((time, end)) = agent.fate(task).filter(|_| started) {
            let end = Event::Outcome {
                node,
                boot,
                task,
                step,
                outcome: end,
            };
            self.queue.push(self.now.after(time), end);
        }
        self.report(node, vec![report]);
        self.step(node);
    }

    /// Has the container of a task end by itself.
    pub(crate) fn exit(&mut self, node: NodeId, task: TaskId, code: i32) {
        let Some(agent) = self.agents.get(&node) else {
            return;
        };
        let Some(local) = agent
            .tasks
            .get(&task)
            .filter(|local| local.running_since.is_some())
        else {
            return;
        };
        self.came_of(
            node,
            agent.boot,
            (task, local.step),
            Outcome::Exited { code },
        );
    }

    /// Something comes of what an agent began for a task.
    pub(crate) fn finish(&mut self, node: NodeId, task: TaskId, step: u64, outcome: Outcome) {
        if let Some(boot) = self.agents.get(&node).map(|agent| agent.boot) {
            self.came_of(node, boot, (task, step), outcome);
        }
    }

    /// Has an agent look at its tasks again.
    pub(crate) fn nudge(&mut self, node: NodeId) {
        self.step(node);
    }

    /// Has the leader look at what is due.
    pub(crate) fn nudge_leader(&mut self) {
        self.queue.push(self.now, Event::Turn);
    }

    fn report(&mut self, node: NodeId, reports: Vec<(TaskKey, Report)>) {
        let latency = self.takes(Duration::from_millis(10));
        let Some(agent) = self.agents.get(&node).filter(|agent| agent.is_connected()) else {
            return;
        };
        if !reports.is_empty() {
            let event = Event::Reported {
                node,
                connection: agent.connection,
                reports,
            };
            self.queue
                .push(self.now.after(latency * agent.slowness), event);
        }
    }

    pub(super) fn reported(
        &mut self,
        node: NodeId,
        connection: u64,
        reports: Vec<(TaskKey, Report)>,
    ) -> Result<(), Failure> {
        let known = self
            .agents
            .get(&node)
            .is_some_and(|it| it.is_connected() && it.connection == connection);
        let Some(leader) = self.leader.as_ref().filter(|_| known) else {
            return Ok(());
        };
        let now = leader.clock.shows(self.now);
        let mut changes: BTreeMap<TaskKey, Change> = BTreeMap::new();
        for (task, report) in reports {
            if let Some(change) = task_machine::record(&self.state, node, task, report, now) {
                changes.insert(task, change);
            }
        }
        if !changes.is_empty() {
            let transaction = Transaction {
                changes: changes.into_values().collect(),
            };
            self.write(transaction)?
                .map_err(|refusal| Failure::new("reports are recorded", &refusal))?;
        }
        Ok(())
    }

    /// A node falls silent: its power or its network is gone.
    pub(crate) fn lose(&mut self, node: NodeId, power: Power, link: Link) {
        let Some(agent) = self.agents.get_mut(&node) else {
            return;
        };
        // What is off stays off until it is brought back, whatever happens to its network.
        if agent.power == Power::On {
            agent.power = power;
        }
        agent.link = link;
        agent.connection += 1;
        let silence = Event::Silence {
            node,
            connection: agent.connection,
        };
        if let Some(leader) = &mut self.leader {
            leader.sessions.remove(&node);
        }
        self.queue.push(self.now.after(SILENCE), silence);
    }

    /// A node is there again.
    pub(crate) fn bring_back(&mut self, node: NodeId) {
        let Some(agent) = self.agents.get_mut(&node) else {
            return;
        };
        if agent.power == Power::Off {
            agent.reboot();
        }
        if agent.link == Link::Cut {
            agent.link = Link::Open;
        }
        self.queue.push(
            self.now.after(Duration::from_millis(100)),
            Event::Connect(node),
        );
        self.step(node);
    }

    pub(super) fn silence(&mut self, node: NodeId, connection: u64) -> Result<(), Failure> {
        let Some(agent) = self.agents.get_mut(&node) else {
            return Ok(());
        };
        if agent.connection != connection || agent.is_connected() {
            return Ok(());
        }
        if self.leader.is_none() {
            return Ok(());
        }
        agent.given_up = Some(self.now);
        self.set_node_state(node, NodeState::Down, "heartbeat failure")
    }

    pub(super) fn connect(&mut self, node: NodeId) -> Result<(), Failure> {
        let Some(agent) = self.agents.get_mut(&node) else {
            return Ok(());
        };
        if agent.power == Power::Off || agent.link != Link::Open || self.leader.is_none() {
            return Ok(());
        }
        agent.link = Link::Connected;
        agent.connection += 1;
        let reports = agent.reports();
        self.set_node_state(node, NodeState::Ready, "")?;
        self.report(node, reports);
        self.queue.push(self.now, Event::Dispatch(node));
        Ok(())
    }

    fn set_node_state(
        &mut self,
        node: NodeId,
        state: NodeState,
        message: &str,
    ) -> Result<(), Failure> {
        let Some(leader) = &self.leader else {
            return Ok(());
        };
        let since = leader.clock.shows(self.now);
        let Some(mut changed) = self.state.nodes().get(&node).cloned() else {
            return Ok(());
        };
        if changed.status.state != state {
            changed.status.state = state;
            changed.status.since = since;
            message.clone_into(&mut changed.status.message);
            self.write(Transaction::of(changed.into()))?
                .map_err(|refusal| Failure::new("a node's state is recorded", &refusal))?;
        }
        Ok(())
    }
}
