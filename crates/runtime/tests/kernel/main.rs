//! Containers on the real kernel: each test has a root, folders and a cgroup of its own, and removes them however it
//! ends. Needs root. The test program is its own shim.

#![expect(clippy::unwrap_used, reason = "tests")]

mod confinement;
mod exec;
mod faults;
mod harness;
mod life;
mod limits;
mod root;
mod streams;
mod unified;

runtime::act_as_shim!();
