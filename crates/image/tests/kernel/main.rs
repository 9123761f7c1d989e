//! The store on a real file system: extraction, layers, archives. Needs root.

mod commit;
mod load;
mod remove;
mod sample;
mod save;
