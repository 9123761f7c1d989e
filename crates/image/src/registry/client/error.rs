//! What can go wrong with a registry, in the words that Docker's users know.

use std::io;

/// A failed operation at a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A text that is no URL.
    #[error("invalid URL {text:?}: {source}")]
    Url {
        /// The text.
        text: String,
        /// Why.
        source: url::ParseError,
    },
    /// TLS cannot be set up.
    #[error("set up TLS: {message}")]
    Tls {
        /// Why.
        message: String,
    },
    /// The registry cannot be reached, or the connection broke.
    #[error("{method} \"{url}\": {source}")]
    Connection {
        /// What was asked.
        method: String,
        /// Of whom.
        url: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The registry does not let us, or does not tell that there is nothing.
    #[error(
        "pull access denied for {repository}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
    )]
    PullDenied {
        /// The repository, in its familiar form.
        repository: String,
    },
    /// The registry does not let us write.
    #[error("denied: {message}")]
    Denied {
        /// Why.
        message: String,
    },
    /// There is no such image.
    #[error("manifest for {name} not found: manifest unknown: manifest unknown")]
    ManifestUnknown {
        /// The name, in its familiar form.
        name: String,
    },
    /// The registry wants to know who asks.
    #[error("unauthorized: {message}")]
    Unauthorized {
        /// What it says.
        message: String,
    },
    /// The registry asks for proof in a way that is not known.
    #[error("registry asks for authentication in a way that is not supported: {challenge:?}")]
    Challenge {
        /// What it says.
        challenge: String,
    },
    /// Credentials would have to go over a connection that anybody can read.
    #[error("refusing to send credentials to {url} without TLS")]
    Unprotected {
        /// Where to.
        url: String,
    },
    /// An answer that was not expected.
    #[error("{method} \"{url}\": unexpected answer {status}: {message}")]
    Status {
        /// What was asked.
        method: String,
        /// Of whom.
        url: String,
        /// The answer's status.
        status: u16,
        /// What the registry says.
        message: String,
    },
    /// An answer that does not end, or is longer than it may be.
    #[error("answer of the registry is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// A document of the registry that cannot be read.
    #[error("invalid answer of the registry: {source}")]
    Json {
        /// Why.
        source: serde_json::Error,
    },
    /// Redirects that go in circles or where they must not.
    #[error("refusing the redirect to {url}")]
    Redirect {
        /// Where to.
        url: String,
    },
    /// A download that broke off again and again.
    #[error("download of {digest} broke off {attempts} times: {source}")]
    BrokeOff {
        /// What was downloaded.
        digest: String,
        /// How often it was tried.
        attempts: u32,
        /// Why the last time.
        source: Box<RegistryError>,
    },
    /// An index without an image for the platform.
    #[error("no matching manifest for {platform} in the manifest list entries")]
    NoPlatform {
        /// What was wanted.
        platform: String,
    },
}

impl RegistryError {
    pub(super) fn json(source: serde_json::Error) -> Self {
        Self::Json { source }
    }

    pub(super) fn connection(
        method: &http::Method,
        url: &url::Url,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Connection {
            method: title_case(method),
            url: url.to_string(),
            source: source.into(),
        }
    }

    /// Whether what was asked for does not exist, or so the registry says.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::PullDenied { .. } | Self::ManifestUnknown { .. } | Self::NoPlatform { .. }
        )
    }

    /// Whether who asks has not proved who they are.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Unauthorized { .. })
    }

    /// Whether trying once more can help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// `Get`, as Go's programs write it.
fn title_case(method: &http::Method) -> String {
    let text = method.as_str();
    let (first, rest) = text.split_at(1.min(text.len()));
    format!("{first}{}", rest.to_ascii_lowercase())
}
