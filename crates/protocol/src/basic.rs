//! HTTP Basic credentials of OAuth clients (RFC 6749 section 2.3.1).
//!
//! The standard form-encodes both parts before base64; Python does, TypeScript does not (CC-59). So both
//! readings are kept and the caller tries each.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD};
use model::SecretString;
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// One reading of a header.
#[derive(Debug, Clone)]
pub struct BasicCredentials {
    /// The client id.
    pub client_id: String,
    /// The secret; may be empty, which public clients send (CC-59).
    pub secret: SecretString,
}

/// The header is not Basic credentials.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("the Authorization header is not valid HTTP Basic credentials")]
pub struct MalformedBasic;

/// Reads an `Authorization` value: `None` if its scheme is not Basic, else the form-decoded reading first
/// and, where it differs, the raw one.
pub fn parse(header: &[u8]) -> Option<Result<Vec<BasicCredentials>, MalformedBasic>> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| readings(encoded))
}

fn readings(encoded: &[u8]) -> Result<Vec<BasicCredentials>, MalformedBasic> {
    let encoded = encoded.trim_ascii();
    if encoded.len() > 8192 {
        return Err(MalformedBasic);
    }
    let decoded = [BASE64, BASE64_NOPAD, BASE64URL_NOPAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(encoded).ok())
        .ok_or(MalformedBasic)?;
    let text = String::from_utf8(decoded).map_err(|_| MalformedBasic)?;
    let (id, secret) = text.split_once(':').ok_or(MalformedBasic)?;
    let mut readings = Vec::with_capacity(2);
    if let (Some(client_id), Some(secret)) = (form_decode(id), form_decode(secret)) {
        readings.push(BasicCredentials {
            client_id,
            secret: secret.into(),
        });
    }
    if readings.is_empty() || text.contains(['%', '+']) {
        readings.push(BasicCredentials {
            client_id: id.to_owned(),
            secret: secret.to_owned().into(),
        });
    }
    Ok(readings)
}

fn form_decode(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .ok()
        .map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ExposeSecret;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let header = format!("Basic {}", BASE64.encode(text.as_bytes()));
        let readings = parse(header.as_bytes()).unwrap().unwrap();
        readings
            .into_iter()
            .map(|r| (r.client_id, r.secret.expose_secret().to_owned()))
            .collect()
    }

    #[test]
    fn os_49_splits_at_the_first_colon() {
        assert_eq!(read("id:se:cret"), [("id".to_owned(), "se:cret".to_owned())]);
    }

    #[test]
    fn cc_59_keeps_both_readings_of_an_encoded_secret() {
        let expected = [
            ("id".to_owned(), "a b%".to_owned()),
            ("id".to_owned(), "a+b%25".to_owned()),
        ];
        assert_eq!(read("id:a+b%25"), expected);
    }

    #[test]
    fn other_schemes_are_not_ours_to_judge() {
        assert!(parse(b"Bearer x").is_none());
        assert!(parse(b"").is_none());
        assert!(parse(b"basic !!!").unwrap().is_err());
        assert!(
            parse(format!("BASIC {}", BASE64.encode(b"no colon")).as_bytes())
                .unwrap()
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = parse(&[b"Basic ".as_slice(), &bytes].concat());
        }
    }
}
