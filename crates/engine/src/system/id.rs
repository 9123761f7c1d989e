//! The engine's own id: made up once, the same from then on.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::state::{Change, Loaded, State, Table};

/// Under which name the state has it.
const KEY: &str = "id";

/// The id of before, or a new one, in the form of a UUID.
pub(crate) fn engine_id(state: &State, loaded: &Loaded) -> Result<String> {
    let known = loaded.objects::<String>(Table::Engine);
    if let Some((_, id)) = known.into_iter().find(|(key, _)| key == KEY) {
        return Ok(id);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("make up the engine's id").because(error))?;
    // A random one says so in two of its digits.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        write!(id, "{byte:02x}").expect("a text takes whatever is written to it");
    }
    state.commit_soon(vec![Change::put(Table::Engine, KEY, &id)?]);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::engine_id;
    use crate::state::State;

    #[test]
    fn the_id_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (state, loaded) = State::open(&path).unwrap();
        let id = engine_id(&state, &loaded).unwrap();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        drop(state);
        let (state, loaded) = State::open(&path).unwrap();
        assert_eq!(engine_id(&state, &loaded).unwrap(), id);
    }
}
