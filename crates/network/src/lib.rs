//! Addresses, bridges, published ports, names: what joins containers to each other and to the world.
//!
//! ```text
//! engine ──▶ Networks ──▶ decide (pure): ipam, choice of subnet, gateway, ports, nft text, DNS answer
//!                 │
//!                 ├──▶ netlink: bridges, veth pairs, addresses, routes; sockets that live in no thread
//!                 ├──▶ the firewall's task: one table of our own, `nft -f -` per change
//!                 └──▶ DNS: a task per socket that a container was given
//! ```
//!
//! Start reading at [`Networks`]. It holds in memory what is there; the engine stores what the methods return and
//! gives it back as [`Restored`] after a restart.
//!
//! This crate must never touch a rule, link or route that is not its own, never start a program on the path of a
//! plain `run`, and never stay in a container's namespace: whatever enters one is a thread that ends.

mod dns;
mod endpoint;
mod error;
mod firewall;
mod host;
mod ipam;
mod mac;
mod namespace;
mod netlink;
mod network;
mod networks;
mod plan;
mod port;
mod reservation;
mod resolv_conf;
mod settings;
mod state;
mod sysctl;

pub use endpoint::{Attach, Endpoint, Link};
pub use error::{Error, ErrorKind, Result};
pub use mac::MacAddress;
pub use namespace::Namespace;
pub use network::{AddressPlan, Network, NewNetwork};
pub use networks::{
    DNS_ADDRESS, DnsSockets, Networks, Restored, RestoredContainer, Upstream, Warning,
};
pub use port::{HostPorts, InvalidHostPorts, PortBinding, PortRequest, PortReservation};
pub use resolv_conf::ResolvConf;
pub use settings::{DefaultBridge, Pool, Settings};
