//! What the engine does with the kernel's help: overlays that are mounted nowhere. It needs root, and leaves nothing
//! behind but a folder that goes with the test.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

mod build;
