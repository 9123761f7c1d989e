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
    let mut text = without_number(&error.to_string()).to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = without_number(&error.to_string()).to_owned();
        // Libraries often repeat the cause in their own text.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The kernel's words say what is wrong; its number behind them only frightens.
fn without_number(text: &str) -> &str {
    match text.rsplit_once(" (os error ") {
        Some((words, number)) if number.ends_with(')') => words,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_and_numbers_go() {
        let refused = io::Error::from_raw_os_error(111);
        let failure = Failure::Spawn {
            program: "/x".into(),
            source: refused,
        };
        assert_eq!(with_causes(&failure), "cannot start /x: Connection refused");
        assert_eq!(without_number("(os error 5) is odd"), "(os error 5) is odd");
    }
}
