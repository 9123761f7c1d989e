//! Images: kept on disk by their content, read from and written to archives, fetched from registries and sent
//! there.
//!
//! ```text
//! docker save / OCI archive ──load──▶ ┌─ Store ────────────────────────┐ ──save──▶ archive for both
//! tar of a root ─────────────import─▶ │ configurations, names   (redb) │
//! changes of a container ────adopt──▶ │ layers: a directory each,      │ ──layer_directories──▶ overlayfs
//! registry ──────────────────pull───▶ │   ready to be mounted          │ ──push──▶ registry
//!                                     └────────────────────────────────┘
//! ```
//!
//! Start reading at [`Store`]. A layer is known by the digest of its uncompressed archive and lies on disk
//! exactly once, extracted; its archive is put together again from the directory when it is needed. Nothing here
//! knows containers: what must not be removed is held by whoever uses it ([`Store::hold`]).

pub mod archive;
mod compression;
mod config;
mod digest;
pub mod dockerfile;
mod error;
mod manifest;
mod progress;
mod recipe;
pub mod registry;
pub mod store;
mod unpack;

pub use config::{Config, ConfigHistory, ConfigRootFs};
pub use error::{Error, Result};
pub use progress::Progress;
pub use store::{Hold, Image, Layer, Names, Store};
