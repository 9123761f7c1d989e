//! The store on a real file system: extraction, layers, archives. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commit;
mod hostile;
mod load;
mod registry;
mod remove;
mod sample;
mod save;
