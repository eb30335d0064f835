//! What a server that wants a token says of it (RFC 6750 section 3, RFC 9728 section 5.1).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::ChallengeParser;

/// The parts of a `Bearer` challenge that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where the server's metadata is.
    pub resource_metadata: Option<String>,
    /// What a token has to be good for.
    pub scope: Option<String>,
    /// Why the token that came is not good.
    pub error: Option<String>,
    /// Classes of proof, any of which is enough (RFC 9470 section 3).
    pub acr_values: Option<String>,
    /// How old the proof may be, in seconds (RFC 9470 section 3).
    pub max_age: Option<u64>,
}

/// Reads it, whatever other challenges stand beside it, in one header or in several (MA-38). Nothing if there is none.
pub fn challenge(headers: &HeaderMap) -> Challenge {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut found = Challenge::default();
    for text in texts {
        // What follows a part that cannot be read is not read.
        let bearers = ChallengeParser::new(text)
            .map_while(Result::ok)
            .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("Bearer"));
        for bearer in bearers {
            for (name, value) in &bearer.params {
                if name.eq_ignore_ascii_case("max_age") {
                    found.max_age = found.max_age.or_else(|| value.to_unescaped().parse().ok());
                    continue;
                }
                let place = match name.to_ascii_lowercase().as_str() {
                    "resource_metadata" => &mut found.resource_metadata,
                    "scope" => &mut found.scope,
                    "error" => &mut found.error,
                    "acr_values" => &mut found.acr_values,
                    _ => continue,
                };
                place.get_or_insert_with(|| value.to_unescaped());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        challenge(&headers)
    }

    #[test]
    fn ma_38_it_is_found_among_others() {
        let wanted = Challenge {
            resource_metadata: Some("https://a/.well-known/x".to_owned()),
            scope: Some("mcp read".to_owned()),
            ..Challenge::default()
        };
        let one = r#"Bearer resource_metadata="https://a/.well-known/x", scope="mcp read""#;
        assert_eq!(of(&[one]), wanted);
        assert_eq!(
            of(&[
                r#"DPoP algs="ES256", bearer scope="mcp read", Resource_Metadata="https://a/.well-known/x""#
            ]),
            wanted
        );
        assert_eq!(of(&[r#"Basic realm="a, b""#, one]), wanted);
        assert_eq!(of(&["Negotiate", "Bearer"]), Challenge::default());
        assert_eq!(of(&[r#"Bearer scope="a\"b""#]).scope.as_deref(), Some(r#"a"b"#));
    }

    #[test]
    fn a_better_sign_in_is_described() {
        let text = r#"Bearer error="insufficient_user_authentication", acr_values="phr mfa", max_age="300""#;
        let wanted = Challenge {
            error: Some("insufficient_user_authentication".to_owned()),
            acr_values: Some("phr mfa".to_owned()),
            max_age: Some(300),
            ..Challenge::default()
        };
        assert_eq!(of(&[text]), wanted);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "[ -~]{0,80}") {
            of(&[&text, &format!("Bearer {text}")]);
        }
    }
}
