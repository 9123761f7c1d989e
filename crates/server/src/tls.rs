//! TLS for listeners on TCP: both sides show a certificate, or nothing is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
/// What a TLS listener is set up with.
pub use rustls::ServerConfig as Configuration;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The files that TLS takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the authorities that clients must be certified by.
    pub authorities: PathBuf,
    /// The daemon's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The daemon's private key.
    pub key: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not hold what it should.
    #[error("cannot read {what} from {path}")]
    Read {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate is no authority's.
    #[error("cannot trust the authority in {path}")]
    Authority {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// No certificate could be used to know clients by.
    #[error("cannot verify clients by {path}")]
    Verifier {
        /// The authorities' file.
        path: PathBuf,
        /// Why not.
        source: rustls::server::VerifierBuilderError,
    },
    /// Certificate and key do not fit.
    #[error("cannot use the certificate {certificate} with the key {key}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// Reads the files into a configuration that lets only certified clients in.
pub fn configuration(files: &Files) -> Result<Arc<Configuration>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut authorities = RootCertStore::empty();
    for certificate in certificates("an authority's certificate", &files.authorities)? {
        authorities
            .add(certificate)
            .map_err(|source| TlsError::Authority {
                path: files.authorities.clone(),
                source,
            })?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
            .build()
            .map_err(|source| TlsError::Verifier {
                path: files.authorities.clone(),
                source,
            })?;
    let chain = certificates("a certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Read {
        what: "a private key",
        path: files.key.clone(),
        source,
    })?;
    let pair = |source| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let mut configuration = Configuration::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(pair)?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(failed(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}
