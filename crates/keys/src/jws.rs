//! Writing signed tokens, and reading our own back.

use data_encoding::BASE64URL_NOPAD;
use protocol::jwt::{Compact, Header};
use serde::Serialize;
use serde_json::json;

use crate::signing::{Algorithm, KeyError, SigningKey};

/// Signs `claims` as a compact JWS of type `typ` (RFC 7515 section 3.1).
pub fn sign(key: &SigningKey, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
    let header = Header {
        alg: key.algorithm().as_str().to_owned(),
        typ: Some(typ.to_owned()),
        kid: Some(key.kid().to_owned()),
    };
    write(&header, claims, |input| key.sign(input))
}

/// The same for whoever knows the key by its certificate: named by its thumbprint alone (`x5t#S256`, RFC 7515 section
/// 4.1.8), and signed with PSS if it is an RSA key.
pub fn sign_with_certificate(
    key: &SigningKey,
    typ: &str,
    certificate: &[u8; 32],
    claims: &impl Serialize,
) -> Result<String, KeyError> {
    let alg = match key.algorithm() {
        Algorithm::Rs256 => "PS256",
        other => other.as_str(),
    };
    let header = json!({ "alg": alg, "typ": typ, "x5t#S256": BASE64URL_NOPAD.encode(certificate) });
    write(&header, claims, |input| key.sign_with_pss(input))
}

fn write(
    header: &impl Serialize,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, KeyError>,
) -> Result<String, KeyError> {
    let mut token = String::with_capacity(768);
    // Claims are our own structs: writing them cannot fail.
    BASE64URL_NOPAD.encode_append(&serde_json::to_vec(header).unwrap_or_default(), &mut token);
    token.push('.');
    BASE64URL_NOPAD.encode_append(&serde_json::to_vec(claims).unwrap_or_default(), &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut token);
    Ok(token)
}

/// The claims of a token whose signature has been checked.
pub fn claims<T: serde::de::DeserializeOwned>(token: &Compact<'_>) -> Option<T> {
    serde_json::from_slice(&token.payload).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::jwk::{PublicKeys, SignatureError};
    use crate::{SystemEntropy, sha256};
    use model::{Clock, Timestamp, World};
    use serde_json::Value;
    use std::sync::Arc;
    use std::time::Duration;

    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH
        }
        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    pub(crate) fn world() -> World {
        World::new(Arc::new(Stopped), Arc::new(SystemEntropy))
    }

    fn published(keys: &[&SigningKey]) -> PublicKeys {
        PublicKeys::from_jwks(&json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() }))
    }

    const ALLOWED: [&str; 3] = ["ES256", "RS256", "EdDSA"];

    #[test]
    fn signs_what_its_published_key_verifies() {
        for algorithm in Algorithm::ALL {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            let token = sign(&key, "at+jwt", &json!({"sub": "ana"})).unwrap();
            let compact = Compact::parse(&token).unwrap();
            assert_eq!(
                published(&[&key]).verify(&compact, &ALLOWED),
                Ok(()),
                "{algorithm:?}"
            );
            assert_eq!(claims::<Value>(&compact).unwrap()["sub"], "ana");
            let mut bytes = token.clone().into_bytes();
            let at = token.find('.').unwrap() + 4;
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            if let Ok(compact) = Compact::parse(&altered) {
                assert_eq!(
                    published(&[&key]).verify(&compact, &ALLOWED),
                    Err(SignatureError::Wrong)
                );
            }
        }
    }

    /// OS-121: the known attacks on the header.
    #[test]
    fn the_header_cannot_choose_how_it_is_judged() {
        let (es, _) = SigningKey::generate(Algorithm::Es256).unwrap();
        let (rs, _) = SigningKey::generate(Algorithm::Rs256).unwrap();
        let keys = published(&[&es, &rs]);
        let token = sign(&es, "at+jwt", &json!({"sub": "ana"})).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        let with_header =
            |header: Value| format!("{}.{rest}", BASE64URL_NOPAD.encode(header.to_string().as_bytes()));
        let verdict = |token: &str| Compact::parse(token).map(|token| keys.verify(&token, &ALLOWED));

        assert_eq!(
            verdict(&with_header(json!({"alg": "none"}))),
            Ok(Err(SignatureError::Algorithm))
        );
        assert_eq!(
            verdict(&with_header(json!({"alg": "None"}))),
            Ok(Err(SignatureError::Algorithm))
        );
        assert_eq!(
            verdict(&with_header(json!({"alg": "HS256", "kid": es.kid()}))),
            Ok(Err(SignatureError::Algorithm))
        );
        assert_eq!(
            verdict(&with_header(json!({"alg": "RS256", "kid": es.kid()}))),
            Ok(Err(SignatureError::UnknownKey))
        );
        assert_eq!(
            verdict(&with_header(json!({"alg": "ES256", "kid": "other"}))),
            Ok(Err(SignatureError::UnknownKey))
        );
        let own_key =
            json!({"alg": "ES256", "kid": es.kid(), "jwk": rs.public_jwk(), "jku": "https://evil.example"});
        assert_eq!(verdict(&with_header(own_key)), Ok(Err(SignatureError::Wrong)));
    }

    #[test]
    fn a_key_set_keeps_what_it_can_use() {
        let (es, _) = SigningKey::generate(Algorithm::Es256).unwrap();
        let mut encryption = es.public_jwk();
        encryption["use"] = "enc".into();
        let weak = json!({"kty": "RSA", "n": BASE64URL_NOPAD.encode(&[0xff; 128]), "e": "AQAB"});
        let symmetric = json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(&sha256(b"x")), "alg": "HS256"});
        let keys = PublicKeys::from_jwks(
            &json!({"keys": [encryption, weak, symmetric, {"kty": "new"}, 7, es.public_jwk()]}),
        );
        assert_eq!(format!("{keys:?}"), format!("[{:?}]", es.kid()));
        assert!(PublicKeys::from_jwks(&json!([])).is_empty());
    }
}
