//! Other firewalls on the computer: what would drop our traffic, and how to let it through.

use crate::{Network, Warning, error::Result};

/// Looks at what else is there.
#[expect(clippy::unnecessary_wraps, reason = "a stub")]
pub(crate) fn look(_networks: &[Network], _table: &str) -> Result<Vec<Warning>> {
    Ok(Vec::new())
}
