//! Signing keys: made, sealed, parsed once, used many times.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest::sha256;

/// The algorithms that we sign with (DEC-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256, the default for access tokens.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA 2048 with PKCS#1 v1.5, the default for ID tokens: OpenID Connect requires it.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// The `alg` of RFC 7518 and RFC 8037.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// No such algorithm.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("{0:?} is not a signing algorithm; ES256, RS256 and EdDSA are")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|alg| alg.as_str() == text)
            .ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

/// A private key that has been parsed, with its public half.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    public: Map<String, Value>,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
    EdDsa(Ed25519KeyPair),
}

/// A key could not be made, read or used.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("the {} signing key cannot be {what}", algorithm.as_str())]
pub struct KeyError {
    algorithm: Algorithm,
    what: &'static str,
}

impl KeyError {
    fn new(algorithm: Algorithm, what: &'static str) -> Self {
        Self { algorithm, what }
    }
}

impl SigningKey {
    /// Makes a key; gives its PKCS#8 form too, for sealing.
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Zeroizing<Vec<u8>>), KeyError> {
        let failed = |_| KeyError::new(algorithm, "made");
        let pkcs8 = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                pair.as_der().map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                pair.to_pkcs8().map_err(failed)?.as_ref().to_vec()
            }
        };
        let pkcs8 = Zeroizing::new(pkcs8);
        Ok((Self::from_pkcs8(algorithm, &pkcs8)?, pkcs8))
    }

    /// Reads a key from its PKCS#8 form.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let failed = |_| KeyError::new(algorithm, "read");
        let base64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (pair, public) = match algorithm {
            Algorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(failed)?;
                // An uncompressed point: 4 | x | y.
                let point = pair.public_key().as_ref();
                let (x, y) = point
                    .get(1..)
                    .and_then(|xy| xy.split_at_checked(32))
                    .ok_or(KeyError::new(algorithm, "read"))?;
                let public = json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) });
                (Pair::Es256(pair), public)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(failed)?;
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero().to_vec();
                let e = public.exponent().big_endian_without_leading_zero().to_vec();
                (
                    Pair::Rs256(Box::new(pair)),
                    json!({ "kty": "RSA", "n": base64(&n), "e": base64(&e) }),
                )
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(failed)?;
                let public =
                    json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) });
                (Pair::EdDsa(pair), public)
            }
        };
        let Value::Object(public) = public else {
            return Err(KeyError::new(algorithm, "read"));
        };
        let kid = thumbprint(&public);
        Ok(Self {
            algorithm,
            kid,
            public,
            pair,
        })
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name: the thumbprint of RFC 7638.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK for the key set (OS-123).
    pub fn public_jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        jwk.insert("kid".to_owned(), self.kid.clone().into());
        jwk.insert("use".to_owned(), "sig".into());
        jwk.insert("alg".to_owned(), self.algorithm.as_str().into());
        Value::Object(jwk)
    }

    /// The public half as a certificate has it: `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
    pub fn public_info(&self) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::new(self.algorithm, "written");
        let info: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Es256(pair) => pair.public_key().as_der(),
            Pair::Rs256(pair) => pair.public_key().as_der(),
            Pair::EdDsa(pair) => pair.public_key().as_der(),
        }
        .map_err(failed)?;
        Ok(info.as_ref().to_vec())
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_as(&RSA_PKCS1_SHA256, message)
    }

    /// Signs; an RSA key with PSS (`PS256`), the others as always.
    pub(crate) fn sign_with_pss(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_as(&RSA_PSS_SHA256, message)
    }

    fn sign_as(&self, rsa: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::new(self.algorithm, "used");
        match &self.pair {
            Pair::Es256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(failed),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Pair::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

/// RFC 7638: SHA-256 over the required members in lexical order without blanks.
pub(crate) fn thumbprint(public: &Map<String, Value>) -> String {
    let canonical = serde_json::to_string(&public.iter().collect::<BTreeMap<_, _>>()).unwrap_or_default();
    BASE64URL_NOPAD.encode(&sha256(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7638() {
        let public = json!({
            "kty": "RSA", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(
            thumbprint(public.as_object().unwrap()),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_key_survives_its_pkcs8_form_and_shows_no_private_part() {
        for algorithm in Algorithm::ALL {
            let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap();
            assert_eq!(again.kid(), key.kid());
            let jwk = key.public_jwk();
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(jwk.get(private).is_none(), "{algorithm:?} {private}");
            }
        }
        assert!(SigningKey::from_pkcs8(Algorithm::Es256, b"nonsense").is_err());
    }
}
