//! OAuth error codes and the error object of RFC 6749 section 5.2.

use serde::Serialize;
use thiserror::Error;

use crate::text::error_text;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// The registered error codes that this server sends (oauth-server section 16).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {$($(#[$doc])* $name,)*}

        impl ErrorCode {
            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {$(Self::$name => $word,)*}
            }
        }
    };
}

codes! {
    /// RFC 6749: malformed, repeated or missing parameters.
    InvalidRequest = "invalid_request",
    /// RFC 6749: client authentication failed or the client is unknown.
    InvalidClient = "invalid_client",
    /// RFC 6749: the code or refresh token does not count (any more).
    InvalidGrant = "invalid_grant",
    /// RFC 6749: this client may not use this grant.
    UnauthorizedClient = "unauthorized_client",
    /// RFC 6749: no such grant here.
    UnsupportedGrantType = "unsupported_grant_type",
    /// RFC 6749: only `code` is offered.
    UnsupportedResponseType = "unsupported_response_type",
    /// RFC 6749: nothing of the requested scope can be granted.
    InvalidScope = "invalid_scope",
    /// RFC 6749: the person or a rule said no.
    AccessDenied = "access_denied",
    /// RFC 6749: a fault of ours.
    ServerError = "server_error",
    /// RFC 6749: a fault of ours that will pass.
    TemporarilyUnavailable = "temporarily_unavailable",
    /// RFC 8707: not a resource of this server.
    InvalidTarget = "invalid_target",
    /// RFC 8628 section 3.5: the person has not answered yet.
    AuthorizationPending = "authorization_pending",
    /// RFC 8628 section 3.5: the person has not answered yet, and the program asks too often.
    SlowDown = "slow_down",
    /// RFC 8628 section 3.5: nobody answered in time.
    ExpiredToken = "expired_token",
    /// OpenID Connect Core 3.1.2.6: `prompt=none` but nobody is signed in.
    LoginRequired = "login_required",
    /// OpenID Connect Core 3.1.2.6: `prompt=none` but consent is needed.
    ConsentRequired = "consent_required",
    /// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0, RFC 9470 section 5: who asks wants more than
    /// the person can prove here.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
    /// OpenID Connect Core 3.1.2.6: the `request` parameter.
    RequestNotSupported = "request_not_supported",
    /// OpenID Connect Core 3.1.2.6: the `request_uri` parameter.
    RequestUriNotSupported = "request_uri_not_supported",
    /// OpenID Connect Core 3.1.2.6: the `registration` parameter.
    RegistrationNotSupported = "registration_not_supported",
    /// RFC 7591: no usable redirect URI.
    InvalidRedirectUri = "invalid_redirect_uri",
    /// RFC 7591: another member of the registration is unusable.
    InvalidClientMetadata = "invalid_client_metadata",
    /// RFC 6750: the access token does not count.
    InvalidToken = "invalid_token",
    /// RFC 6750: the access token does not reach this far.
    InsufficientScope = "insufficient_scope",
    /// RFC 9470: the person did not prove enough of who they are, or too long ago.
    InsufficientUserAuthentication = "insufficient_user_authentication",
}

/// An OAuth error with its explanation. The text names what was wrong, with which value, and what to do;
/// it never holds a secret and never says whether a person exists (OS-4).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    /// The registered code.
    pub code: ErrorCode,
    /// The explanation, already reduced to the characters that RFC 6749 allows.
    pub description: String,
}

impl OAuthError {
    /// From a code and an explanation for the developer who will read it.
    pub fn new(code: ErrorCode, description: impl AsRef<str>) -> Self {
        Self {
            code,
            description: error_text(description.as_ref()),
        }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`.
    pub fn invalid_grant(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// `invalid_client`.
    pub fn invalid_client(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    /// `invalid_target`.
    pub fn invalid_target(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidTarget, description)
    }
}

/// The JSON body of an error answer.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// The code.
    pub error: &'a str,
    /// The explanation.
    pub error_description: &'a str,
    /// The reference id under which the log and the audit record hold this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
}
