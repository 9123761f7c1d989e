//! Whenever the leader has nothing to do and a task still waits for a node, a note says why.

use swarm_core::plan::note::Subject;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "a pending task has a note",
    when: When::Idle,
    check,
};

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let Some(leader) = moment.leader.filter(|leader| leader.agenda.is_idle()) else {
        return Ok(());
    };
    let waiting = moment.state.tasks().filter(|it| it.is_waiting());
    let mut unexplained = waiting.filter(|it| {
        leader
            .agenda
            .note(Subject::Task((it.task.service, it.task.id)))
            .is_none()
    });
    match unexplained.next() {
        Some(record) => Err(format!(
            "task {} of service {}",
            record.task.id, record.task.service
        )),
        None => Ok(()),
    }
}
