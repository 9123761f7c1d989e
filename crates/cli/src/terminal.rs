//! The terminal, and the streams of a container that are joined to it.
//!
//! ```text
//!   standard input ─ thread ─► bounded ─► detach keys? ─► connection ─► container
//!   standard output ◄──────── frames ◄─────────────────── connection ◄─
//! ```
//!
//! A terminal in raw mode is put back by [`raw::Raw`] however the command ends. Reading standard input has a
//! thread of its own: it blocks, and must not keep the program from ending.

pub(crate) mod detach;
pub(crate) mod input;
pub(crate) mod raw;
pub(crate) mod signals;
pub(crate) mod streams;

use std::io::IsTerminal;

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Whether standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Rows and columns of the terminal that standard output is, if it is one that says.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// The width for progress on standard output or standard error: that of the terminal, or none where it is none.
pub(crate) fn progress_width(output: impl IsTerminal) -> Option<usize> {
    if !output.is_terminal() {
        return None;
    }
    Some(size().map_or(80, |(_, columns)| usize::from(columns)))
}
