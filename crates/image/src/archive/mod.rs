//! Images in archives: Docker's and OCI's forms in, both in one out; roots of containers in.

mod entries;
mod import;
mod load;
mod save;

pub use import::Import;
pub use load::Loaded;
pub(crate) use load::this_platform;
