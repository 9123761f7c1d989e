//! Why a container or a process in it could not be made, in a form that travels from the shim to the engine.

use serde::{Deserialize, Serialize};

/// What kind of thing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The program is not there: Docker's clients exit with 127.
    ProgramNotFound,
    /// The program is there and cannot be run: Docker's clients exit with 126.
    ProgramNotExecutable,
    /// The user or a group is not in the container's files.
    User,
    /// The working directory cannot be used.
    WorkingDirectory,
    /// Something could not be mounted.
    Mount,
    /// A limit could not be set.
    Limit,
    /// What was asked does not fit the container's state.
    State,
    /// Anything else of the system.
    System,
}

/// Why something failed: for people, and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of thing failed.
    pub kind: FailureKind,
    /// In Docker's words where its clients look for them: `exec: "x": executable file not found in $PATH`.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A failed step of the system's.
    pub fn system(step: &str, error: impl std::fmt::Display) -> Self {
        Self::new(FailureKind::System, format!("{step}: {error}"))
    }

    /// The status that Docker gives a container which failed to start so; `None` where it gives none.
    pub const fn exit_code(&self) -> Option<i32> {
        match self.kind {
            FailureKind::ProgramNotFound => Some(127),
            FailureKind::ProgramNotExecutable => Some(126),
            FailureKind::User
            | FailureKind::WorkingDirectory
            | FailureKind::Mount
            | FailureKind::Limit
            | FailureKind::State
            | FailureKind::System => None,
        }
    }
}
