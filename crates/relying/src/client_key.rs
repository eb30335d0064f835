//! A client that proves itself with a key: `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core section 9).
//!
//! The private half stays in its file and in this process; the provider knows the public one. Each request has an assertion
//! of its own, which counts for a minute and once.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keys::signing::KeyError;
use keys::{Algorithm, SigningKey, jws, sha256};
use model::{SecretString, World};
use serde_json::{Value, json};
use std::time::Duration;
use thiserror::Error;
use zeroize::Zeroizing;

/// What the parameter `client_assertion_type` says (RFC 7523 section 2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion counts.
const LIVES: Duration = Duration::from_mins(1);
/// What stands around a key that is not encrypted (RFC 7468 section 10).
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The key of a client.
#[derive(Debug)]
pub struct ClientKey {
    key: SigningKey,
    /// The thumbprint of its certificate, at providers that know the key by one.
    certificate: Option<[u8; 32]>,
}

/// A certificate that is not of the key.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum BadClientCertificate {
    /// No certificate that can be read.
    #[error("holds no certificate in PEM: {0}")]
    NoPem(String),
    /// Of another key: the provider would refuse every assertion.
    #[error("is the certificate of another key")]
    OtherKey,
}

/// A file that holds no key that we can use. Never shows any of it.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BadClientKey {
    /// Something else, or a key in another form.
    #[error(
        "holds no {BEGIN:?}: `openssl genpkey -algorithm ED25519` makes such a key, `openssl pkcs8 -topk8 -nocrypt` turns an older one into it"
    )]
    NoPem,
    /// A key of another kind.
    #[error(
        "holds none of the keys that can be used: P-256 (ES256), RSA of 2048 bits or more (RS256), Ed25519 (EdDSA)"
    )]
    Kind,
}

impl ClientKey {
    /// Reads a key from the text of its PEM file (PKCS#8).
    pub fn from_pem(text: &str) -> Result<Self, BadClientKey> {
        let (_, after) = text.split_once(BEGIN).ok_or(BadClientKey::NoPem)?;
        let (inside, _) = after.split_once(END).ok_or(BadClientKey::NoPem)?;
        let base64 = inside.bytes().filter(|byte| !byte.is_ascii_whitespace());
        let base64 = Zeroizing::new(base64.collect::<Vec<_>>());
        let pkcs8 = BASE64.decode(&base64).map_err(|_| BadClientKey::NoPem)?;
        let pkcs8 = Zeroizing::new(pkcs8);
        let read = |algorithm| SigningKey::from_pkcs8(algorithm, &pkcs8).ok();
        let key = Algorithm::ALL.into_iter().find_map(read);
        let key = key.ok_or(BadClientKey::Kind)?;
        Ok(Self {
            key,
            certificate: None,
        })
    }

    /// Names the key by its certificate from here on, given as PEM: for providers such as Entra ID, which were given that
    /// and no key set.
    pub fn with_certificate(self, text: &str) -> Result<Self, BadClientCertificate> {
        let named = net::tls::named_key(text).map_err(BadClientCertificate::NoPem)?;
        if self.key.public_info().ok() != Some(named.key) {
            return Err(BadClientCertificate::OtherKey);
        }
        Ok(Self {
            certificate: Some(sha256(&named.certificate)),
            ..self
        })
    }

    /// Whether it is the same key, named in the same way.
    pub fn is_same(&self, other: &Self) -> bool {
        self.public() == other.public() && self.certificate == other.certificate
    }

    /// The public half as a JWK set, for the provider.
    pub fn public(&self) -> Value {
        json!({ "keys": [self.key.public_jwk()] })
    }

    /// Says, for a minute and once, that it is this client who asks this authorization server.
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        world: &World,
    ) -> Result<SecretString, KeyError> {
        let now = world.now();
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": BASE64URL_NOPAD.encode(&world.random::<16>()),
            "iat": now.as_seconds(),
            "exp": (now + LIVES).as_seconds(),
        });
        let assertion = match &self.certificate {
            Some(certificate) => jws::sign_with_certificate(&self.key, "JWT", certificate, &claims),
            None => jws::sign(&self.key, "JWT", &claims),
        };
        assertion.map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::PublicKeys;
    use model::ExposeSecret as _;
    use protocol::jwt::Compact;

    /// The example of RFC 8410 section 10.3, whose public half is in section 10.1; OpenSSL writes keys in this form.
    #[test]
    fn a_key_of_the_standards_is_read() {
        let pem =
            format!("{BEGIN}\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n{END}\n");
        let key = ClientKey::from_pem(&pem).unwrap().public();
        assert_eq!(key["keys"][0]["x"], "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE");
        assert!(key["keys"][0].get("d").is_none());
    }

    #[test]
    fn each_kind_is_known_by_itself() {
        for algorithm in Algorithm::ALL {
            let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
            let pem = format!("{BEGIN}\r\n{}\r\n{END}", BASE64.encode(&pkcs8));
            let read = ClientKey::from_pem(&pem).unwrap();
            assert_eq!(read.key.kid(), key.kid(), "{algorithm:?}");
        }
    }

    #[test]
    fn what_is_no_key_says_how_to_make_one() {
        for odd in ["", "s3cret", "-----BEGIN EC PRIVATE KEY-----", BEGIN] {
            assert_eq!(
                ClientKey::from_pem(odd).unwrap_err(),
                BadClientKey::NoPem,
                "{odd}"
            );
        }
        let other = format!("{BEGIN}\n{}\n{END}", BASE64.encode(b"nonsense"));
        assert_eq!(ClientKey::from_pem(&other).unwrap_err(), BadClientKey::Kind);
    }

    /// Entra ID knows a key by its certificate: named by that alone, signed with PSS, and never with one of another key.
    #[test]
    fn a_key_with_a_certificate_is_named_by_its_thumbprint() {
        for (algorithm, alg) in [
            (&rcgen::PKCS_RSA_SHA256, "PS256"),
            (&rcgen::PKCS_ECDSA_P256_SHA256, "ES256"),
        ] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            let certificate = params.self_signed(&pair).unwrap();
            let read = || ClientKey::from_pem(&pair.serialize_pem()).unwrap();
            let key = read().with_certificate(&certificate.pem()).unwrap();
            let (world, _) = testkit::world();
            let assertion = key.assertion("door", "https://a.example/token", &world).unwrap();
            let assertion = Compact::parse(assertion.expose_secret()).unwrap();
            let (header, _) = assertion.signing_input.split_once('.').unwrap();
            let header: Value =
                serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes()).unwrap()).unwrap();
            let thumbprint = BASE64URL_NOPAD.encode(&sha256(certificate.der()));
            assert!(key.is_same(&key) && !key.is_same(&read()));
            assert_eq!(
                header,
                json!({ "alg": alg, "typ": "JWT", "x5t#S256": thumbprint })
            );
            let mut public = key.public();
            public["keys"][0].as_object_mut().unwrap().remove("alg");
            assert_eq!(PublicKeys::from_jwks(&public).verify(&assertion, &[alg]), Ok(()));

            let other = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let other = rcgen::CertificateParams::new(Vec::new())
                .unwrap()
                .self_signed(&other)
                .unwrap();
            assert_eq!(
                read().with_certificate(&other.pem()).unwrap_err(),
                BadClientCertificate::OtherKey
            );
            assert!(matches!(
                read().with_certificate(&pair.serialize_pem()).unwrap_err(),
                BadClientCertificate::NoPem(_)
            ));
        }
    }
}
