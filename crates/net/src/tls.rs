//! Server-side TLS from certificate files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
pub use rustls::ClientConfig;
use rustls::client::WantsClientCert;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ConfigBuilder, RootCertStore, ServerConfig};
use rustls_platform_verifier::Verifier;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::tasks::Tasks;

/// Certificate files that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of its kind.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The certificate does not fit the key, or neither is of a kind that can be used.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The certificate that is served now; replaced while connections go on.
#[derive(Clone)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Certificates").field(&self.certificate).finish()
    }
}

impl Certificates {
    /// Reads a chain and its private key from PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let config = server_config(certificate, key)?;
        let current = Arc::new(ArcSwap::from_pointee(config));
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current,
        })
    }

    /// Reads the files again whenever they change. A pair that cannot be used is reported and the one
    /// before goes on serving.
    pub fn reload_on_change(&self, tasks: &Tasks) {
        let this = self.clone();
        crate::watch::watch(
            tasks,
            "certificates",
            vec![this.certificate.clone(), this.key.clone()],
            move || match server_config(&this.certificate, &this.key) {
                Ok(config) => {
                    this.current.store(Arc::new(config));
                    info!(certificate = %this.certificate.display(), "certificate reloaded");
                }
                Err(error) => warn!(%error, "certificate not reloaded; the one before goes on"),
            },
        );
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn server_config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates(certificate)?, private_key(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A certificate that names a key to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
    /// The key in it: `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7), in DER.
    pub key: Vec<u8>,
}

/// Reads the first certificate of a PEM text.
pub fn named_key(pem: &str) -> Result<NamedKey, String> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
    let parsed = ParsedCertificate::try_from(&certificate).map_err(|error| error.to_string())?;
    Ok(NamedKey {
        key: parsed.subject_public_key_info().to_vec(),
        certificate: certificate.to_vec(),
    })
}

/// What is wrong with a certificate that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateTrouble {
    /// For other names.
    #[error("is not for this name")]
    Name,
    /// Its time is over.
    #[error("has run out")]
    Expired,
    /// Its time has not come, or this machine's clock is wrong.
    #[error("is not valid yet")]
    NotYet,
}

/// Looks at a chain as a client would, but for who has signed it: that depends on the client.
pub fn examine(
    path: &Path,
    host: &str,
    now: std::time::Duration,
) -> Result<Option<CertificateTrouble>, TlsError> {
    let chain = certificates(path)?;
    let Some((leaf, rest)) = chain.split_first() else {
        return Ok(None);
    };
    let parsed = ParsedCertificate::try_from(leaf)?;
    if let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        && verify_server_name(&parsed, &name).is_err()
    {
        return Ok(Some(CertificateTrouble::Name));
    }
    let mut roots = RootCertStore::empty();
    let (_, _) = roots.add_parsable_certificates(chain.iter().cloned());
    let algorithms = provider().signature_verification_algorithms;
    let verified = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &roots,
        rest,
        UnixTime::since_unix_epoch(now),
        algorithms.all,
    );
    Ok(match verified {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Some(CertificateTrouble::Expired),
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Some(CertificateTrouble::NotYet),
        _ => None,
    })
}

/// What a client trusts: the authorities of a PEM file, or the system's; without a certificate of its own.
pub fn client(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(Arc::new(trusting(ca)?.with_no_client_auth()))
}

/// The same, for whoever may have one.
pub(crate) fn trusting(ca: Option<&Path>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(match ca {
        Some(path) => builder.with_root_certificates(roots(path)?),
        // As `with_platform_verifier` does, with one that is there already.
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(system_verifier()?),
    })
}

/// What trusts the system's authorities; read once, for a server can have thousands of clients and the system hundreds of files.
fn system_verifier() -> Result<Arc<Verifier>, TlsError> {
    static READ: OnceLock<Arc<Verifier>> = OnceLock::new();
    if let Some(read) = READ.get() {
        return Ok(Arc::clone(read));
    }
    // What could not be read is tried again.
    let read = Arc::new(Verifier::new(provider())?);
    Ok(Arc::clone(READ.get_or_init(|| read)))
}

/// The one source of TLS cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |why: String| TlsError::File {
        path: path.to_owned(),
        why,
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| failed(error.to_string()))?
        .collect();
    let chain = chain.map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() {
        Err(failed("no certificate in it".to_owned()))
    } else {
        Ok(chain)
    }
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::File {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

pub(crate) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}
