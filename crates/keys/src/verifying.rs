//! Detached Ed25519 signatures: what signs records of ours that are no tokens.

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::signing::thumbprint;

/// The public half of an Ed25519 key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    kid: String,
    x: [u8; 32],
}

impl VerifyingKey {
    /// Reads a JWK of kind `OKP` with the curve `Ed25519` (RFC 8037). Its name is computed from the key, whatever
    /// `kid` says.
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" {
            return None;
        }
        let x = BASE64URL_NOPAD.decode(jwk["x"].as_str()?.as_bytes()).ok()?;
        Some(Self::from_bytes(x.try_into().ok()?))
    }

    fn from_bytes(x: [u8; 32]) -> Self {
        let members = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(&x) });
        let kid = members.as_object().map(thumbprint).unwrap_or_default();
        Self { kid, x }
    }

    /// Its name: the thumbprint of RFC 7638.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// As a JWK.
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": BASE64URL_NOPAD.encode(&self.x),
            "kid": self.kid,
            "use": "sig",
            "alg": "EdDSA",
        })
    }

    /// Whether this signature of this message is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.x)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, SigningKey};

    #[test]
    fn verifies_its_own_signatures_alone() {
        let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let (other, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let public = VerifyingKey::from_jwk(&key.public_jwk()).unwrap();
        assert_eq!(public.kid(), key.kid());
        assert_eq!(VerifyingKey::from_jwk(&public.jwk()), Some(public.clone()));
        let signature = key.sign(b"message").unwrap();
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!public.verifies(b"message", &other.sign(b"message").unwrap()));
        let (curve, _) = SigningKey::generate(Algorithm::Es256).unwrap();
        assert_eq!(VerifyingKey::from_jwk(&curve.public_jwk()), None);
    }
}
