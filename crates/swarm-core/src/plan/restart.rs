//! Whether, and when, an ended task is tried again.

use std::time::Duration;

use model::time::Timestamp;

use crate::object::spec::{RestartCondition, RestartPolicy};
use crate::object::task::{TaskRecord, TaskState};

/// What the policy says of a task that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again.
    Again {
        /// After this long.
        delay: Duration,
        /// The restarts so far, as far as the policy looks back, this one among them.
        restarts: Box<[Timestamp]>,
    },
    /// Leave it.
    Leave,
}

/// What `policy` says of `ended`, which ended by itself.
///
/// Attempts are counted up to the task's end, not up to the present, so that the answer never changes.
pub(super) fn verdict(policy: &RestartPolicy, ended: &TaskRecord) -> Verdict {
    let again = match policy.condition {
        RestartCondition::None => false,
        RestartCondition::OnFailure => ended.has_failed(),
        RestartCondition::Any => true,
    };
    if !again {
        return Verdict::Leave;
    }
    let Some(max) = policy.max_attempts else {
        return Verdict::Again {
            delay: policy.delay,
            restarts: Box::default(),
        };
    };
    let end = ended.status.at;
    let counts = |at: &&Timestamp| policy.window.is_zero() || end.since(**at) < policy.window;
    let mut restarts: Vec<Timestamp> = ended.task.restarts.iter().filter(counts).copied().collect();
    if restarts.len() >= usize::try_from(max.get()).unwrap_or(usize::MAX) {
        return Verdict::Leave;
    }
    restarts.push(end);
    Verdict::Again {
        delay: policy.delay,
        restarts: restarts.into(),
    }
}

/// Whether a task ended by itself, rather than being stopped or lost.
pub(super) const fn ended_by_itself(record: &TaskRecord) -> bool {
    matches!(
        record.status.state,
        TaskState::Complete | TaskState::Failed | TaskState::Rejected
    )
}

/// When `delay` after `since` is over, or nothing if it is.
///
/// A `since` that lies ahead means that the clock went back. Nobody knows by how much, so the delay counts as
/// over: better once too early than stuck until the clock is there again.
pub(super) fn remaining(since: Timestamp, delay: Duration, now: Timestamp) -> Option<Timestamp> {
    let end = since.after(delay);
    (now >= since && now < end).then_some(end)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use model::id::{ServiceId, TaskId};
    use model::time::Timestamp;
    use model::version::Version;

    use super::{Verdict, remaining, verdict};
    use crate::object::spec::{RestartCondition, RestartPolicy};
    use crate::object::task::{Slot, Task, TaskRecord, TaskState, TaskStatus};

    fn ended(state: TaskState, at_s: u64, restarts_s: &[u64]) -> TaskRecord {
        let seconds = |s: &u64| Timestamp::from_millis(s * 1_000);
        let task = Task {
            id: TaskId::from_number(1),
            version: Version(1),
            born: Version(1),
            service: ServiceId::from_number(1),
            slot: Slot::Replica(NonZeroU32::MIN),
            incarnation: 0,
            spec: Version(1),
            node: None,
            desired: TaskState::Running,
            created: Timestamp::default(),
            delay: Duration::ZERO,
            attachments: Box::default(),
            restarts: restarts_s.iter().map(seconds).collect(),
        };
        TaskRecord {
            task,
            status: TaskStatus::new(state, seconds(&at_s)),
        }
    }

    /// How many restarts are remembered if the task is tried again.
    #[track_caller]
    fn check(
        condition: RestartCondition,
        limit: (u32, u64),
        task: &TaskRecord,
        expect: Option<usize>,
    ) {
        let policy = RestartPolicy {
            condition,
            delay: Duration::from_secs(5),
            max_attempts: NonZeroU32::new(limit.0),
            window: Duration::from_secs(limit.1),
        };
        let again = match verdict(&policy, task) {
            Verdict::Again { delay, restarts } => {
                assert_eq!(delay, policy.delay);
                Some(restarts.len())
            }
            Verdict::Leave => None,
        };
        assert_eq!(again, expect);
    }

    #[test]
    fn the_condition_decides_after_which_ends() {
        use RestartCondition::{Any, None as Never, OnFailure};
        let none = (0, 0);
        for state in [TaskState::Failed, TaskState::Rejected] {
            check(Any, none, &ended(state, 9, &[]), Some(0));
            check(OnFailure, none, &ended(state, 9, &[]), Some(0));
            check(Never, none, &ended(state, 9, &[]), None);
        }
        check(Any, none, &ended(TaskState::Complete, 9, &[]), Some(0));
        check(OnFailure, none, &ended(TaskState::Complete, 9, &[]), None);
        check(Never, none, &ended(TaskState::Complete, 9, &[]), None);
    }

    #[test]
    fn attempts_run_out_within_the_window() {
        use RestartCondition::Any;
        check(Any, (2, 0), &ended(TaskState::Failed, 100, &[]), Some(1));
        check(Any, (2, 0), &ended(TaskState::Failed, 100, &[10]), Some(2));
        check(Any, (2, 0), &ended(TaskState::Failed, 100, &[10, 20]), None);
        check(
            Any,
            (2, 30),
            &ended(TaskState::Failed, 100, &[10, 20]),
            Some(1),
        );
        check(
            Any,
            (2, 30),
            &ended(TaskState::Failed, 100, &[80, 90]),
            None,
        );
    }

    #[test]
    fn a_clock_that_went_back_does_not_delay() {
        let (second, now) = (Duration::from_secs(1), Timestamp::from_millis(5_000));
        assert_eq!(
            remaining(Timestamp::from_millis(4_500), second, now),
            Some(Timestamp::from_millis(5_500))
        );
        assert_eq!(remaining(Timestamp::from_millis(4_000), second, now), None);
        assert_eq!(remaining(Timestamp::from_millis(9_000), second, now), None);
    }
}
