//! The `WWW-Authenticate` challenge (RFC 6750 section 3, RFC 9728 section 5.1, RFC 9470 section 3).
//!
//! Grammar for the pickiest reader (CC-3): the scheme spelled `Bearer`, every value quoted, no comma and no
//! backslash inside a value, one header line with one challenge, members in a fixed order and each at most
//! once (MA-29).

use http::HeaderValue;

use crate::error::ErrorCode;

/// What a challenge says.
#[derive(Clone, Debug, Default)]
pub struct Challenge<'a> {
    /// Absolute URL of the protected resource metadata.
    pub resource_metadata: Option<&'a str>,
    /// The scopes that a normal use needs (CC-74).
    pub scope: Option<&'a str>,
    /// Absent when no credentials came at all (MA-23).
    pub error: Option<(ErrorCode, &'a str)>,
    /// Classes of proof, any of which is enough (RFC 9470 section 3).
    pub acr_values: Option<&'a str>,
    /// How old a proof may be, in seconds (RFC 9470 section 3).
    pub max_age: Option<u64>,
}

impl Challenge<'_> {
    /// The header's value.
    pub fn header(&self) -> HeaderValue {
        let mut text = String::from("Bearer");
        let mut glue = ' ';
        let mut member = |name: &str, value: &str| {
            text.push(glue);
            text.push_str(name);
            text.push_str("=\"");
            text.extend(
                value
                    .chars()
                    .filter(|&c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | ',')),
            );
            text.push('"');
            glue = ',';
        };
        if let Some(url) = self.resource_metadata {
            member("resource_metadata", url);
        }
        if let Some(scope) = self.scope {
            member("scope", scope);
        }
        if let Some((code, description)) = self.error {
            member("error", code.as_str());
            member("error_description", description);
        }
        if let Some(values) = self.acr_values {
            member("acr_values", values);
        }
        if let Some(seconds) = self.max_age {
            member("max_age", &seconds.to_string());
        }
        let text = text.replace("\",", "\", ");
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cc_3_ma_23_without_a_token_there_is_no_error() {
        let challenge = Challenge {
            resource_metadata: Some("https://gw.test/.well-known/oauth-protected-resource/mcp/dev"),
            scope: Some("mcp"),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.header(),
            r#"Bearer resource_metadata="https://gw.test/.well-known/oauth-protected-resource/mcp/dev", scope="mcp""#
        );
    }

    /// RFC 9470 section 3.
    #[test]
    fn a_step_up_says_how_sure_and_how_new() {
        let challenge = Challenge {
            error: Some((ErrorCode::InsufficientUserAuthentication, "more is needed")),
            acr_values: Some("https://refeds.org/profile/mfa phr"),
            max_age: Some(300),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.header(),
            r#"Bearer error="insufficient_user_authentication", error_description="more is needed", acr_values="https://refeds.org/profile/mfa phr", max_age="300""#
        );
    }

    #[test]
    fn ma_29_no_value_can_break_the_header() {
        let challenge = Challenge {
            error: Some((ErrorCode::InvalidToken, "a\"b\\c, d\r\nX: y\u{e4}")),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.header(),
            r#"Bearer error="invalid_token", error_description="abc dX: y""#
        );
    }
}
