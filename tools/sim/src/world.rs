//! A simulated cluster: the state its managers agree on, its leader, its agents, and the events to come.
//!
//! Here are time, the leader and the log; what goes between managers and nodes is in [`connections`].

mod connections;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::id::{NodeId, ServiceId};
use model::time::Timestamp;
use swarm_core::object::node::Node;
use swarm_core::object::service::Service;
use swarm_core::object::spec::UpdateOrder;
use swarm_core::plan::Plan;
use swarm_core::state::ClusterState;
use swarm_core::state::dirty::Dirty;
use swarm_core::state::refusal::Refusal;
use swarm_core::state::transaction::{Change, Transaction};

use crate::agent::{Agent, Link, SILENCE};
use crate::bug::{Bug, Saboteur};
use crate::event::{Event, Queue};
use crate::invariant::{self, Failure, Moment, When};
use crate::journal::Journal;
use crate::leader::{Clock, Leader};

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Always the same: scripts read well.
    Steady,
    /// Now short, now long.
    Varying,
}

/// When each world begins: late enough for clocks that are behind.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_millis(1_000_000_000);

/// A simulated cluster.
pub(crate) struct World {
    pub(crate) state: ClusterState,
    pub(crate) now: Timestamp,
    pub(crate) leader: Option<Leader>,
    pub(crate) agents: BTreeMap<NodeId, Agent>,
    pub(crate) random: fastrand::Rng,
    pub(crate) journal: Journal,
    pub(crate) checks: u64,
    pub(crate) refused: u64,
    pub(crate) clocks_jumped: bool,
    pub(crate) saboteur: Saboteur,
    /// The services that were ever asked to start new tasks before they stop old ones.
    start_first: BTreeSet<ServiceId>,
    /// The shortest restart delay that each service was ever asked to keep.
    restart_delays: BTreeMap<ServiceId, Duration>,
    queue: Queue,
    pace: Pace,
    reigns: u64,
}

impl World {
    pub(crate) fn new(seed: u64, pace: Pace, bug: Option<Bug>) -> Self {
        Self {
            state: ClusterState::default(),
            now: BEGINNING,
            leader: Some(Leader::new(0, Clock::RIGHT)),
            agents: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            journal: Journal::default(),
            checks: 0,
            refused: 0,
            clocks_jumped: false,
            saboteur: Saboteur::new(bug),
            start_first: BTreeSet::new(),
            restart_delays: BTreeMap::new(),
            queue: Queue::default(),
            pace,
            reigns: 0,
        }
    }

    /// Has a node join that was never here.
    pub(crate) fn join(&mut self, node: Node) -> Result<(), Failure> {
        let id = node.id;
        self.write(Transaction::of(node.into()))?
            .map_err(|refusal| Failure::new("a node joins", &refusal))?;
        self.agents.insert(id, Agent::new(id, self.saboteur.bug()));
        self.queue.push(self.now, Event::Dispatch(id));
        Ok(())
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) -> Result<(), Failure> {
        let until = self.now.after(time);
        while let Some((at, event)) = self.queue.pop(until) {
            self.now = at;
            self.happen(event)?;
        }
        self.now = until;
        Ok(())
    }

    /// Lets time pass until nothing happens any more; fails if that takes longer than `patience`.
    pub(crate) fn settle(&mut self, patience: Duration) -> Result<(), Failure> {
        let end = self.now.after(patience);
        let quiet = Duration::from_secs(40);
        loop {
            let revision = self.state.revision();
            self.run_for(quiet)?;
            let active = self
                .queue
                .next_activity()
                .is_some_and(|at| at < self.now.after(quiet));
            if revision == self.state.revision() && !active {
                return Ok(());
            }
            if self.now > end {
                return Err(Failure::new(
                    "the cluster converges",
                    &"it is still busy long after the last fault",
                ));
            }
        }
    }

    /// Has a user's writes reach the log after a while, in which others may write.
    pub(crate) fn write_later(&mut self, transaction: Transaction, delay: Duration) {
        self.queue
            .push(self.now.after(delay), Event::UserWrites(transaction));
    }

