//! JSON Web Tokens (RFC 7519): the compact form read strictly, and the claims of the tokens we issue.
//!
//! Nothing here knows a key. A verifier asks [`Compact`] for the header first, decides by its own fixed
//! list which algorithm and type it wants, and only then looks at the signature (RFC 8725).

use data_encoding::BASE64URL_NOPAD;
use model::{AccountId, ClientId, GrantId, TokenId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::issuer::Issuer;
use crate::mcp::json;
use crate::scope::Scopes;

/// Longest token that is looked at.
pub const LONGEST: usize = 8192;

/// A compact JWS, cut into its parts and with its header read.
#[derive(Debug)]
pub struct Compact<'a> {
    /// The header.
    pub header: Header,
    /// `header.payload`, what the signature covers.
    pub signing_input: &'a str,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// The members of a JOSE header that matter; keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The algorithm that the signer claims to have used.
    pub alg: String,
    /// The kind of token (RFC 8725 section 3.11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl Header {
    /// The type without a leading `application/` and in lower case (RFC 7515 section 4.1.9).
    pub fn media_type(&self) -> String {
        let typ = self.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
    }
}

/// Why a text is no compact JWS that we look at.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum CompactError {
    /// Longer than [`LONGEST`].
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of base64url without padding.
    #[error("the token is not three parts of base64url")]
    Parts,
    /// The header or payload is not a JSON object, or names a member twice.
    #[error("the token's header or payload is not a plain JSON object")]
    Json,
    /// A `crit` header: an extension that must be understood, and none is (RFC 7515 section 4.1.11).
    #[error("the token's header has critical extensions")]
    Critical,
}

impl<'a> Compact<'a> {
    /// Cuts and decodes; checks no signature.
    pub fn parse(token: &'a str) -> Result<Self, CompactError> {
        Self::parse_up_to(token, LONGEST)
    }

