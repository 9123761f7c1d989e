//! The simulated leader: what one manager holds while it leads, all of which is lost when another takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use model::id::NodeId;
use model::time::Timestamp;
use swarm_core::assignment::Assignment;
use swarm_core::plan::agenda::Agenda;

/// A manager that leads.
#[derive(Debug)]
pub(crate) struct Leader {
    /// Which leader this is.
    pub(crate) reign: u64,
    pub(crate) agenda: Agenda,
    /// What each connected node has been told.
    pub(crate) sessions: BTreeMap<NodeId, Assignment>,
    /// Whether a plan is on its way to the log.
    pub(crate) proposing: bool,
    /// When it wakes next, if that is arranged.
    pub(crate) wakes: Option<Timestamp>,
    pub(crate) clock: Clock,
}

/// How wrong a manager's clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It is ahead.
    Ahead(Duration),
    /// It is behind.
    Behind(Duration),
}

impl Leader {
    pub(crate) fn new(reign: u64, clock: Clock) -> Self {
        Self {
            reign,
            agenda: Agenda::new(),
            sessions: BTreeMap::new(),
            proposing: false,
            wakes: None,
            clock,
        }
    }
}

impl Clock {
    pub(crate) const RIGHT: Self = Self::Ahead(Duration::ZERO);

    /// What the clock shows at `now`.
    pub(crate) fn shows(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(by) => now.after(by),
            Self::Behind(by) => Timestamp::from_nanos(
                now.as_nanos()
                    .saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
            ),
        }
    }

    /// When the clock shows `time`.
    pub(crate) fn when(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(by) => Self::Behind(by).shows(time),
            Self::Behind(by) => time.after(by),
        }
    }
}