    /// Writes something now, and has the leader look at it.
    pub(crate) fn write(
        &mut self,
        transaction: Transaction,
    ) -> Result<Result<(), Refusal>, Failure> {
        let written = self.commit(transaction)?;
        Ok(written.map(|dirty| self.mark(dirty)))
    }

    fn happen(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Turn => self.turn()?,
            Event::Commit {
                reign,
                dirty,
                batches,
            } => self.commit_plan(reign, dirty, batches)?,
            Event::UserWrites(transaction) => {
                if self.leader.is_some() {
                    let refused = self.write(transaction)?.is_err();
                    self.refused += u64::from(refused);
                }
            }
            Event::Elected => self.elect(),
            Event::Dispatch(node) => self.dispatch(node),
            Event::Told {
                node,
                connection,
                message,
            } => self.told(node, connection, *message),
            Event::Reported {
                node,
                connection,
                reports,
            } => self.reported(node, connection, reports)?,
            Event::Outcome {
                node,
                boot,
                task,
                step,
                outcome,
            } => self.came_of(node, boot, (task, step), outcome),
            Event::Silence { node, connection } => self.silence(node, connection)?,
            Event::Connect(node) => self.connect(node)?,
        }
        self.check(When::Event, None, &[])
    }

    fn turn(&mut self) -> Result<(), Failure> {
        let Some(leader) = self.leader.as_mut() else {
            return Ok(());
        };
        leader.wakes = None;
        if leader.proposing {
            return Ok(());
        }
        let clock = leader.clock;
        let dirty = self
            .saboteur
            .lose_marks(leader.agenda.take_due(clock.shows(self.now)));
        if !dirty.is_empty() {
            let seen = self.saboteur.doctor(&self.state);
            let mut ids = self.random.fork();
            let plan = swarm_core::plan::plan(
                seen.as_ref().unwrap_or(&self.state),
                &dirty,
                clock.shows(self.now),
                &mut || ids.u128(..),
            );
            let plan = self.saboteur.mutate(plan, &self.state, &mut ids);
            let leader = self
                .leader
                .as_mut()
                .expect("the leader was there a moment ago");
            leader.agenda.follow(&dirty, &plan);
            self.propose(dirty, plan)?;
        }
        self.arrange_wake();
        Ok(())
    }

    fn propose(&mut self, dirty: Dirty, plan: Plan) -> Result<(), Failure> {
        if plan.transaction.is_empty() {
            return self.check(When::Idle, None, &[]);
        }
        self.check(When::Plan, None, &plan.transaction.changes)?;
        let limit = match self.pace {
            Pace::Steady => usize::MAX,
            Pace::Varying => self.random.usize(1..200),
        };
        let batches: Vec<Transaction> = plan.transaction.batches(limit).collect();
        let after = self.takes(Duration::from_millis(5));
        let Some(leader) = self.leader.as_mut() else {
            return Ok(());
        };
        leader.proposing = true;
        self.queue.push(
            self.now.after(after),
            Event::Commit {
                reign: leader.reign,
                dirty,
                batches,
            },
        );
        Ok(())
    }

    /// A plan reaches the log. What a leader proposed just before it fell may do so too.
    fn commit_plan(
        &mut self,
        reign: u64,
        dirty: Dirty,
        batches: Vec<Transaction>,
    ) -> Result<(), Failure> {
        let mut marks = Dirty::nothing();
        for batch in batches {
            if let Ok(changed) = self.commit(batch)? {
                marks.merge(changed);
            } else {
                self.refused += 1;
                marks.merge(dirty);
                break;
            }
        }
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.reign == reign) {
            leader.proposing = false;
        }
        self.mark(marks);
        Ok(())
    }

    fn mark(&mut self, dirty: Dirty) {
        if let Some(leader) = &mut self.leader {
            leader.agenda.mark(dirty);
        }
        self.arrange_wake();
    }

    fn arrange_wake(&mut self) {
        let Some(leader) = self.leader.as_mut().filter(|leader| !leader.proposing) else {
            return;
        };
        let Some(wake) = leader.agenda.wake() else {
            return;
        };
        let at = if leader.agenda.is_idle() {
            leader.clock.when(wake).max(self.now)
        } else {
            self.now
        };
        if leader.wakes.is_none_or(|arranged| at < arranged) {
            leader.wakes = Some(at);
            self.queue.push(at, Event::Turn);
        }
    }

    /// The leader falls; what it held is lost, and after a while another manager leads.
    pub(crate) fn depose(&mut self) {
        if self.leader.take().is_some() {
            for agent in self
                .agents
                .values_mut()
                .filter(|agent| agent.link == Link::Connected)
            {
                agent.link = Link::Open;
                agent.connection += 1;
            }
            let after = Duration::from_millis(self.random.u64(200..4_000));
            self.queue.push(self.now.after(after), Event::Elected);
        }
    }

    fn elect(&mut self) {
        self.reigns += 1;
        let clock = if self.clocks_jumped {
            self.any_clock()
        } else {
            Clock::RIGHT
        };
        self.leader = Some(Leader::new(self.reigns, clock));
        for agent in self
            .agents
            .values()
            .filter(|agent| agent.link == Link::Open)
        {
            self.queue.push(
                self.now.after(Duration::from_millis(50)),
                Event::Connect(agent.node),
            );
        }
        // Whoever does not connect to the new leader in time is taken for dead by it.
        for agent in self.agents.values() {
            let silence = Event::Silence {
                node: agent.node,
                connection: agent.connection,
            };
            self.queue.push(self.now.after(SILENCE), silence);
        }
        self.arrange_wake();
    }

    /// A clock that is wrong by up to an hour.
    pub(crate) fn any_clock(&mut self) -> Clock {
        let by = Duration::from_secs(self.random.u64(0..3_600));
        if self.random.bool() {
            Clock::Ahead(by)
        } else {
            Clock::Behind(by)
        }
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Result<Dirty, Refusal>, Failure> {
        let before = self.state.clone();
        match self.state.apply(transaction) {
            Ok(dirty) => {
                self.saboteur.corrupt(&mut self.state);
                self.remember_policies();
                self.journal.record(self.now, &before, &self.state);
                self.check(When::Commit, Some(&before), &[])?;
                let latency = self.takes(Duration::from_millis(10));
                for agent in self.agents.values().filter(|agent| agent.is_connected()) {
                    let at = self.now.after(latency * agent.slowness);
                    self.queue.push(at, Event::Dispatch(agent.node));
                }
                Ok(Ok(dirty))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn remember_policies(&mut self) {
        for service in self.state.services().values() {
            let asked = service.spec.restart.delay;
            let shortest = self.restart_delays.entry(service.id).or_insert(asked);
            *shortest = asked.min(*shortest);
        }
        let start_first = |it: &&Service| {
            [&it.spec.update, &it.spec.rollback]
                .iter()
                .any(|policy| policy.order == UpdateOrder::StartFirst)
        };
        self.start_first.extend(
            self.state
                .services()
                .values()
                .filter(start_first)
                .map(|it| it.id),
        );
    }

    /// How long something takes that usually takes `usual`.
    fn takes(&mut self, usual: Duration) -> Duration {
        match self.pace {
            Pace::Steady => usual,
            Pace::Varying => usual * self.random.u32(10..400) / 100,
        }
    }

    /// Checks the invariants of a moment.
    pub(crate) fn check(
        &mut self,
        when: When,
        before: Option<&ClusterState>,
        proposed: &[Change],
    ) -> Result<(), Failure> {
        let moment = Moment {
            before: before.unwrap_or(&self.state),
            state: &self.state,
            agents: &self.agents,
            leader: self.leader.as_ref(),
            now: self.now,
            clocks_jumped: self.clocks_jumped,
            start_first: &self.start_first,
            restart_delays: &self.restart_delays,
            proposed,
        };
        self.checks += invariant::check(when, &moment)?;
        Ok(())
    }
}
