//! One round of a ping: look up, connect, ask, each anew. It must never print; what is shown is its
//! caller's.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::{Connection, ExchangeError, Limits, LookupError, Resolver, Target};

/// An answer to one round.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Who answered.
    pub address: SocketAddr,
    /// The status code.
    pub status: StatusCode,
    /// Bytes of the answer, head and body.
    pub bytes: usize,
    /// From before the connection was made to the last byte, without the name look-up.
    pub took: Duration,
}

/// Why a round has no answer.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// The name has no address.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// No whole answer came.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// Asks the target once over a new connection. Of several addresses, `turn` picks the one to ask.
pub async fn ping(
    resolver: &Resolver,
    target: &Target,
    limits: Limits,
    turn: usize,
) -> Result<Reply, PingError> {
    let addresses = resolver.addresses(target).await?;
    let address = addresses[turn % addresses.len()];
    let begin = Instant::now();
    let mut connection = Connection::open(address, limits).await?;
    let answer = connection.get(target).await?;
    Ok(Reply {
        address,
        status: answer.status,
        bytes: answer.head_bytes + answer.body.len(),
        took: begin.elapsed(),
    })
}