    /// The same for a token that may be so long: one that whoever we asked for it hands over, and nobody else.
    pub fn parse_up_to(token: &'a str, longest: usize) -> Result<Self, CompactError> {
        if token.len() > longest {
            return Err(CompactError::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(CompactError::Parts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(CompactError::Parts)?;
        let decode = |part: &str| {
            BASE64URL_NOPAD
                .decode(part.as_bytes())
                .map_err(|_| CompactError::Parts)
        };
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        if signature.is_empty() {
            return Err(CompactError::Parts);
        }
        if !json::is_strict_object(&header) || !json::is_strict_object(&payload) {
            return Err(CompactError::Json);
        }
        if has_member(&header, "crit") {
            return Err(CompactError::Critical);
        }
        let header = serde_json::from_slice(&header).map_err(|_| CompactError::Json)?;
        Ok(Self {
            header,
            signing_input,
            payload,
            signature,
        })
    }
}

fn has_member(object: &[u8], name: &str) -> bool {
    serde_json::from_slice::<serde_json::Value>(object).is_ok_and(|value| value.get(name).is_some())
}

/// The `typ` of access tokens (RFC 9068 section 2.1).
pub const ACCESS_TOKEN: &str = "at+jwt";
/// The `typ` of ID tokens.
pub const ID_TOKEN: &str = "JWT";
/// The `typ` of the assertion that names the caller to an upstream.
pub const IDENTITY_ASSERTION: &str = "vestibule-identity+jwt";

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The issuer.
    pub iss: Issuer,
    /// The person.
    pub sub: AccountId,
    /// The one server it is for (DEC-11).
    pub aud: String,
    /// The client it was issued to.
    pub client_id: ClientId,
    /// What was granted.
    pub scope: Scopes,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// When it runs out, in seconds.
    pub exp: i64,
    /// Its id.
    pub jti: TokenId,
    /// The grant it stands on; ends with it.
    pub grant: GrantId,
    /// Which refresh of the grant it came with: its first use marks that refresh as delivered (DEC-1).
    #[serde(rename = "gen")]
    pub generation: i64,
    /// When the person last proved who they are, in seconds.
    /// Absent if nobody signed in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The class of that proof (section 2.2.1); absent for one factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Its methods (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Who acts for the person (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// Who acts for somebody, and who acted before (RFC 8693 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The client.
    pub sub: ClientId,
    /// Who acted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

impl Actor {
    /// All of them, the latest first.
    pub fn chain(&self) -> impl Iterator<Item = &ClientId> {
        std::iter::successors(Some(self), |actor| actor.act.as_deref()).map(|actor| &actor.sub)
    }
}

/// The claims of an ID token (OpenID Connect Core section 2) and, without the first six, of userinfo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdClaims {
    /// The issuer.
    pub iss: Issuer,
    /// The person.
    pub sub: AccountId,
    /// The client.
    pub aud: ClientId,
    /// When it runs out, in seconds.
    pub exp: i64,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// When the person last proved who they are, in seconds.
    pub auth_time: i64,
    /// The class of that proof; absent for one factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Its methods (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The client's `nonce`, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Left half of the SHA-256 of the access token, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// The browser session (RP-Initiated Logout section 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Who, as far as the scope says.
    #[serde(flatten)]
    pub person: PersonClaims,
}

/// Claims about the person, each only with its scope (OpenID Connect Core section 5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonClaims {
    /// `profile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `profile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// `groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

/// The claims of an RFC 7523 client assertion.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AssertionClaims {
    /// The client.
    pub iss: String,
    /// The client again.
    pub sub: String,
    /// The issuer, exactly and alone (DEC-6).
    pub aud: Audience,
    /// When it runs out, in seconds.
    pub exp: i64,
    /// When it begins to count, in seconds.
    #[serde(default)]
    pub nbf: Option<i64>,
    /// When it was made, in seconds.
    #[serde(default)]
    pub iat: Option<i64>,
    /// Its id, for single use.
    #[serde(default)]
    pub jti: Option<String>,
}

/// An `aud` claim: one string, or an array.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single value.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// The only audience, if there is exactly one.
    pub fn sole(&self) -> Option<&str> {
        match self {
            Self::One(audience) => Some(audience),
            Self::Many(audiences) => match audiences.as_slice() {
                [audience] => Some(audience),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(header: &str, payload: &str) -> String {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        format!("{}.{}.{}", encode(header), encode(payload), encode("signature"))
    }

    #[test]
    fn os_121_strict_parts() {
        let good = token(r#"{"alg":"ES256","typ":"at+jwt","kid":"k"}"#, "{}");
        assert_eq!(Compact::parse(&good).unwrap().header.media_type(), "at+jwt");
        for bad in [
            String::new(),
            "a".into(),
            "a.b".into(),
            format!("{good}.x"),
            format!("{good}="),
            good.replace('.', " ."),
        ] {
            assert!(Compact::parse(&bad).is_err(), "{bad}");
        }
        let unsigned = good.rsplit_once('.').unwrap().0;
        assert_eq!(
            Compact::parse(&format!("{unsigned}.")).unwrap_err(),
            CompactError::Parts
        );
        assert_eq!(
            Compact::parse(&"a".repeat(9000)).unwrap_err(),
            CompactError::TooLong
        );
    }

    #[test]
    fn os_121_no_duplicate_members_and_no_critical_extensions() {
        for (header, payload) in [
            (r#"{"alg":"none","alg":"ES256"}"#, "{}"),
            (r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#),
            (r#"{"alg":"ES256"}"#, r#"{"sub":"a","s\u0075b":"b"}"#),
            (r#"["alg"]"#, "{}"),
            ("{}", "{}"),
        ] {
            assert_eq!(
                Compact::parse(&token(header, payload)).unwrap_err(),
                CompactError::Json,
                "{header} {payload}"
            );
        }
        let critical = token(r#"{"alg":"ES256","crit":["exp"]}"#, "{}");
        assert_eq!(Compact::parse(&critical).unwrap_err(), CompactError::Critical);
    }

    #[test]
    fn the_type_may_be_written_long() {
        let header = |typ: &str| Header {
            alg: "ES256".into(),
            typ: Some(typ.into()),
            kid: None,
        };
        assert_eq!(header("application/AT+JWT").media_type(), "at+jwt");
        assert_eq!(header("jwt").media_type(), "jwt");
    }

    proptest! {
        #[test]
        fn never_panics(text: String) {
            let _ = Compact::parse(&text);
        }
    }
}
