//! The harness of the black-box tests: a real Docker Engine in namespaces of its own, Docker's clients, and
//! Dockercoins' images and rates.
//!
//! ```text
//!   Switch ──veth── Sandbox ─── DockerEngine ─── docker, docker-compose
//!     (for several)   │              │
//!                     │              └─ images: tools/images, Debian's packages
//!                     └─ namespaces, a folder, cgroups: gone with the test, even when it is killed
//! ```
//!
//! It must never touch the computer's own network, send a packet to anything but loopback or an address that
//! it made itself in a namespace without a default route, end a process that it did not start, or look inside
//! the programs under test: what it knows of them is what they answer.
//!
//! Start reading at [`sandbox`], then [`docker_engine`]; the scenarios are in `tests/tests/`.
#![expect(
    clippy::missing_panics_doc,
    reason = "every failure of a harness ends the test that uses it, with a message"
)]

pub mod api;
pub mod command;
pub mod debian_image;
pub mod docker_engine;
pub mod dockercoins;
pub mod engine;
pub mod essaim_engine;
pub mod form;
pub mod http;
pub mod leftovers;
pub mod sandbox;
pub mod scenario;
pub mod switch;
pub mod waiting;
