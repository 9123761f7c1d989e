//! TLS towards an engine: who is believed, and who believes us.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use client::{Client, Endpoint, Request, Settings, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Authority(Issuer<'static, KeyPair>, String);

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority(Issuer::new(params, key), pem)
}

fn certificate(authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let params =
        CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, &authority.0).unwrap(), key)
}

/// Serves one answer to whoever has a certificate of `trusted`; tells its port.
async fn serve(authority: &Authority, trusted: &Authority) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let trusted = rustls_pki_types::pem::PemObject::from_pem_slice(trusted.1.as_bytes()).unwrap();
    roots.add(trusted).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let (own, key) = certificate(authority);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            let mut request = [0; 1024];
            let _count = stream.read(&mut request).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
        }
    }));
    port
}

fn files(folder: &Path, believed: &Authority, own: &Authority) -> TlsFiles {
    let (certificate, key) = certificate(own);
    fs::write(folder.join("ca.pem"), &believed.1).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    TlsFiles {
        authorities: folder.join("ca.pem"),
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
        verify: true,
    }
}

async fn asked(port: u16, tls: TlsFiles) -> Result<(), client::Error> {
    let endpoint = Endpoint::Tcp {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Some(tls),
    };
    let client = Client::new(endpoint, Settings::default())?;
    client
        .send(Request::get("/version").unversioned())
        .await?
        .bytes()
        .await?;
    Ok(())
}

#[tokio::test]
async fn both_sides_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (authority(), authority());
    let port = serve(&right, &right).await;
    asked(port, files(folder.path(), &right, &right))
        .await
        .unwrap();

    let port = serve(&wrong, &right).await;
    let error = asked(port, files(folder.path(), &right, &right))
        .await
        .unwrap_err();
    assert!(matches!(error, client::Error::Tls { .. }), "{error:?}");

    let port = serve(&right, &right).await;
    assert!(
        asked(port, files(folder.path(), &right, &wrong))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn unchecked_anybody_is_believed_and_a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (authority(), authority());
    let port = serve(&wrong, &right).await;
    let mut unchecked = files(folder.path(), &right, &right);
    unchecked.verify = false;
    asked(port, unchecked).await.unwrap();

    let port = serve(&right, &right).await;
    let mut missing = files(folder.path(), &right, &right);
    missing.key = folder.path().join("none.pem");
    let error = asked(port, missing).await.unwrap_err().to_string();
    assert!(error.contains("none.pem"), "{error}");
}
