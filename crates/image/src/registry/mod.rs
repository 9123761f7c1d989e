//! Registries: the client that pulls and pushes, and a registry server.

pub mod client;
pub mod server;
