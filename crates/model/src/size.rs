//! Amounts of processor and memory.

use serde::{Deserialize, Serialize};

/// What a node has, a task reserves or a task may use: processor and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Processor time, in billionths of a processor.
    pub nano_cpus: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

impl Resources {
    /// Both amounts together, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            nano_cpus: self.nano_cpus.saturating_add(other.nano_cpus),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    /// What is left after `other` is taken away; nothing where more is taken than there is.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            nano_cpus: self.nano_cpus.saturating_sub(other.nano_cpus),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
        }
    }

    /// Whether `other` fits into this.
    pub const fn holds(self, other: Self) -> bool {
        self.nano_cpus >= other.nano_cpus && self.memory_bytes >= other.memory_bytes
    }
}
