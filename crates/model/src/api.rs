//! The wire types of Docker's API, newest version: what its clients send and what they want to read.
//!
//! One type for one fact: the server answers with them, the engine stores them, a client may read them. They
//! are tolerant on the way in (absent, `null`, a number as text) and exact on the way out: a field that Docker
//! writes as `null`, `[]` or `{}` is written so, and a field that it leaves out is left out. `Option` stands for
//! `null`; what is left out says so in its attribute. Specs keep the fields that nobody here knows (`extra`), so
//! that what is shown is what was sent.
//!
//! Nothing here decides: defaults that depend on a host or an image are the engine's, older versions of the API
//! the server's.

pub mod build;
pub mod container;
pub mod endpoint;
pub mod event;
pub mod exec;
pub mod filter;
pub mod host_config;
pub mod image;
pub mod inspect;
pub mod json;
pub mod mount;
pub mod network;
pub mod progress;
pub mod set;
pub mod stats;
pub mod system;
pub mod text_list;
pub mod time;
pub mod volume;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Fields that are not known here, kept as they came.
pub type Extra = BTreeMap<String, serde_json::Value>;

/// Names and their values: labels, options, system controls.
pub type Labels = BTreeMap<String, String>;

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong, in Docker's words where clients match them.
    pub message: String,
}

/// The answer to something made that has only an id: an exec, a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdAnswer {
    /// The id.
    #[serde(rename = "Id")]
    pub id: String,
}

#[cfg(test)]
mod tests;
