//! HTTP from the client's side, one request at a time: look a name up, connect, ask, and say how long
//! each step took. It is what `httping` shows, and what a Dockercoins worker does for every unit of work.
//!
//! ```text
//! Target ──lookup──▶ addresses ──Connection::open──▶ Connection ──send──▶ Answer ──▶ Statistics
//! ```
//!
//! Start reading at [`ping`], which puts the parts together; [`Connection`] is the one place that speaks
//! HTTP. This crate must never keep a connection or an address that its caller did not ask to keep: what a
//! fresh look-up and a fresh connection cost is part of what is measured.

mod connection;
mod lookup;
mod round;
mod statistics;
mod target;

pub use connection::{Answer, Connection, ExchangeError, Limits};
pub use lookup::{LookupError, Resolver};
pub use round::{PingError, Reply, ping};
pub use statistics::{Statistics, Summary};
pub use target::{Target, TargetError};
