//! Content store, layers, snapshots, registry client and server, Dockerfiles.
