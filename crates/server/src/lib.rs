//! The HTTP API: routes, versions, errors.
//!
//! ```text
//! listen ─ connection ─▶ Api::answer ─▶ routes::dispatch ─▶ a handler ─▶ Engine
//!   unix, TLS             version prefix  method and path     parse,        │
//!                         of the path     to handler          call,         │
//!                                                             render ◀──────┘
//! ```
//!
//! A handler reads its request, calls one method of the engine and renders what comes back; it decides nothing
//! about containers. What is rendered is the newest version of the API; `downgrade` turns it into an older
//! one's, as a pure step at the end. Start reading at [`api`], then `routes`.

pub mod api;
mod api_version;
mod attach;
pub mod body;
mod call;
mod downgrade;
mod failure;
pub mod listen;
mod progress;
mod query;
mod render;
mod routes;
pub mod tls;

#[cfg(test)]
mod tests;
