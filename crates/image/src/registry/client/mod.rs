//! The registry client: images fetched and sent by the distribution protocol.
//!
//! ```text
//! Client ── pull, push, … ──▶ Session (a repository at a registry, with proof of who asks)
//!                                 │ challenge ▶ token
//!                                 ▼
//!                             Http (a connection for each request)
//! ```
//!
//! Credentials go to the registry they are for and to the token service that it names, and nowhere else: neither
//! to mirrors nor after a redirect to another host. What arrives is believed only when it has the digest it was
//! asked for by.

mod download;
mod error;
mod http;
mod manifests;
mod pull;
mod push;
mod session;
mod tls;

use std::sync::Arc;

use model::api::image::{Descriptor, DescriptorPlatform, Distribution};
use model::api::system::AuthConfig;
use model::reference::Reference;
use serde::Deserialize;
use url::Url;

use crate::error::Result;
use crate::manifest::Manifest;
pub use error::RegistryError;
use http::Http;
use session::{Access, Session};

/// Pages of tags that are read at most.
const MAX_PAGES: usize = 1_000;

/// No page of tags is longer.
const MAX_PAGE_BYTES: u64 = 16 * 1024 * 1024;

/// Which registries are asked, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// URLs of registries to ask before Docker's own.
    pub mirrors: Vec<String>,
    /// Registries that may be spoken to without verified TLS: names with ports, or address ranges in CIDR form.
    /// Loopback always may be: 127.0.0.0/8, `::1` and `localhost`.
    pub insecure: Vec<String>,
    /// How this program calls itself to registries.
    pub user_agent: String,
}

/// Talks to registries. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Client {
    settings: Arc<Settings>,
    http: Arc<Http>,
}

impl Client {
    /// A client with these settings.
    pub fn new(settings: Settings) -> Result<Self> {
        for mirror in &settings.mirrors {
            Url::parse(mirror).map_err(|source| RegistryError::Url {
                text: mirror.clone(),
                source,
            })?;
        }
        let http = Http::new(&settings.user_agent)?;
        Ok(Self {
            settings: Arc::new(settings),
            http: Arc::new(http),
        })
    }

    /// The tags of a repository.
    pub async fn tags(&self, name: &Reference, auth: &AuthConfig) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let session = self.session(name, auth, Access::Pull).await?;
        let mut tags = Vec::new();
        let mut next = Some(session.url("tags/list")?);
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { break };
            let answer = session.get(url.clone(), &[]).await?;
            let answer = session.expect_found(answer, name).await?;
            next = link_of(&answer, &url);
            let bytes = answer.document(MAX_PAGE_BYTES).await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(RegistryError::json)?;
            tags.extend(page.tags.unwrap_or_default());
        }
        Ok(tags)
    }

    /// What a registry says about an image without fetching it.
    pub async fn distribution(&self, name: &Reference, auth: &AuthConfig) -> Result<Distribution> {
        let session = self.session(name, auth, Access::Pull).await?;
        let found = session.manifest(name).await?;
        let platforms = match &found.manifest {
            Manifest::Index(list) => list
                .iter()
                .filter_map(|descriptor| descriptor.platform.clone())
                .map(|platform| DescriptorPlatform {
                    architecture: platform.architecture,
                    os: platform.os,
                    variant: platform.variant,
                })
                .collect(),
            Manifest::Image(manifest) => {
                let config = session.config(&manifest.config).await?;
                let config = crate::Config::parse(&config)
                    .map_err(|source| crate::Error::InvalidConfig { source })?;
                vec![DescriptorPlatform {
                    architecture: config.architecture,
                    os: config.os,
                    variant: config.variant,
                }]
            }
        };
        Ok(Distribution {
            descriptor: Descriptor {
                media_type: found.media_type.clone(),
                digest: found.digest.to_string(),
                size: i64::try_from(found.bytes.len()).unwrap_or(i64::MAX),
            },
            platforms,
        })
    }

    /// Whether a registry takes these credentials; gives back an identity token if it has one for us.
    pub async fn log_in(&self, auth: &AuthConfig) -> Result<Option<String>> {
        let host = host_of_server(&auth.serveraddress);
        let endpoint = self.endpoint(&host).await?;
        let session = Session::new(self, endpoint, "", auth, Access::LogIn);
        session.log_in().await
    }

    /// A session with the registry that has the repository.
    async fn session(
        &self,
        name: &Reference,
        auth: &AuthConfig,
        access: Access,
    ) -> Result<Session<'_>> {
        let repository = name.repository();
        let endpoint = self.endpoint(repository.registry()).await?;
        let path = repository.path();
        Ok(Session::new(self, endpoint, path, auth, access))
    }
}

/// What `docker login` calls a registry, as a host: `https://index.docker.io/v1/` is Docker's own.
fn host_of_server(server: &str) -> String {
    let host = server
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or(host);
    match host {
        "" | "index.docker.io" => model::reference::DEFAULT_REGISTRY.to_owned(),
        host => host.to_owned(),
    }
}

/// Where the next page is, on the same server.
fn link_of(answer: &http::Answer, url: &Url) -> Option<Url> {
    let text = answer.header("link")?;
    let (target, rest) = text.strip_prefix('<')?.split_once('>')?;
    if !rest.contains("next") {
        return None;
    }
    let next = url.join(target).ok()?;
    (next.origin() == url.origin()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::host_of_server;

    #[test]
    fn servers_have_many_names() {
        for (server, expect) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("", "docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000"),
        ] {
            assert_eq!(host_of_server(server), expect);
        }
    }
}
