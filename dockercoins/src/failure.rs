//! Why a process cannot start or go on: what a person reads before it exits. It must never hold what a
//! running service meets and survives; those errors are told in the log where they are handled.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::datastore::DatastoreError;
use crate::store::JournalError;

/// What ends a process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("stopped at once, on the second signal; what was under way is not finished")]
    CutShort,
    #[error("cannot set up this process")]
    Runtime(#[source] io::Error),
    #[error("{role} cannot listen on {address}")]
    Listen {
        role: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "--coin-prefix \"{0}\" can begin no hash: 1 to 64 of the digits 0 to 9 and a to f are possible"
    )]
    CoinPrefix(String),
    #[error(transparent)]
    Lookup(#[from] ping::LookupError),
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{address} is in use, and {name} needs it")]
    PortInUse { name: String, address: SocketAddr },
    #[error("cannot find a folder for the store's data: neither XDG_STATE_HOME nor HOME is set")]
    NoStateFolder,
    #[error("cannot start {program}")]
    Spawn { program: PathBuf, source: io::Error },
    #[error("{name} does not start: {why}")]
    NeverReady { name: String, why: String },
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl Failure {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { source, address, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => {
                    Some("another program uses that port: stop it, or choose another with --port".into())
                }
                io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                    Some("ports below 1024 need more rights here: choose another, as in --port 8080".into())
                }
                io::ErrorKind::AddrNotAvailable => {
                    Some("no interface of this computer has that address: see `ip address`, and --listen".into())
                }
                _ => None,
            },
            Self::PortInUse { .. } => {
                Some("is another `dockercoins up` running? Stop it, or move all ports with --port-offset 100".into())
            }
            Self::NoStateFolder => Some("name a folder with --dir".into()),
            Self::Datastore(error) => error.hint(),
            Self::Journal(error) => error.hint(),
            Self::CutShort
            | Self::Runtime(_)
            | Self::CoinPrefix(_)
            | Self::Lookup(_)
            | Self::Spawn { .. }
            | Self::NeverReady { .. }
            | Self::Output(_) => None,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Libraries often repeat the cause in their own text.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
