//! TLS for what listens in a test, and what to trust it by.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

/// A certificate for these names, and the same as PEM.
pub(crate) fn certificate(names: &[&str]) -> (TlsAcceptor, String) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(tls)), made.cert.pem())
}
