//! The Docker API from outside: connection, attach and hijack, raw JSON.
//!
//! ```text
//!   Endpoint ──connect──► Stream (unix, TCP, TLS, ssh) ──► Client: one request, one Answer
//!                                                            ├─ JSON, at once or as a stream of messages
//!                                                            ├─ a body, read or written piece by piece
//!                                                            └─ Hijacked: the connection itself, both ways
//! ```
//!
//! It knows how the API is spoken, not what is said: bodies are the caller's types or raw JSON. It must never
//! hold a whole body in memory that has no bound, nor send anything anywhere but to its endpoint.
//!
//! Start with [`Endpoint::resolve`] and [`Client::new`].

mod answer;
mod client;
mod endpoint;
mod error;
mod frames;
mod messages;
mod query;
mod request;
mod stream;
mod tls;

pub use answer::{Answer, BodyReader};
pub use client::{Client, NEWEST_VERSION, Ping, Settings};
pub use endpoint::{Endpoint, EndpointChoice, InvalidEndpoint, TlsFiles};
pub use error::Error;
pub use frames::{Frame, FrameReader, Source};
pub use messages::Messages;
pub use query::encode_component;
pub use request::{Body, Request, pieces_body, reader_body};
pub use stream::{Hijacked, ReadHalf, WriteHalf};
