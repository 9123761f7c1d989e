//! The table of all containers: by id, by name, by the beginning of an id.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::hex_id::ContainerId;

use super::{Container, name};
use crate::error::{Error, Result};

/// All containers of this engine.
#[derive(Debug, Default)]
pub struct Containers {
    index: RwLock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_id: BTreeMap<ContainerId, Arc<Container>>,
    /// Names are taken before their container is in the table, so that two of one name are never made at once.
    by_name: BTreeMap<String, ContainerId>,
}

impl Containers {
    /// The container of this name, id, or beginning of an id.
    pub fn find(&self, wanted: &str) -> Result<Arc<Container>> {
        let index = self.read();
        let exact = wanted
            .parse()
            .ok()
            .and_then(|id: ContainerId| index.by_id.get(&id))
            .or_else(|| {
                let name = wanted.strip_prefix('/').unwrap_or(wanted);
                index.by_id.get(index.by_name.get(name)?)
            });
        if let Some(container) = exact {
            return Ok(Arc::clone(container));
        }
        let hexadecimal = wanted
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if wanted.is_empty() || !hexadecimal {
            return Err(Error::no_such_container(wanted));
        }
        let mut beginning = index
            .by_id
            .range(first_with(wanted)..)
            .take_while(|(id, _)| id.to_string().starts_with(wanted))
            .map(|(_, container)| container);
        match (beginning.next(), beginning.next()) {
            (None, _) => Err(Error::no_such_container(wanted)),
            (Some(one), None) => Ok(Arc::clone(one)),
            (Some(_), Some(_)) => Err(Error::bad_parameter(format!(
                "Multiple IDs found with provided prefix: {wanted}"
            ))),
        }
    }

    /// The container of this id.
    pub fn get(&self, id: ContainerId) -> Option<Arc<Container>> {
        self.read().by_id.get(&id).cloned()
    }

    /// All of them, by id.
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.read().by_id.values().cloned().collect()
    }

    /// Takes the name for the container, or makes one up where none is wanted.
    pub(crate) fn take_name(&self, id: ContainerId, wanted: Option<&str>) -> Result<String> {
        let mut index = self.write();
        let name = match wanted {
            Some(wanted) => {
                let name = name::parse(wanted)?;
                if let Some(holder) = index.by_name.get(&name) {
                    return Err(in_use(&name, *holder));
                }
                name
            }
            None => (0..1000)
                .map(|attempt| name::generate(random(attempt), attempt))
                .find(|name| !index.by_name.contains_key(name))
                .expect("there are more names than containers"),
        };
        index.by_name.insert(name.clone(), id);
        Ok(name)
    }

    /// Gives a name back, if the container has it.
    pub(crate) fn give_name_back(&self, id: ContainerId, name: &str) {
        let mut index = self.write();
        if index.by_name.get(name) == Some(&id) {
            index.by_name.remove(name);
        }
    }

    /// Enters a container whose name is taken.
    pub(crate) fn enter(&self, container: Arc<Container>) {
        self.write().by_id.insert(container.id, container);
    }

    /// Takes a container out, and its name.
    pub(crate) fn take_out(&self, container: &Container) {
        let name = &container.record().name;
        let mut index = self.write();
        index.by_id.remove(&container.id);
        if index.by_name.get(name) == Some(&container.id) {
            index.by_name.remove(name);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number to choose a name by; that of the attempt where there is no randomness.
fn random(attempt: u32) -> u64 {
    getrandom::u64().unwrap_or(u64::from(attempt))
}

fn in_use(name: &str, holder: ContainerId) -> Error {
    Error::conflict(format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove \
         (or rename) that container to be able to reuse that name."
    ))
}

/// The first id that can begin so.
fn first_with(beginning: &str) -> ContainerId {
    let mut text = beginning.to_owned();
    text.truncate(64);
    while text.len() < 64 {
        text.push('0');
    }
    text.parse().unwrap_or(ContainerId::from_bytes([0; 32]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::hex_id::ContainerId;

    use super::Containers;
    use crate::container::{Condition, Container};
    use crate::resolve::testing;

    fn table() -> Containers {
        let containers = Containers::default();
        for (start, name) in [(0x11, "one"), (0x12, "two"), (0xff, "aabb")] {
            let mut bytes = [0; 32];
            bytes[0] = start;
            let id = ContainerId::from_bytes(bytes);
            let mut record = testing::record();
            record.id = id;
            record.name = containers.take_name(id, Some(name)).unwrap();
            let container = Container::new(record, Condition::default());
            containers.enter(Arc::new(container));
        }
        containers
    }

    #[track_caller]
    fn check(wanted: &str, expect: Result<&str, &str>) {
        let found = table()
            .find(wanted)
            .map(|found| found.record().name.clone());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{wanted}");
    }

    #[test]
    fn containers_are_found_by_name_id_and_its_beginning() {
        check("one", Ok("one"));
        check("/one", Ok("one"));
        check("11", Ok("one"));
        check("110", Ok("one"));
        check("12", Ok("two"));
        check("aabb", Ok("aabb"));
        check("f", Ok("aabb"));
        check("ff", Ok("aabb"));
        check("1", Err("Multiple IDs found with provided prefix: 1"));
        check("13", Err("No such container: 13"));
        check("", Err("No such container: "));
        check("none", Err("No such container: none"));
        check(
            &"f".repeat(70),
            Err(&format!("No such container: {}", "f".repeat(70))),
        );
    }

    #[test]
    fn a_name_is_taken_once() {
        let containers = table();
        let id = ContainerId::from_bytes([3; 32]);
        let error = containers.take_name(id, Some("one")).unwrap_err();
        assert!(error.to_string().contains("is already in use by container"));
        let one = containers.find("one").unwrap();
        containers.take_out(&one);
        assert!(containers.take_name(id, Some("one")).is_ok());
        assert!(containers.find("one").is_err());
        containers.give_name_back(one.id, "one");
        assert!(containers.take_name(one.id, Some("one")).is_err());
    }
}
