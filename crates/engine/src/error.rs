//! What an engine's operation can fail with.
//!
//! An error is a [`Kind`], which decides the status of the API's answer, and a message. Docker's clients show
//! the message and some of them look for words in it, so where they do it is Docker's; the constructors of
//! those are here, so that each text is written once. The cause is the `source`, and is not repeated in the
//! message unless clients want to read it there.

use std::fmt;

/// What sort of failure it is: whose fault, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What was named is not there.
    NotFound,
    /// The request itself is wrong.
    BadParameter,
    /// The request goes against what is there now.
    Conflict,
    /// Everything was already as requested.
    NotModified,
    /// It is not allowed.
    Forbidden,
    /// Somebody has to prove first who they are.
    Unauthorized,
    /// The engine has no such ability.
    NotImplemented,
    /// It cannot be done at present.
    Unavailable,
    /// The engine, or the computer beneath it, failed.
    Internal,
}

/// A failed operation.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What operations return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind, with this message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same, because of `cause`.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// What was named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The request itself is wrong.
    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(Kind::BadParameter, message)
    }

    /// The request goes against what is there now.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// Everything was already as requested.
    pub fn not_modified() -> Self {
        Self::new(Kind::NotModified, "nothing to change")
    }

    /// It is not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, message)
    }

    /// Somebody has to prove first who they are.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(Kind::Unauthorized, message)
    }

    /// The engine has no such ability; `what` names it.
    pub fn not_implemented(what: impl fmt::Display) -> Self {
        Self::new(
            Kind::NotImplemented,
            format!("{what} is not supported by this engine"),
        )
    }

    /// It cannot be done at present.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The engine, or the computer beneath it, failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// An operation on a file or with the kernel failed; `tried` says which, and the message tells the cause.
    pub fn io(tried: impl fmt::Display, cause: impl Into<std::io::Error>) -> Self {
        let cause = cause.into();
        Self::internal(format!("{tried}: {cause}")).because(cause)
    }

    /// No container has this name or id.
    pub fn no_such_container(name: impl fmt::Display) -> Self {
        Self::not_found(format!("No such container: {name}"))
    }

    /// No image has this name or id.
    pub fn no_such_image(name: impl fmt::Display) -> Self {
        Self::not_found(format!("No such image: {name}"))
    }

    /// The container is not running, and has to be.
    pub fn not_running(id: impl fmt::Display) -> Self {
        Self::conflict(format!("container {id} is not running"))
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// The text of an error with those of its causes, as far as it does not tell them itself.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text.push_str(": ");
            text.push_str(&below_text);
        }
        cause = below.source();
    }
    text
}
