//! Opening, making and walking paths safely beneath a root.
//!
//! ```text
//!            ┌── open, make, rename, remove, walk, attributes      (root, walk, attribute)
//! Root ──────┼── copy: trees from root to root                     (copy)
//!   ▲        ├── extract: an archive's entries into a root         (extract, whiteout)
//!   │        └── pack: a tree as a deterministic archive           (pack)
//! overlay: several directories as one, mounted nowhere             (overlay)
//! ```
//!
//! What lies beneath a root may be hostile: links that point out of it, devices, names with `..`, and all of it
//! changing while we look. So a path is only ever resolved by the kernel, by `openat2`, with the root as the top
//! of the world. Nothing here may follow a link out, open a device for its contents, or run anything.
//!
//! Start reading at [`Root`]; [`tar`] is the archive format alone, without a file system.

mod attribute;
mod copy;
mod error;
mod extract;
mod overlay;
mod pack;
mod root;
pub mod tar;
mod walk;
mod whiteout;

pub use attribute::{Attribute, Attributes};
pub use copy::{Copied, CopyOptions, TopDirectory, copy};
pub use error::Error;
pub use extract::{
    ExtractError, ExtractLimits, ExtractOptions, Extracted, Extractor, Overwriting, extract,
};
pub use overlay::{Overlay, Upper};
pub use pack::{PackError, PackOptions, Packed, pack};
pub use root::{Kind, Links, Metadata, Mode, Owner, Root};
pub use walk::{Entry, Found, Walk};
pub use whiteout::Whiteouts;
