//! Content store, layers, snapshots, registry client and server, Dockerfiles.

pub mod dockerfile;
