//! The roles behind the page: a store, and a webui that reads it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Child;

use crate::page::process::start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dockercoins");

/// A store and a webui, each on a port that it keeps over a restart.
pub(crate) struct App {
    store: Role,
    webui: Role,
    folder: TempDir,
}

struct Role {
    name: &'static str,
    address: SocketAddr,
    child: Option<Child>,
}

impl App {
    /// Starts both.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from((own_loopback_address(), 0));
        let mut store = Role {
            name: "store",
            address,
            child: None,
        };
        store.start(&folder, &[]).await;
        let mut webui = Role {
            name: "webui",
            address,
            child: None,
        };
        webui
            .start(&folder, &["--redis-url", &store.url("redis")])
            .await;
        Self {
            store,
            webui,
            folder,
        }
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        self.webui.url("http")
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

    /// Kills the store at once, with what it holds.
    pub(crate) async fn kill_store(&mut self) {
        self.store.kill().await;
    }

    /// Starts it again, empty, where it was.
    pub(crate) async fn start_store(&mut self) {
        self.store.start(&self.folder, &[]).await;
    }

    /// Kills webui at once.
    pub(crate) async fn kill_webui(&mut self) {
        self.webui.kill().await;
    }

    /// Starts it again where it was.
    pub(crate) async fn start_webui(&mut self) {
        let url = self.store.url("redis");
        self.webui.start(&self.folder, &["--redis-url", &url]).await;
    }

    /// Makes webui hold still: it keeps its connections and answers nothing.
    pub(crate) fn suspend_webui(&self) {
        self.webui.signal(Signal::STOP);
    }

    /// Lets webui go on.
    pub(crate) fn resume_webui(&self) {
        self.webui.signal(Signal::CONT);
    }
}

impl Role {
    async fn start(&mut self, folder: &TempDir, more: &[&str]) {
        let (listen, port) = (
            self.address.ip().to_string(),
            self.address.port().to_string(),
        );
        let arguments = [&[self.name, "--listen", &listen, "--port", &port], more].concat();
        let log = folder.path().join(format!("{}.log", self.name));
        let (child, said) = start(PROGRAM, &arguments, &log, " listening on ").await;
        let (_, address) = said.split_once("://").unwrap();
        let address = address.split([',', ' ', '/']).next().unwrap();
        self.address = address.parse().unwrap();
        self.child = Some(child);
    }

    async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(Child::id).unwrap();
        kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

/// All of 127.0.0.0/8 is this computer. With an address of one's own, no other process takes the port of a
/// role between its end and its restart.
fn own_loopback_address() -> Ipv4Addr {
    static STARTED: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, STARTED.fetch_add(1, Ordering::Relaxed), high, low)
}
