//! What a leader has to look at, and when: the marks and alarms between one plan and the next.
//!
//! An agenda is the only memory of a leader, and holds nothing that matters: a new leader begins with
//! everything marked.

use std::collections::BTreeMap;

use model::id::ServiceId;
use model::time::Timestamp;

use crate::plan::Plan;
use crate::plan::note::{Reason, Subject};
use crate::state::dirty::Dirty;

/// What to look at, and when.
#[derive(Debug, Clone)]
pub struct Agenda {
    dirty: Dirty,
    alarms: BTreeMap<ServiceId, Timestamp>,
    notes: BTreeMap<Subject, Reason>,
    latest: Timestamp,
}

impl Default for Agenda {
    fn default() -> Self {
        Self::new()
    }
}

impl Agenda {
    /// A new leader's: everything.
    pub fn new() -> Self {
        Self {
            dirty: Dirty::everything(),
            alarms: BTreeMap::new(),
            notes: BTreeMap::new(),
            latest: Timestamp::default(),
        }
    }

    /// Adds what a transaction changed, or what could not be written and must be decided again.
    pub fn mark(&mut self, dirty: Dirty) {
        self.dirty.merge(dirty);
    }

    /// Takes what is to be looked at by `now`.
    ///
    /// Alarms are points in time: if the clock went back they would be late, by as much as it went. So then
    /// everything is looked at, and the alarms set anew.
    pub fn take_due(&mut self, now: Timestamp) -> Dirty {
        let mut dirty = std::mem::take(&mut self.dirty);
        if now < self.latest {
            dirty.mark_everything();
        }
        self.latest = now;
        for (service, _) in self.alarms.iter().filter(|(_, alarm)| **alarm <= now) {
            dirty.mark_service(*service);
        }
        dirty
    }

    /// Takes over the alarms and notes of a plan made from `dirty`.
    pub fn follow(&mut self, dirty: &Dirty, plan: &Plan) {
        if dirty.is_everything() {
            self.alarms.clear();
            self.notes.clear();
        }
        self.alarms
            .retain(|service, _| !plan.looked_at.contains(service));
        self.alarms.extend(&plan.alarms);
        self.notes.retain(|subject, _| match subject {
            Subject::Task((service, _)) | Subject::Service(service) => {
                !plan.looked_at.contains(service)
            }
            Subject::Network(_) => false,
        });
        self.notes.extend(
            plan.notes
                .iter()
                .map(|note| (note.subject, note.reason.clone())),
        );
    }

    /// When something is to be looked at next: now, if something is marked.
    pub fn wake(&self) -> Option<Timestamp> {
        if self.dirty.is_empty() {
            self.alarms.values().min().copied()
        } else {
            Some(self.latest)
        }
    }

    /// Whether anything is marked.
    pub fn is_idle(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Why something is not as it was asked for, as far as is known.
    pub fn note(&self, subject: Subject) -> Option<&Reason> {
        self.notes.get(&subject)
    }

    /// All that is known of what is not as it was asked for.
    pub const fn notes(&self) -> &BTreeMap<Subject, Reason> {
        &self.notes
    }
}
