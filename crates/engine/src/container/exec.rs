//! Further programs in a running container.

/// The further programs of all containers, by id; they are forgotten when the daemon ends.
#[derive(Debug, Default)]
pub struct Execs {}
