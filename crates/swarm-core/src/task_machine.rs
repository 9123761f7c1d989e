//! The life of a task on its node: what the agent does next, and what it reports.
//!
//! ```text
//! assigned ─▶ accepted ─▶ preparing ─▶ ready ─▶ starting ─▶ running ─▶ complete, failed
//!    │            │           │          │          │          │
//!    └────────────┴───────────┴──────────┴──────────┴──────────┴─────▶ shutdown, once it is not wanted
//! ```
//!
//! The agent asks [`next_step`], does it, and turns what came of it into a report with [`outcome`]. It decides
//! nothing: with the same assignment and the same observation it does the same, after a restart as before.

use model::id::NodeId;
use model::time::Timestamp;

use crate::object::task::{TaskState, TaskStatus};
use crate::state::ClusterState;
use crate::state::index::TaskKey;
use crate::state::transaction::Change;

/// What an agent does next about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing until something happens.
    Wait,
    /// Report that it has the task.
    Accept,
    /// Fetch what the task needs and create its container; reported as preparing meanwhile.
    Prepare,
    /// Start the container; reported as starting meanwhile.
    Start,
    /// Stop the container, or give up what was begun.
    Stop,
    /// Remove the container and forget the task.
    Remove,
}

/// What came of an action, or happened by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The task was accepted.
    Accepted,
    /// The container is ready to start.
    Prepared,
    /// The task cannot be prepared on this node, and why.
    CannotPrepare(String),
    /// The container runs.
    Started,
    /// The container could not be started, and why.
    CannotStart(String),
    /// The container ended by itself.
    Exited {
        /// With this code.
        code: i32,
    },
    /// The container was stopped because the agent was told to.
    Stopped,
    /// The node came back and the container did not.
    Lost,
}

/// What an agent reports of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How far the task has come.
    pub state: TaskState,
    /// The exit code, if it ended by itself.
    pub exit_code: Option<i32>,
    /// What went wrong.
    pub message: Option<String>,
}

/// What the agent does next about a task that is wanted as far as `desired` (`None` if it is no longer in the
/// assignment) and has come as far as `observed`.
pub const fn next_step(desired: Option<TaskState>, observed: TaskState) -> Action {
    let unwanted = match desired {
        Some(desired) => desired.is_terminal() && !matches!(desired, TaskState::Complete),
        None => true,
    };
    match observed {
        TaskState::Assigned
        | TaskState::Accepted
        | TaskState::Preparing
        | TaskState::Ready
        | TaskState::Starting
        | TaskState::Running
            if unwanted =>
        {
            Action::Stop
        }
        TaskState::Assigned => Action::Accept,
        TaskState::Accepted => Action::Prepare,
        TaskState::Ready => match desired {
            Some(TaskState::Running | TaskState::Complete) => Action::Start,
            Some(_) | None => Action::Wait,
        },
        TaskState::New
        | TaskState::Pending
        | TaskState::Preparing
        | TaskState::Starting
        | TaskState::Running => Action::Wait,
        TaskState::Complete
        | TaskState::Shutdown
        | TaskState::Failed
        | TaskState::Rejected
        | TaskState::Remove
        | TaskState::Orphaned => match desired {
            Some(_) => Action::Wait,
            None => Action::Remove,
        },
    }
}

/// What a task is reported as while an action is under way.
pub const fn meanwhile(action: Action) -> Option<TaskState> {
    match action {
        Action::Prepare => Some(TaskState::Preparing),
        Action::Start => Some(TaskState::Starting),
        Action::Wait | Action::Accept | Action::Stop | Action::Remove => None,
    }
}

/// What is reported once `outcome` is known.
pub fn outcome(outcome: Outcome) -> Report {
    let plain = |state| Report {
        state,
        exit_code: None,
        message: None,
    };
    match outcome {
        Outcome::Accepted => plain(TaskState::Accepted),
        Outcome::Prepared => plain(TaskState::Ready),
        Outcome::CannotPrepare(why) => Report {
            message: Some(why),
            ..plain(TaskState::Rejected)
        },
        Outcome::Started => plain(TaskState::Running),
        Outcome::CannotStart(why) => Report {
            message: Some(why),
            ..plain(TaskState::Failed)
        },
        Outcome::Exited { code: 0 } => Report {
            exit_code: Some(0),
            ..plain(TaskState::Complete)
        },
        Outcome::Exited { code } => Report {
            state: TaskState::Failed,
            exit_code: Some(code),
            message: Some(format!("task: non-zero exit ({code})")),
        },
        Outcome::Stopped => plain(TaskState::Shutdown),
        Outcome::Lost => Report {
            message: Some("the node came back without the container".to_owned()),
            ..plain(TaskState::Failed)
        },
    }
}

