//! Secrets and configs: small files that services read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::id::{ConfigId, SecretId};
use model::name::Name;
use model::version::Version;
use serde::{Deserialize, Serialize};

/// A secret must be smaller than this: it travels in the log and in assignments.
pub const SECRET_LIMIT_BYTES: usize = 500 * 1024;
/// A config must be smaller than this.
pub const CONFIG_LIMIT_BYTES: usize = 1000 * 1024;

/// A file that a service reads and nobody else. Its content cannot be changed, and is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its id.
    pub id: SecretId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// Its name, of which there is one.
    pub name: Name,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, String>,
    /// The content.
    pub data: Arc<[u8]>,
}

/// A file that a service reads. Its content cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Its id.
    pub id: ConfigId,
    /// The transaction that last wrote it.
    pub version: Version,
    /// Its name, of which there is one.
    pub name: Name,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, String>,
    /// The content.
    pub data: Arc<[u8]>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
