//! What a swarm decides, as plain functions from state to changes.
//!
//! ```text
//!              ┌──────────── Refusal ◀──┐
//!              ▼                        │
//! plan(state, dirty, now, ids) ──▶ Transaction ──▶ apply ──▶ ClusterState ──▶ assignment(state, node)
//!    │   ▲                                           │                             │
//!    │   └──────── Agenda ◀──────── Dirty ◀──────────┘                             ▼
//!    └─▶ Notes                                                          next_step(task, observed)
//! ```
//!
//! Nothing here does input or output, reads a clock, makes up an id, waits, or depends on an order that is not
//! the same everywhere: all of it comes in as arguments. The crate's `clippy.toml` bans the rest. Whoever
//! replicates the transactions, talks to the nodes and runs the containers is elsewhere, and is left no choice.
//!
//! Start with [`object`] for the nouns, [`state`] for what may be written, [`plan`](plan::plan) for the
//! decisions, [`assignment`] and [`task_machine`] for what a node is told and does.

pub mod assignment;
pub mod object;
pub mod plan;
pub mod state;
pub mod task_machine;
pub mod validate;

#[cfg(test)]
mod testing;
