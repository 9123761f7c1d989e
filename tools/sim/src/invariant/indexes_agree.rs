//! What is derived, kept up change by change, is what a state built anew derives.

use swarm_core::state::ClusterState;
use swarm_core::state::snapshot::Snapshot;

use crate::invariant::{Invariant, Moment, When};

pub(super) const INVARIANT: Invariant = Invariant {
    says: "indexes are as if built anew",
    when: When::Commit,
    check,
};

/// Building a state anew costs more than all else: once in so many commits is enough to find the seed.
const EVERY: u64 = 16;

fn check(moment: &Moment<'_>) -> Result<(), String> {
    let revision = moment.state.revision().0;
    if !revision.is_multiple_of(EVERY) {
        return Ok(());
    }
    let mut snapshot = moment.state.snapshot();
    if revision.is_multiple_of(EVERY * 16) {
        let text = serde_json::to_string(&snapshot).map_err(|error| error.to_string())?;
        let read: Snapshot = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if read != snapshot {
            return Err("a snapshot differs after it was written and read".to_owned());
        }
        snapshot = read;
    }
    let rebuilt = ClusterState::restore(snapshot).map_err(|error| error.to_string())?;
    if rebuilt.index() != moment.state.index() {
        return Err(format!(
            "kept up:\n{:#?}\nbuilt anew:\n{:#?}",
            moment.state.index(),
            rebuilt.index()
        ));
    }
    Ok(())
}
