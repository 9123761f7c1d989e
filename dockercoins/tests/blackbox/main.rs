//! Dockercoins from outside: the built program, its processes, its ports. These tests must never reach
//! into the program's code, and leave no process behind even when they are killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod harness;

mod command_line;
mod crowds;
mod hasher;
mod page;
mod rates;
mod rng;
mod store;
mod up;
mod webui;
mod worker;
