//! The networks of a daemon, in network namespaces that play the computer, another host, and containers.
//!
//! Nothing here touches the network of the computer that runs the tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails where it is"
)]

mod bridge;
mod dns;
mod firewall;
mod place;
mod ports;
mod restart;
