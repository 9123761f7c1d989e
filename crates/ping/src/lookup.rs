//! From a name to addresses, by the system's `hosts` and `resolv.conf`. It must never remember an answer:
//! a worker that kept one would stay with one `rng` when three are there.
//!
//! The C library's own look-up is not used. In a static program it loads the host's NSS modules at run
//! time, which need not match; and it sorts addresses by a rule (RFC 6724) under which every client
//! prefers the same one.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::Target;

/// Looks names up, each time anew.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The system's settings for name look-ups cannot be used.
    #[error("cannot set up name look-ups from /etc/resolv.conf and /etc/hosts")]
    SetUp(#[source] hickory_resolver::net::NetError),
    /// The name servers and the `hosts` file know no address of that name.
    #[error("no address is known for the name \"{0}\"")]
    Unknown(String),
    /// No name server gives a usable answer.
    #[error("cannot look up the name \"{host}\"")]
    Failed {
        /// The name that was looked up.
        host: String,
        /// What the resolver says.
        source: Box<hickory_resolver::net::NetError>,
    },
}

impl Resolver {
    /// A resolver as the system is set up. Without a usable `resolv.conf`, which an empty container need
    /// not have, it still knows the `hosts` file and plain addresses.
    pub fn from_system() -> Result<Self, LookupError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            TokioResolver::builder_with_config(
                ResolverConfig::default(),
                TokioRuntimeProvider::default(),
            )
        });
        let options = builder.options_mut();
        options.cache_size = 0;
        // A second question for IPv6 only where there is no IPv4 address: Docker's networks have none by
        // default, and each unit of work asks twice already.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        Ok(Self {
            inner: builder.build().map_err(LookupError::SetUp)?,
        })
    }

    /// All addresses of the target's host, sorted and without repetition, never empty.
    pub async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, LookupError> {
        self.addresses_of(target.host(), target.port()).await
    }

    /// All addresses of a host, sorted and without repetition, never empty.
    pub async fn addresses_of(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = self.inner.lookup_ip(host).await.map_err(|source| {
            if source.is_nx_domain() || source.is_no_records_found() {
                LookupError::Unknown(host.to_owned())
            } else {
                LookupError::Failed {
                    host: host.to_owned(),
                    source: Box::new(source),
                }
            }
        })?;
        let mut addresses: Vec<_> = found
            .iter()
            .map(|address| SocketAddr::new(address, port))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(LookupError::Unknown(host.to_owned()));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plain_addresses_need_no_name_server() {
        let resolver = Resolver::from_system().unwrap();
        let target: Target = "http://[::1]:81/".parse().unwrap();
        let found = resolver.addresses(&target).await.unwrap();
        assert_eq!(found, ["[::1]:81".parse().unwrap()]);
    }

    #[tokio::test]
    async fn localhost_is_loopback() {
        let resolver = Resolver::from_system().unwrap();
        let found = resolver.addresses_of("localhost", 80).await.unwrap();
        assert!(
            found.iter().all(|address| address.ip().is_loopback()),
            "{found:?}"
        );
    }
}
