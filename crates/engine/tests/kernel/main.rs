//! The engine on the real kernel, without the API: each test is a computer of its own, with network namespace,
//! folders and cgroups that go with it. Needs root. The test program is its own shim.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

mod build;
mod computer;
mod files;
mod health;
mod life;
mod network;
mod objects;
mod races;
mod restart;
mod spec;

runtime::act_as_shim!();
