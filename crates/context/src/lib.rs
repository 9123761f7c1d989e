//! Build contexts: .dockerignore and packing.
