//! What the daemon tells of itself, on standard error: time, level, fields; colours only on a terminal.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

/// Starts telling what is at least as grave as `level`.
pub(crate) fn start(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
