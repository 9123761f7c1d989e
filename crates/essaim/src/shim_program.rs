//! The shim, carried inside this program; `build.rs` builds it.

use runtime::program::ShimProgram;

/// The bytes of the shim's executable.
const SHIM: &[u8] = include_bytes!(env!("ESSAIM_SHIM"));

/// Puts the shim where containers' shims are started from, out of everybody's reach.
pub(crate) fn hold() -> std::io::Result<ShimProgram> {
    ShimProgram::new(SHIM)
}
