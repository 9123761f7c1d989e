//! One container: its specification, its shim, cgroups, seccomp, mounts.
//!
//! The engine makes a [`spec::ContainerSpec`] and hands it to [`client::Shim::create`]. That starts a small program, the
//! shim, which stays beside the container for as long as it lives. The shim's program is this crate without the `client`
//! feature: it must never grow an async runtime, and it keeps next to nothing in memory.
//!
//! ```text
//! engine ── ContainerSpec ──▶ client::Shim ══ seqpacket ══▶ shim ── fork ──▶ maker ── clone ──▶ the container's init
//!                                   ▲                         │  ▲                                 │
//!                                   └── exits, streams ───────┘  └────────── stdio, pty ───────────┘
//! ```
//!
//! Start reading at [`spec`], then [`shim`] and `maker`. This crate knows nothing of images, networks or the API.

mod beneath;
pub mod capability;
pub mod cgroup;
#[cfg(feature = "client")]
pub mod client;
mod devices;
pub mod failure;
pub mod host;
mod log;
mod lookup;
mod maker;
mod mount_options;
mod mounts;
mod process;
#[cfg(feature = "client")]
pub mod program;
mod protocol;
#[cfg(feature = "client")]
pub mod seccomp;
pub mod shim;
pub mod spec;
pub mod statistics;
mod streams;
mod syscall;
pub mod tiny_init;
mod user;
