//! A simulated agent: it keeps its last assignment, and does for each task what the task machine says.
//!
//! Containers here are a flag and a few delays. What an image does is in its name: `…broken…` cannot be
//! prepared, `…crash…` ends badly soon after its start.

use std::collections::BTreeMap;
use std::time::Duration;

use model::id::{NodeId, TaskId};
use model::time::Timestamp;
use swarm_core::assignment::AssignedTask;
use swarm_core::assignment::Assignment;
use swarm_core::object::task::TaskState;
use swarm_core::state::index::TaskKey;
use swarm_core::task_machine::{self, Action, Outcome, Report};

use crate::bug::Bug;

/// How long a manager waits for a silent node.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// A simulated node.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) node: NodeId,
    /// On disk: it outlives the node's crashes.
    pub(crate) assignment: Assignment,
    /// On disk as well.
    pub(crate) tasks: BTreeMap<TaskId, LocalTask>,
    pub(crate) power: Power,
    pub(crate) link: Link,
    /// Which connection to the managers this is.
    pub(crate) connection: u64,
    /// Which time it is up.
    pub(crate) boot: u64,
    /// How many times as long as usual everything takes here.
    pub(crate) slowness: u32,
    /// When the managers last took it for dead.
    pub(crate) given_up: Option<Timestamp>,
    pub(crate) bug: Option<Bug>,
}

/// Whether a node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
}

/// Whether a node reaches the managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It does.
    Connected,
    /// It could, but has no session.
    Open,
    /// It is cut off.
    Cut,
}

/// A task on a node.
#[derive(Debug, Clone)]
pub(crate) struct LocalTask {
    pub(crate) key: TaskKey,
    pub(crate) state: TaskState,
    pub(crate) report: Report,
    /// When its container was started, while it runs.
    pub(crate) running_since: Option<Timestamp>,
    /// Which of the things done for it is awaited.
    pub(crate) step: u64,
    pub(crate) stopping: bool,
    pub(crate) hangs: bool,
}

/// Something an agent began, and what will come of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Begun {
    pub(crate) task: TaskId,
    pub(crate) step: u64,
    pub(crate) work: Work,
    pub(crate) outcome: Outcome,
}

/// What a step of a task came to.
#[derive(Debug)]
enum Advance {
    /// Something was begun, and its outcome is to come.
    Began(Begun),
    /// The task moved on at once.
    Moved,
    /// There is nothing to do but wait.
    Waits,
}

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Preparing,
    Starting,
    Stopping,
}

impl Agent {
    pub(crate) fn new(node: NodeId, bug: Option<Bug>) -> Self {
        Self {
            node,
            assignment: Assignment::default(),
            tasks: BTreeMap::new(),
            power: Power::On,
            link: Link::Connected,
            connection: 0,
            boot: 0,
            slowness: 1,
            given_up: None,
            bug,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.power == Power::On && self.link == Link::Connected
    }

    /// The containers that run, and since when.
    pub(crate) fn running(&self) -> impl Iterator<Item = (TaskKey, Timestamp)> + '_ {
        self.tasks
            .values()
            .filter_map(|task| Some((task.key, task.running_since?)))
    }

    /// Does what is next for each task; returns what it began and whether there is something to report.
    pub(crate) fn step(&mut self) -> (Vec<Begun>, Vec<(TaskKey, Report)>) {
        let (mut begun, mut reports) = (Vec::new(), Vec::new());
        for (id, assigned) in &self.assignment.tasks {
            self.tasks
                .entry(*id)
                .or_insert_with(|| LocalTask::new((assigned.service, *id)));
        }
        for (id, task) in &mut self.tasks {
            let assigned = self.assignment.tasks.get(id);
            let before = task.state;
            loop {
                match task.advance(assigned, self.bug) {
                    Advance::Began(work) => begun.push(work),
                    Advance::Moved => (),
                    Advance::Waits => break,
                }
            }
            if task.state != before {
                reports.push((task.key, task.report.clone()));
            }
        }
        self.tasks.retain(|id, task| {
            task.state != TaskState::Remove || self.assignment.tasks.contains_key(id)
        });
        (begun, reports)
    }

