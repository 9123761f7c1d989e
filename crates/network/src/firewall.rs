//! Our table in the host's packet filter.
//!
//! [`rules`] says what it should hold, as a pure function of the networks and the published ports; [`task`] makes
//! it so, and keeps it so; [`others`] reads what else is there and would stand in the way.
//!
//! Nothing here ever changes another's rule.

mod legacy;
pub(crate) mod others;
pub(crate) mod rules;
pub(crate) mod task;
