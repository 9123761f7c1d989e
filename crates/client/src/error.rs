//! What can go wrong between us and an engine.

use http::StatusCode;

/// A request that got no answer, or an answer that says no. The texts are those that Docker's users know.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers at the endpoint.
    #[error("Cannot connect to the Docker daemon at {endpoint}. Is the docker daemon running?")]
    Unreachable {
        /// Where it was tried.
        endpoint: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The socket is there, but not for this user.
    #[error("permission denied while trying to connect to the Docker daemon socket at {endpoint}")]
    PermissionDenied {
        /// Where it was tried.
        endpoint: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `ssh` could not be started, or ended without passing anything on.
    #[error("connecting to {endpoint}: {message}")]
    Ssh {
        /// Where it was tried.
        endpoint: String,
        /// What `ssh` said.
        message: String,
    },
    /// A file for TLS is missing or is not what it should be.
    #[error("reading {path} for TLS: {message}")]
    TlsFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The two sides do not agree on TLS.
    #[error("connecting to {endpoint} with TLS")]
    Tls {
        /// Where it was tried.
        endpoint: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The engine said no.
    #[error("Error response from daemon: {message}")]
    Answered {
        /// The status of the answer.
        status: StatusCode,
        /// What the engine said.
        message: String,
    },
    /// The connection broke off or spoke no HTTP.
    #[error("talking to the engine at {endpoint}")]
    Conversation {
        /// Whom we talked to.
        endpoint: String,
        /// What happened.
        #[source]
        source: hyper::Error,
    },
    /// The request cannot be written as HTTP.
    #[error("the request {path:?} cannot be made")]
    Request {
        /// The path that was asked for.
        path: String,
        /// Why it cannot.
        #[source]
        source: http::Error,
    },
    /// A body broke off while it was read or written.
    #[error("the connection to the engine broke off")]
    Body(#[source] std::io::Error),
    /// An answer is larger than anything that makes sense.
    #[error("the engine's answer to {path} is longer than {limit} bytes")]
    TooLong {
        /// The path that was asked for.
        path: String,
        /// How much is read at most.
        limit: usize,
    },
    /// An answer is no JSON, or not of the shape that it should have.
    #[error("the engine's answer to {path} makes no sense")]
    Json {
        /// The path that was asked for.
        path: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A version that is no version.
    #[error("invalid API version {text:?}: it should read like \"1.44\"")]
    Version {
        /// The text, as it was given.
        text: String,
    },
    /// The engine does not hand the connection over.
    #[error("unable to upgrade to tcp, received {status}")]
    NotUpgraded {
        /// What it answered instead.
        status: StatusCode,
    },
    /// A multiplexed stream has a frame that cannot be one.
    #[error("unrecognized stream header: {header:02x?}")]
    Frame {
        /// The eight bytes.
        header: [u8; 8],
    },
}

impl Error {
    /// The status that the engine answered with, if it did.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the engine said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether no engine could be reached at all.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
