//! What the application keeps in Redis: `hashes`, the units of work done, and `wallet`, each coin's hash
//! with the bytes that gave it. It must never write anything else there, nor retry a write by itself: only
//! its caller knows whether doing it twice does harm.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ping::Resolver;
use redis::aio::MultiplexedConnection;
use redis::io::AsyncDNSResolver;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo,
    RedisError, RedisFuture,
};

const HASHES: &str = "hashes";
const WALLET: &str = "wallet";

/// A hash that begins as a coin must, and what it is the hash of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coin {
    pub(crate) hash: String,
    pub(crate) bytes: Bytes,
}

/// What Redis holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) coins: u64,
    /// As Redis has it, a string; none before the first report.
    pub(crate) hashes: Option<String>,
}

/// What went wrong with Redis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatastoreError {
    #[error("\"{0}\" is no address of a Redis; write it as redis://host:6379")]
    Address(String),
    #[error("cannot reach Redis at {name}")]
    Connect { name: String, source: RedisError },
    #[error("Redis at {name} does not {what}")]
    Command {
        name: String,
        what: &'static str,
        source: RedisError,
    },
}

impl DatastoreError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let (Self::Connect { source, .. } | Self::Command { source, .. }) = self else {
            return None;
        };
        let advice = match source.code() {
            Some("WRONGTYPE") => {
                "another program uses the key: rename it (redis-cli RENAME wallet old-wallet) or use another Redis"
            }
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
                "put the password into the address: redis://:password@host:6379"
            }
            Some("READONLY") => "that is a replica: use the address of the primary",
            Some("MISCONF" | "OOM") => "it has no room left: see its own log",
            Some("LOADING") => "it still reads its data: this passes",
            Some(_) => "see its own log",
            None if is_unknown_name(source) => "is a service of that name on this network?",
            None if source.is_timeout() => "is it stopped or overloaded?",
            None if source.is_connection_refusal() => "is it running, and is the port right?",
            None => return None,
        };
        Some(advice.to_owned())
    }
}

/// The application's keys in one Redis, over one lasting connection.
pub(crate) struct Datastore {
    client: Client,
    config: AsyncConnectionConfig,
    name: String,
    connection: Option<MultiplexedConnection>,
}

struct Lookup(Resolver);

impl Datastore {
    /// `time_limit` holds for connecting and for each command.
    pub(crate) fn new(
        url: &str,
        resolver: Resolver,
        time_limit: Duration,
    ) -> Result<Self, DatastoreError> {
        let wrong = || DatastoreError::Address(without_password(url));
        let info = url.into_connection_info().map_err(|_| wrong())?;
        let name = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => return Err(wrong()),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(time_limit))
            .set_response_timeout(Some(time_limit))
            .set_dns_resolver(Lookup(resolver));
        Ok(Self {
            client: Client::open(info).map_err(|_| wrong())?,
            config,
            name,
            connection: None,
        })
    }

    /// Host and port, for messages; never the password.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds units of work to the count.
    pub(crate) async fn count_units(&mut self, units: u64) -> Result<(), DatastoreError> {
        let mut command = redis::cmd("INCRBY");
        command.arg(HASHES).arg(units);
        let _: i64 = self.run("count the hashes", &command).await?;
        Ok(())
    }

    /// Puts coins into the wallet, and says how many were not there before.
    pub(crate) async fn keep_coins(&mut self, coins: &[Coin]) -> Result<usize, DatastoreError> {
        let mut command = redis::cmd("HSET");
        command.arg(WALLET);
        for coin in coins {
            command.arg(&coin.hash).arg(&coin.bytes[..]);
        }
        self.run("keep the coins", &command).await
    }

    /// Reads both keys.
    pub(crate) async fn totals(&mut self) -> Result<Totals, DatastoreError> {
        let (mut wallet, mut hashes) = (redis::cmd("HLEN"), redis::cmd("GET"));
        wallet.arg(WALLET);
        hashes.arg(HASHES);
        // Both at once over the one connection; not as a pipeline, whose error hides which key is wrong.
        let mut connection = self.connect().await?;
        let mut second = connection.clone();
        let both = tokio::try_join!(
            wallet.query_async(&mut connection),
            hashes.query_async(&mut second)
        );
        let (coins, hashes) = both.map_err(|source| self.failed("tell the totals", source))?;
        Ok(Totals { coins, hashes })
    }

    async fn run<T: FromRedisValue>(
        &mut self,
        what: &'static str,
        command: &Cmd,
    ) -> Result<T, DatastoreError> {
        let mut connection = self.connect().await?;
        command
            .query_async(&mut connection)
            .await
            .map_err(|source| self.failed(what, source))
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, DatastoreError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config)
            .await
            .map_err(|source| DatastoreError::Connect {
                name: self.name.clone(),
                source,
            })?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// An answer that reports an error leaves the connection usable; anything else ends it.
    fn failed(&mut self, what: &'static str, source: RedisError) -> DatastoreError {
        if source.code().is_none() {
            self.connection = None;
        }
        DatastoreError::Command {
            name: self.name.clone(),
            what,
            source,
        }
    }
}

impl AsyncDNSResolver for Lookup {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found = self.0.addresses_of(host, port).await;
            let addresses = found.map_err(|error| {
                RedisError::from(std::io::Error::new(std::io::ErrorKind::NotFound, error))
            })?;
            Ok(Box::new(addresses.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// Whether the name could not be looked up; see [`Lookup`]. The library keeps its cause behind an `Arc`.
fn is_unknown_name(error: &RedisError) -> bool {
    type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let source = std::error::Error::source(error);
    let shared = source.and_then(|source| source.downcast_ref::<Shared>());
    let io = shared.and_then(|shared| shared.downcast_ref::<std::io::Error>());
    let inner = io.and_then(std::io::Error::get_ref);
    inner
        .and_then(|inner| inner.downcast_ref::<ping::LookupError>())
        .is_some()
}

/// The text as typed, but for what stands between `//` and the last `@`.
pub(crate) fn without_password(url: &str) -> String {
    match (url.find("//"), url.rfind('@')) {
        (Some(begin), Some(end)) if begin + 2 < end => {
            format!("{}…{}", &url[..begin + 2], &url[end..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expect: Result<&str, &str>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let resolver = Resolver::from_system().unwrap();
        let made = Datastore::new(url, resolver, Duration::from_secs(1));
        let name = made
            .map(|store| store.name().to_owned())
            .map_err(|error| error.to_string());
        match expect {
            Ok(expect) => assert_eq!(name.unwrap(), expect),
            Err(part) => assert!(name.clone().unwrap_err().contains(part), "{name:?}"),
        }
    }

    #[test]
    fn addresses_are_read_and_passwords_never_shown() {
        check("redis://redis:6379", Ok("redis:6379"));
        check("redis://localhost", Ok("localhost:6379"));
        check("redis://:secret@db:7/2", Ok("db:7"));
        check("redis://:se@cret@[::1", Err("redis://…@[::1"));
        check("http://redis", Err("is no address of a Redis"));
        check("", Err("is no address of a Redis"));
    }
}
