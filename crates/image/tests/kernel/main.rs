//! The store on a real file system: extraction, layers, archives. Needs root.

mod load;
mod sample;