/// The change that records what `node` reports of a task; `None` if it tells nothing new.
///
/// Reports may come late, twice, or of tasks given up since: whatever is not a step forward of a task that is
/// still the node's is dropped.
pub fn record(
    state: &ClusterState,
    node: NodeId,
    task: TaskKey,
    report: Report,
    now: Timestamp,
) -> Option<Change> {
    let known = state.task(task.0, task.1)?;
    let old = &known.status;
    if known.task.node != Some(node) || report.state <= old.state {
        return None;
    }
    let runs = report.state == TaskState::Running;
    let status = TaskStatus {
        version: old.version,
        state: report.state,
        at: now,
        started: old.started.or(runs.then_some(now)),
        exit_code: report.exit_code,
        message: report.message.map(Into::into),
    };
    Some(Change::UpdateStatus {
        service: task.0,
        task: task.1,
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::{Action, Outcome, meanwhile, next_step, outcome};
    use crate::object::task::TaskState;

    #[track_caller]
    fn check(desired: Option<TaskState>, observed: TaskState, expect: Action) {
        assert_eq!(
            next_step(desired, observed),
            expect,
            "wanted {desired:?}, is {observed}"
        );
    }

    #[test]
    fn a_wanted_task_goes_on_to_run() {
        let running = Some(TaskState::Running);
        check(running, TaskState::Assigned, Action::Accept);
        check(running, TaskState::Accepted, Action::Prepare);
        check(running, TaskState::Preparing, Action::Wait);
        check(running, TaskState::Ready, Action::Start);
        check(running, TaskState::Starting, Action::Wait);
        check(running, TaskState::Running, Action::Wait);
        check(Some(TaskState::Complete), TaskState::Ready, Action::Start);
    }

    #[test]
    fn a_task_wanted_ready_is_prepared_and_no_more() {
        check(Some(TaskState::Ready), TaskState::Accepted, Action::Prepare);
        check(Some(TaskState::Ready), TaskState::Ready, Action::Wait);
    }

    #[test]
    fn an_unwanted_task_is_stopped_wherever_it_is() {
        for observed in &TaskState::ALL[2..8] {
            check(Some(TaskState::Shutdown), *observed, Action::Stop);
            check(Some(TaskState::Remove), *observed, Action::Stop);
            check(None, *observed, Action::Stop);
        }
    }

    #[test]
    fn a_container_is_kept_until_its_task_is_gone() {
        for observed in &TaskState::ALL[8..] {
            check(Some(TaskState::Running), *observed, Action::Wait);
            check(Some(TaskState::Shutdown), *observed, Action::Wait);
            check(None, *observed, Action::Remove);
        }
    }

    /// Whatever is wanted, and whatever comes of it, no step leads back.
    #[test]
    fn no_step_leads_back() {
        for observed in TaskState::ALL {
            for desired in TaskState::ALL.map(Some).into_iter().chain([None]) {
                let action = next_step(desired, observed);
                assert!(meanwhile(action).is_none_or(|state| state > observed));
                let outcomes = match action {
                    Action::Accept => vec![Outcome::Accepted],
                    Action::Prepare => {
                        vec![Outcome::Prepared, Outcome::CannotPrepare(String::new())]
                    }
                    Action::Start => vec![Outcome::Started, Outcome::CannotStart(String::new())],
                    Action::Stop => vec![Outcome::Stopped],
                    Action::Wait | Action::Remove => Vec::new(),
                };
                assert!(outcomes.into_iter().all(|it| outcome(it).state > observed));
            }
        }
    }

    #[test]
    fn a_bad_end_is_reported_in_dockers_words() {
        let report = outcome(Outcome::Exited { code: 78 });
        assert_eq!(report.message.as_deref(), Some("task: non-zero exit (78)"));
        assert_eq!(
            (report.state, report.exit_code),
            (TaskState::Failed, Some(78))
        );
    }
}
