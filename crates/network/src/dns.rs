//! The DNS of containers on user-defined networks, at 127.0.0.11 inside each.
//!
//! ```text
//! container ─▶ 127.0.0.11:53 ─▶ (translated, in its namespace) ─▶ our sockets, at free ports
//!     known name ─▶ answered from memory        anything else ─▶ upstream, from the host's namespace
//! ```
//!
//! A socket on port 53 itself would take it from a server that the container may run. The sockets belong to the
//! container's shim; a daemon serves them while it lives, and queries wait meanwhile.

pub(crate) mod answer;
pub(crate) mod names;
pub(crate) mod serve;
pub(crate) mod sockets;
pub(crate) mod upstream;
