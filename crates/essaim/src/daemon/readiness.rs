//! Telling a supervisor such as systemd that the daemon is ready, and that it is about to end.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Requests are answered from now on.
pub(super) fn ready() {
    tell("READY=1");
}

/// The daemon is about to end.
pub(super) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Ok(place) = std::env::var("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&place, state) {
        tracing::warn!(%error, place, "cannot tell the supervisor");
    }
}

fn send(place: &str, state: &str) -> std::io::Result<()> {
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
