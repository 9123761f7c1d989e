//! What is behind the page: a store, and a webui that reads it.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

use crate::harness::server::Server;

/// Both keep their addresses over a restart, and the store nothing else.
pub(crate) struct Backend {
    pub(crate) store: Server,
    pub(crate) webui: Server,
}

impl Backend {
    /// Starts both.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let store = Server::start("store", &[]);
        let webui = Server::start("webui", &["--redis-url", &store.url("redis")]);
        Self { store, webui }
    }

    /// A connection to the store.
    pub(crate) async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.store.url("redis")).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Sets both counts, the coins to made-up ones.
    pub(crate) async fn set_counts(&self, hashes: u64, coins: usize) {
        let mut redis = self.redis().await;
        let () = redis.del("wallet").await.unwrap();
        for coin in 0..coins {
            let () = redis
                .hset("wallet", format!("{coin:064x}"), "bytes")
                .await
                .unwrap();
        }
        let () = redis.set("hashes", hashes).await.unwrap();
    }
}
