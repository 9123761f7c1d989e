//! Addresses of one's own. All of 127.0.0.0/8 is this computer, so that each server can have an address that
//! no other process uses: nobody takes its port between its end and its restart.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

/// An address that no other server of this process has, nor one of another process.
pub(crate) fn own_address() -> IpAddr {
    static STARTED: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    // Neither 127.0, where everybody is, nor 127.255, which ends in a broadcast address.
    let second = 1 + STARTED.fetch_add(1, Ordering::Relaxed) % 254;
    Ipv4Addr::new(127, second, high, low).into()
}

/// An address and a port where nothing listens, for programs that cannot choose a port themselves.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).unwrap();
    listener.local_addr().unwrap()
}
