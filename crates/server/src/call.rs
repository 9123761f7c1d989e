//! One request on its way to a handler.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use engine::Engine;
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use model::api::system::AuthConfig;
use serde::de::DeserializeOwned;

use crate::api::About;
use crate::api_version::ApiVersion;
use crate::body::{self, Body};
use crate::failure::{Failure, Result};
use crate::query::Query;

/// What a handler is given.
pub(crate) struct Call {
    pub(crate) engine: Engine,
    pub(crate) about: Arc<About>,
    /// What the client speaks; every handler writes the newest, and `render` turns it into this.
    pub(crate) version: ApiVersion,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// There, if the client asked for the connection to become a plain stream.
    pub(crate) upgrade: Option<OnUpgrade>,
}

impl Call {
    /// The body as JSON; nothing is the default.
    pub(crate) async fn json<T: DeserializeOwned + Default>(&mut self) -> Result<T> {
        Ok(self.optional_json().await?.unwrap_or_default())
    }

    /// The body as JSON, if there is one.
    pub(crate) async fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let body = std::mem::replace(&mut self.body, body::empty());
        body::json(&self.headers, body).await
    }

    /// Whether the version is at least 1.`minor`.
    pub(crate) fn since(&self, minor: u32) -> bool {
        self.version >= ApiVersion(minor)
    }

    /// The credentials of `X-Registry-Auth`; what cannot be read is none, as with Docker.
    pub(crate) fn registry_auth(&self) -> AuthConfig {
        self.encoded_header("X-Registry-Auth").unwrap_or_default()
    }

    /// A header that holds JSON in one of the forms of base 64 that clients use.
    pub(crate) fn encoded_header<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = self.headers.get(name)?.as_bytes();
        let bytes = [BASE64URL, BASE64, BASE64URL_NOPAD, BASE64_NOPAD]
            .iter()
            .find_map(|encoding| encoding.decode(text).ok())?;
        model::api::json::from_slice(&bytes).ok()
    }
}

/// Runs `work` to its end though the client may hang up: what changes something is not left in the middle.
pub(crate) async fn complete<T, E>(
    work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(Failure::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            format!("the operation ended early: {error}"),
        )),
    }
}