    /// Takes over what came of something; returns the task's key if it is news.
    pub(crate) fn observe(
        &mut self,
        task: TaskId,
        step: u64,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<(TaskKey, Report)> {
        let local = self.tasks.get_mut(&task)?;
        if local.step != step || local.state.is_terminal() || local.hangs {
            return None;
        }
        local.running_since = match outcome {
            Outcome::Started => Some(now),
            Outcome::Accepted | Outcome::Prepared => local.running_since,
            Outcome::CannotPrepare(_)
            | Outcome::CannotStart(_)
            | Outcome::Exited { .. }
            | Outcome::Stopped
            | Outcome::Lost => None,
        };
        local.take(task_machine::outcome(outcome));
        Some((local.key, local.report.clone()))
    }

    /// The node lost its power and has it again: containers are gone, the disk is not.
    pub(crate) fn reboot(&mut self) {
        self.power = Power::On;
        self.boot += 1;
        for task in self.tasks.values_mut() {
            task.running_since = None;
            task.stopping = false;
            task.hangs = false;
            task.step += 1;
            let begun = (TaskState::Preparing..=TaskState::Running).contains(&task.state);
            if begun {
                task.take(task_machine::outcome(Outcome::Lost));
            }
        }
    }

    /// All that it knows of its tasks.
    pub(crate) fn reports(&self) -> Vec<(TaskKey, Report)> {
        self.tasks
            .values()
            .map(|task| (task.key, task.report.clone()))
            .collect()
    }

    /// What the container of a task does once it has started, if it does not run for ever.
    pub(crate) fn fate(&self, task: TaskId) -> Option<(Duration, Outcome)> {
        let container = &self.assignment.tasks.get(&task)?.spec.template.container;
        if container.image.contains("crash") {
            return Some((Duration::from_secs(1), Outcome::Exited { code: 1 }));
        }
        let settings = &container.settings;
        let runs_ms = settings.get("runs_ms")?.as_u64()?;
        let code = settings
            .get("exits")
            .and_then(serde_json::Value::as_i64)
            .unwrap_or(0);
        let code = i32::try_from(code).unwrap_or(1);
        Some((Duration::from_millis(runs_ms), Outcome::Exited { code }))
    }
}

impl LocalTask {
    fn new(key: TaskKey) -> Self {
        Self {
            key,
            state: TaskState::Assigned,
            report: Report {
                state: TaskState::Assigned,
                exit_code: None,
                message: None,
            },
            running_since: None,
            step: 0,
            stopping: false,
            hangs: false,
        }
    }

    fn take(&mut self, report: Report) {
        self.state = report.state;
        self.report = report;
    }

    /// Takes one step.
    fn advance(&mut self, assigned: Option<&AssignedTask>, bug: Option<Bug>) -> Advance {
        let desired = assigned.map(|assigned| assigned.desired);
        let action = match task_machine::next_step(desired, self.state) {
            Action::Stop if bug == Some(Bug::StopIgnored) && self.running_since.is_some() => {
                Action::Wait
            }
            Action::Start | Action::Wait
                if bug == Some(Bug::StartedTooEarly) && self.state == TaskState::Ready =>
            {
                Action::Start
            }
            action => action,
        };
        match action {
            Action::Wait => Advance::Waits,
            Action::Accept => {
                self.take(task_machine::outcome(Outcome::Accepted));
                Advance::Moved
            }
            Action::Prepare => {
                let broken =
                    assigned.is_some_and(|it| it.spec.template.container.image.contains("broken"));
                let outcome = if broken {
                    Outcome::CannotPrepare("no such image".to_owned())
                } else {
                    Outcome::Prepared
                };
                Advance::Began(self.begin(action, Work::Preparing, outcome))
            }
            Action::Start => Advance::Began(self.begin(action, Work::Starting, Outcome::Started)),
            Action::Stop if self.stopping => Advance::Waits,
            Action::Stop => {
                self.stopping = true;
                Advance::Began(self.begin(action, Work::Stopping, Outcome::Stopped))
            }
            Action::Remove if self.state == TaskState::Remove => Advance::Waits,
            Action::Remove => {
                self.state = TaskState::Remove;
                Advance::Moved
            }
        }
    }

    fn begin(&mut self, action: Action, work: Work, outcome: Outcome) -> Begun {
        self.step += 1;
        if let Some(state) = task_machine::meanwhile(action) {
            self.take(Report {
                state,
                exit_code: None,
                message: None,
            });
        }
        Begun {
            task: self.key.1,
            step: self.step,
            work,
            outcome,
        }
    }
}
