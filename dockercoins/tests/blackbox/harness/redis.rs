//! A Redis: Debian's, or the store.

use std::net::SocketAddr;

use redis::Commands;

use super::folder::Folder;
use super::loopback::free_address;
use super::process::{Process, other_program};
use super::server::listen;
use super::wait_for;

pub(crate) struct Redis {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    folder: Folder,
    kind: RedisKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedisKind {
    Debian,
    Store,
}

impl Redis {
    /// Starts it with a folder of its own.
    #[track_caller]
    pub(crate) fn start(kind: RedisKind) -> Self {
        let folder = Folder::new();
        let address = free_address();
        Self {
            process: start_at(address, kind, &folder),
            address,
            folder,
            kind,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Where it keeps its data.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Starts it again, once it is dead, at the same address with the same data.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.process.end();
        self.process = start_at(self.address, self.kind, &self.folder);
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).unwrap();
        wait_for(|| client.get_connection().ok()).expect("Redis takes no connection")
    }

    /// `hashes`, or 0.
    pub(crate) fn hashes(&self) -> u64 {
        let value: Option<u64> = self.connect().get("hashes").unwrap();
        value.unwrap_or(0)
    }

    /// `wallet`.
    pub(crate) fn wallet(&self) -> Vec<(String, Vec<u8>)> {
        self.connect().hgetall("wallet").unwrap()
    }
}

#[track_caller]
fn start_at(address: SocketAddr, kind: RedisKind, folder: &Folder) -> Process {
    let folder = folder.as_str();
    match kind {
        RedisKind::Store => listen("store", address, &["--dir", folder]).0,
        RedisKind::Debian => {
            let (ip, port) = (address.ip().to_string(), address.port().to_string());
            let mut command = other_program("redis-server", &["--bind", &ip, "--port", &port]);
            command.args(["--dir", folder, "--save", ""]).args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ]);
            let process = Process::spawn(command);
            process.line("Ready to accept connections");
            process
        }
    }
}
