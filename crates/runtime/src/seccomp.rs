//! Filters of system calls: Docker's default profile and profiles in its JSON format, compiled to the kernel's byte
//! code once and kept. Nothing here loads a filter.
//!
//! ```text
//! default_profile ─┐
//!                  ├─▶ profile::Profile ── rules for a set of capabilities ──▶ assembler ──▶ bytes
//! JSON ────────────┘
//! ```

mod assembler;
mod defaults;
mod profile;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::capability::Capabilities;

/// A profile that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It is not the JSON that it should be.
    #[error("decoding seccomp profile failed: {0}")]
    Syntax(String),
    /// It asks for what this program or the kernel cannot do.
    #[error("seccomp profile: {0}")]
    Unsupported(String),
}

/// Docker's default profile for a container with these capabilities, compiled, and kept for the next one.
pub fn default_profile(capabilities: Capabilities) -> Arc<[u8]> {
    static KEPT: Mutex<BTreeMap<u64, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    let key = capabilities.intersection(defaults::capabilities_that_matter());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let program = kept.entry(key.bits()).or_insert_with(|| {
        // The profile is ours and compiles: a test does so for every capability.
        profile::compile(&defaults::profile(), key, u32::MAX)
            .unwrap_or_default()
            .into()
    });
    Arc::clone(program)
}

/// A profile in Docker's JSON format, compiled for a container with these capabilities.
pub fn profile(json: &str, capabilities: Capabilities) -> Result<Arc<[u8]>, ProfileError> {
    let profile =
        serde_json::from_str(json).map_err(|error| ProfileError::Syntax(error.to_string()))?;
    let (major, minor) = crate::host::kernel();
    Ok(profile::compile(&profile, capabilities, major * 1000 + minor)?.into())
}
