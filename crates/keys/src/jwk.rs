//! Public keys to verify with: ours, and those that clients and issuers publish as JWK sets (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm as Jwa, DecodingKey};
use protocol::jwt::Compact;
use serde_json::Value;
use std::fmt;
use thiserror::Error;

/// A set of public keys, each usable with one family of algorithms.
#[derive(Clone, Default)]
pub struct PublicKeys(Vec<PublicKey>);

#[derive(Clone)]
struct PublicKey {
    kid: Option<String>,
    algorithms: Vec<Jwa>,
    key: DecodingKey,
}

/// A signature that does not count.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum SignatureError {
    /// The header's algorithm is not among those allowed here.
    #[error("the token is signed with an algorithm that is not allowed here")]
    Algorithm,
    /// No key of that name, or none that fits the algorithm.
    #[error("no known key fits the token's kid and algorithm")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Wrong,
}

const MOST: usize = 50;

impl PublicKeys {
    /// Reads a JWK set. Keys of kinds that we do not use, for encryption, too weak, or malformed are left
    /// out: one odd key must not make the others unusable.
    pub fn from_jwks(jwks: &Value) -> Self {
        let listed = jwks
            .get("keys")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        Self(listed.iter().take(MOST).filter_map(public_key).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key of this name is there.
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// Checks the signature of a token: its algorithm must be in `allowed`, its key is chosen by `kid`
    /// (every fitting key if it names none), and a key is used with its own kind of algorithm alone, so no
    /// public key ever serves as an HMAC secret (OS-121).
    pub fn verify(&self, token: &Compact<'_>, allowed: &[&str]) -> Result<(), SignatureError> {
        if !allowed.contains(&token.header.alg.as_str()) {
            return Err(SignatureError::Algorithm);
        }
        let algorithm = jwa(&token.header.alg).ok_or(SignatureError::Algorithm)?;
        let mut verdict = SignatureError::UnknownKey;
        let signature = data_encoding::BASE64URL_NOPAD.encode(&token.signature);
        for key in self.0.iter().filter(|key| key.algorithms.contains(&algorithm)) {
            if token.header.kid.is_some() && key.kid.is_some() && token.header.kid != key.kid {
                continue;
            }
            match jsonwebtoken::crypto::verify(
                &signature,
                token.signing_input.as_bytes(),
                &key.key,
                algorithm,
            ) {
                Ok(true) => return Ok(()),
                Ok(false) | Err(_) => verdict = SignatureError::Wrong,
            }
        }
        Err(verdict)
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| key.kid.as_deref().unwrap_or("-")))
            .finish()
    }
}

fn public_key(jwk: &Value) -> Option<PublicKey> {
    if jwk.get("use").is_some_and(|value| value != "sig") {
        return None;
    }
    let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
    let declared = jwk.get("alg").and_then(Value::as_str);
    let jwk: Jwk = serde_json::from_value(without_alg(jwk)).ok()?;
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Jwa::ES256],
            EllipticCurve::P384 => vec![Jwa::ES384],
            _ => return None,
        },
        // RSA below 2048 bits is too weak: its modulus has fewer than 342 base64url characters.
        AlgorithmParameters::RSA(rsa) if rsa.n.len() >= 342 => vec![Jwa::RS256, Jwa::PS256],
        AlgorithmParameters::OctetKeyPair(_) => vec![Jwa::EdDSA],
        _ => return None,
    };
    if let Some(declared) = declared {
        algorithms.retain(|&algorithm| jwa(declared) == Some(algorithm));
    }
    Some(PublicKey {
        kid,
        algorithms,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}

/// `alg` is read by us, since the library refuses a whole key for a name it does not know.
fn without_alg(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    if let Some(members) = jwk.as_object_mut() {
        members.remove("alg");
        members.remove("key_ops");
    }
    jwk
}

/// Asymmetric algorithms only; `Ed25519` is the newer name of `EdDSA` with that curve (RFC 9864).
fn jwa(name: &str) -> Option<Jwa> {
    match name {
        "ES256" => Some(Jwa::ES256),
        "ES384" => Some(Jwa::ES384),
        "RS256" => Some(Jwa::RS256),
        "PS256" => Some(Jwa::PS256),
        "EdDSA" | "Ed25519" => Some(Jwa::EdDSA),
        _ => None,
    }
}
