//! Which containers name which volumes.

use std::collections::BTreeMap;

use crate::Engine;

impl Engine {
    /// The ids of the containers that each volume is mounted into, running or not; volumes of none are not there.
    pub(crate) fn used_volumes(&self) -> BTreeMap<String, Vec<String>> {
        let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for container in self.containers().all() {
            let record = container.record();
            let volumes = record.mounts.iter().filter(|mount| mount.kind == "volume");
            for volume in volumes {
                let users = used.entry(volume.name.clone()).or_default();
                let id = container.id.to_string();
                // One container may mount it twice.
                if users.last() != Some(&id) {
                    users.push(id);
                }
            }
        }
        used
    }
}
