//! TLS towards registries: whose certificates are believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::error::RegistryError;

/// Where Linux distributions keep the authorities that the system believes.
const SYSTEM_AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// Where authorities for single registries are kept: a directory per host, `*.crt` in it.
const REGISTRY_AUTHORITIES: [&str; 2] = ["/etc/essaim/certs.d", "/etc/docker/certs.d"];

/// Whether the certificate of a registry has to be one that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Verify {
    Yes,
    No,
}

/// The settings for connections to this host.
pub(super) fn configuration(
    host: &str,
    verify: Verify,
) -> Result<Arc<ClientConfig>, RegistryError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| RegistryError::Tls {
            message: error.to_string(),
        })?;
    let builder = match verify {
        Verify::Yes => builder.with_root_certificates(authorities(host)),
        Verify::No => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unchecked { provider })),
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// The authorities that the system believes, and those that are kept for this host.
fn authorities(host: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = SYSTEM_AUTHORITIES.iter().map(PathBuf::from);
    if let Some(file) = system.into_iter().find(|path| path.is_file()) {
        add_file(&mut roots, &file);
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for folder in REGISTRY_AUTHORITIES {
        let Ok(files) = std::fs::read_dir(Path::new(folder).join(host)) else {
            continue;
        };
        for file in files.flatten() {
            if file.path().extension().is_some_and(|end| end == "crt") {
                add_file(&mut roots, &file.path());
            }
        }
    }
    roots
}

fn add_file(roots: &mut RootCertStore, path: &Path) {
    match CertificateDer::pem_file_iter(path) {
        Ok(certificates) => {
            // One that cannot be read makes nothing believed that should not be.
            roots.add_parsable_certificates(certificates.flatten());
        }
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "cannot read certificates");
        }
    }
}

/// For registries that were called insecure: whoever answers is taken for the registry.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
