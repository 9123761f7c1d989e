//! rng and hasher, seen from the worker: which address a request goes to, and over which connection. In lab
//! mode it must never keep either: pooling or remembering addresses would pin a worker to one rng, and
//! hide what adding a second one does.

use std::cell::Cell;

use bytes::Bytes;
use ping::{Answer, Connection, ExchangeError, Limits, Resolver, Target};

use super::unit::UnitError;

/// Whether a connection serves one request or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    Fresh,
    Kept,
}

/// Both services.
pub(super) struct Services {
    pub(super) rng: Service,
    pub(super) hasher: Service,
}

/// A service and whose turn among its addresses it is. One per worker: all its units share the turns.
pub(super) struct Service {
    name: &'static str,
    targets: Vec<Target>,
    resolver: Resolver,
    limits: Limits,
    turn: Cell<usize>,
}

/// The connections of one unit at a time.
pub(super) struct Lane {
    pub(super) rng: Link,
    pub(super) hasher: Link,
}

/// A connection to one service, between requests.
pub(super) struct Link {
    connections: Connections,
    open: Option<Connection>,
}

impl Lane {
    pub(super) fn new(connections: Connections) -> Self {
        let link = || Link {
            connections,
            open: None,
        };
        Self {
            rng: link(),
            hasher: link(),
        }
    }
}

impl Services {
    pub(super) fn new(
        resolver: &Resolver,
        rng: &[Target],
        hasher: &[Target],
        limits: Limits,
    ) -> Self {
        let service = |name, targets: &[Target]| Service {
            name,
            targets: targets.to_vec(),
            resolver: resolver.clone(),
            limits,
            // Workers started together must not go round together.
            turn: Cell::new(getrandom::u32().map_or(0, |random| random as usize)),
        };
        Self {
            rng: service("rng", rng),
            hasher: service("hasher", hasher),
        }
    }
}

impl Service {
    /// `GET /n`.
    pub(super) async fn get(&self, link: &mut Link, count: usize) -> Result<Answer, UnitError> {
        let path = format!("/{count}");
        self.over(link, async |connection, target| {
            connection.get(&target.with_path(&path)).await
        })
        .await
    }

    /// `POST /` of these bytes.
    pub(super) async fn post(&self, link: &mut Link, body: Bytes) -> Result<Answer, UnitError> {
        self.over(link, async |connection, target| {
            connection.post(&target.with_path("/"), body.clone()).await
        })
        .await
    }

    /// Makes one request over the link. A kept connection that the service has closed in the meantime is
    /// replaced once: both requests may be made twice without harm.
    async fn over(
        &self,
        link: &mut Link,
        request: impl AsyncFn(&mut Connection, &Target) -> Result<Answer, ExchangeError>,
    ) -> Result<Answer, UnitError> {
        let failed = |source| UnitError::Exchange {
            service: self.name,
            source,
        };
        if let Some(mut kept) = link.open.take().filter(|kept| !kept.is_closed()) {
            match request(&mut kept, &self.targets[0]).await {
                Ok(answer) => {
                    link.open = Some(kept);
                    return Ok(answer);
                }
                Err(ExchangeError::Broken { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let (mut connection, target) = self.connect().await?;
        let answer = request(&mut connection, target).await.map_err(failed)?;
        if link.connections == Connections::Kept {
            link.open = Some(connection);
        }
        Ok(answer)
    }

    /// A new connection to the address whose turn it is. With several addresses written, turns go through
    /// those; with one name, through what the look-up gives, sorted, so that turns mean the same each time.
    async fn connect(&self) -> Result<(Connection, &Target), UnitError> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let target = &self.targets[turn % self.targets.len()];
        let addresses =
            self.resolver
                .addresses(target)
                .await
                .map_err(|source| UnitError::Lookup {
                    service: self.name,
                    source,
                })?;
        let address = addresses[(turn / self.targets.len()) % addresses.len()];
        let connection = Connection::open(address, self.limits)
            .await
            .map_err(|source| UnitError::Exchange {
                service: self.name,
                source,
            })?;
        Ok((connection, target))
    }
}
