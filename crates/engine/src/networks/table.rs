//! The table of networks: by id, by name, by the beginning of an id; and the settings of the crate beneath.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use network::{DefaultBridge, Pool};
use tokio::sync::OnceCell;

use super::record::{PREDEFINED, Record};
use crate::error::{Error, Result};
use crate::moment;
use crate::settings::Settings;
use crate::state::{Change, Loaded, State, Table};

/// All networks.
#[derive(Debug)]
pub struct NetworkTable {
    table: Mutex<BTreeMap<String, Arc<Record>>>,
    /// What acts on the computer.
    pub(super) opened: OnceCell<network::Networks>,
    /// Whoever makes or removes a network has it.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl NetworkTable {
    /// Finds the networks again that the state knows, and makes sure of those that are always there.
    pub(crate) fn open(state: &State, loaded: &Loaded) -> Result<Self> {
        let mut table: BTreeMap<String, Arc<Record>> = loaded
            .objects::<Record>(Table::Networks)
            .into_iter()
            .map(|(id, record)| (id, Arc::new(record)))
            .collect();
        let mut changes = Vec::new();
        for (name, driver) in PREDEFINED {
            if table.values().any(|record| record.name == *name) {
                continue;
            }
            let id = new_id()?;
            let record = Record::predefined(id.clone(), name, driver, moment::now());
            changes.push(Change::put(Table::Networks, &id, &record)?);
            table.insert(id, Arc::new(record));
        }
        if !changes.is_empty() {
            // Lost in a crash, they get other ids; nothing refers to these yet.
            state.commit_soon(changes);
        }
        Ok(Self {
            table: Mutex::new(table),
            opened: OnceCell::new(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The network of this id, name, or beginning of an id: in this order.
    pub(super) fn find(&self, wanted: &str) -> Result<Arc<Record>> {
        let table = self.table();
        if let Some(record) = table.get(wanted) {
            return Ok(Arc::clone(record));
        }
        if let Some(record) = table.values().find(|record| record.name == wanted) {
            return Ok(Arc::clone(record));
        }
        let mut beginning = table
            .range(wanted.to_owned()..)
            .take_while(|(id, _)| !wanted.is_empty() && id.starts_with(wanted));
        match (beginning.next(), beginning.next()) {
            (Some((_, record)), None) => Ok(Arc::clone(record)),
            (Some(_), Some(_)) => Err(Error::bad_parameter(format!(
                "network {wanted} is ambiguous ({} matches found based on ID prefix)",
                beginning.count() + 2
            ))),
            (None, _) => Err(Error::not_found(format!("network {wanted} not found"))),
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<Arc<Record>> {
        let table = self.table();
        table.values().find(|record| record.name == name).cloned()
    }

    /// All, by name.
    pub(super) fn all(&self) -> Vec<Arc<Record>> {
        let mut all: Vec<_> = self.table().values().cloned().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Every bridge, for the crate beneath.
    pub(super) fn bridges(&self) -> Vec<network::Network> {
        let table = self.table();
        table
            .values()
            .filter_map(|record| record.bridge.clone())
            .collect()
    }

    pub(super) fn default_id(&self) -> String {
        let default = self.by_name("bridge");
        default.map(|record| record.id.clone()).unwrap_or_default()
    }

    pub(super) fn insert(&self, record: Arc<Record>) {
        self.table().insert(record.id.clone(), record);
    }

    pub(super) fn remove(&self, id: &str) {
        self.table().remove(id);
    }

    /// Enters what the default network came to; the record, if that is news.
    pub(super) fn resolve_default(&self, bridge: network::Network) -> Option<Arc<Record>> {
        let mut table = self.table();
        let record = table.get_mut(&bridge.id)?;
        if record.bridge.as_ref() == Some(&bridge) {
            return None;
        }
        Arc::make_mut(record).bridge = Some(bridge);
        Some(Arc::clone(record))
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Record>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the crate beneath is told.
pub(super) fn settings(settings: &Settings, default_id: &str) -> Result<network::Settings> {
    let name = &settings.network_name;
    let mut bridge = DefaultBridge::new(default_id.to_owned(), format!("{name}0"));
    if let Some(address) = &settings.bridge_address {
        let parsed = address.parse().map_err(|error| {
            Error::bad_parameter(format!("invalid bridge address {address}")).because(error)
        })?;
        bridge.address = Some(parsed);
    }
    let mut pools = Vec::new();
    for (base, prefix_length) in &settings.address_pools {
        let base = base.parse().map_err(|error| {
            Error::bad_parameter(format!("invalid address pool {base}")).because(error)
        })?;
        pools.push(Pool {
            base,
            prefix_length: *prefix_length,
        });
    }
    let mut beneath = network::Settings::new(default_id.to_owned());
    beneath.name.clone_from(name);
    beneath.default_bridge = Some(bridge);
    if !pools.is_empty() {
        beneath.pools = pools;
    }
    Ok(beneath)
}

pub(super) fn new_id() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("make up a network's id").because(error))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{NetworkTable, Record};
    use crate::state::State;

    #[test]
    fn networks_are_found_by_id_name_and_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (state, loaded) = State::open(&path).unwrap();
        let table = NetworkTable::open(&state, &loaded).unwrap();
        let names: Vec<_> = table
            .all()
            .iter()
            .map(|record| record.name.clone())
            .collect();
        assert_eq!(names, ["bridge", "host", "none"]);
        let add = |id: &str, name: &str| {
            let moment = jiff::Timestamp::UNIX_EPOCH;
            let record = Record::predefined(id.to_owned(), name, "bridge", moment);
            table.insert(Arc::new(record));
        };
        add("zzab1", "lab");
        add("zzab2", "zzab1");
        let check = |wanted: &str, expect: Result<&str, &str>| {
            let found = table.find(wanted).map(|record| record.id.clone());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expect, "{wanted}");
        };
        check("lab", Ok("zzab1"));
        check("zzab1", Ok("zzab1"));
        check("zzab2", Ok("zzab2"));
        check(
            "zza",
            Err("network zza is ambiguous (2 matches found based on ID prefix)"),
        );
        check("none-such", Err("network none-such not found"));
        check("", Err("network  not found"));
        let bridge = table.default_id();
        drop((table, state));
        let (state, loaded) = State::open(&path).unwrap();
        let table = NetworkTable::open(&state, &loaded).unwrap();
        assert_eq!(table.default_id(), bridge);
    }
}
