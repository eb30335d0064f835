//! The two metadata documents: of the authorization server (RFC 8414, OpenID Connect Discovery) and of a
//! protected resource (RFC 9728). No member is ever null, empty or a relative URL (CC-22).

use model::Assurance;
use serde::Serialize;

use crate::client_metadata::AuthMethod;
use crate::issuer::Issuer;
use crate::scope;

/// Metadata of the authorization server. One document for RFC 8414 and for OpenID Connect Discovery
/// (MA-65); everything that it advertises works (OS-17).
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the members are those of the standard"
)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    revocation_endpoint: String,
    introspection_endpoint: String,
    userinfo_endpoint: String,
    end_session_endpoint: String,
    jwks_uri: String,
    service_documentation: String,
    scopes_supported: &'static [&'static str],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 4],
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    client_id_metadata_document_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    authorization_response_iss_parameter_supported: bool,
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    acr_values_supported: Vec<&'static str>,
    claims_supported: [&'static str; 16],
    ui_locales_supported: [&'static str; 2],
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    claims_parameter_supported: bool,
}

/// What of the document depends on the deployment or on who asks.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Whether anybody may register (CC-30).
    pub registration: bool,
    /// Whether programs without a browser may ask (RFC 8628 section 4).
    pub device: bool,
    /// Whether the `iss` flag is shown; very old clients are not told (DEC-14, CC-79).
    pub iss_flag: bool,
    /// Grant types beside those of people with a browser.
    pub grants: &'a [&'static str],
}

/// Algorithms in which clients may sign assertions: asymmetric only, never `none`.
pub const ASSERTION_ALGORITHMS: [&str; 5] = ["ES256", "ES384", "RS256", "PS256", "EdDSA"];

/// Grant types (RFC 6749, and the registry that RFC 7591 began).
pub mod grants {
    /// OAuth 2.1 section 4.1.
    pub const AUTHORIZATION_CODE: &str = "authorization_code";
    /// OAuth 2.1 section 4.3.
    pub const REFRESH_TOKEN: &str = "refresh_token";
    /// OAuth 2.1 section 4.2.
    pub const CLIENT_CREDENTIALS: &str = "client_credentials";
    /// RFC 8628 section 3.4.
    pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    /// RFC 7523 section 2.1.
    pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    /// RFC 8693 section 2.1.
    pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
}

/// Paths of the endpoints, the shortest ones: clients that fail to find metadata guess them (CC-25).
pub mod paths {
    /// RFC 6749 section 3.1.
    pub const AUTHORIZE: &str = "/authorize";
    /// RFC 6749 section 3.2.
    pub const TOKEN: &str = "/token";
    /// RFC 8628 section 3.1.
    pub const DEVICE_AUTHORIZATION: &str = "/device_authorization";
    /// Where people type user codes (RFC 8628 section 3.3): it is read off one screen and typed into another.
    pub const DEVICE: &str = "/device";
    /// Where a browser ends that answered a program without one.
    pub const DEVICE_DONE: &str = "/device/done";
    /// RFC 7591.
    pub const REGISTER: &str = "/register";
    /// RFC 7009.
    pub const REVOKE: &str = "/revoke";
    /// RFC 7662.
    pub const INTROSPECT: &str = "/introspect";
    /// OpenID Connect Core section 5.3.
    pub const USERINFO: &str = "/userinfo";
    /// RP-Initiated Logout.
    pub const END_SESSION: &str = "/logout";
    /// RFC 7517.
    pub const JWKS: &str = "/.well-known/jwks.json";
    /// RFC 8414.
    pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
    /// OpenID Connect Discovery.
    pub const OPENID_METADATA: &str = "/.well-known/openid-configuration";
    /// RFC 9728.
    pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
}

impl AuthorizationServerMetadata {
    /// The document for this issuer.
    pub fn new(issuer: &Issuer, offer: Offer<'_>) -> Self {
        let methods = AuthMethod::ALL.map(AuthMethod::as_str);
        let mut grant_types = vec![grants::AUTHORIZATION_CODE, grants::REFRESH_TOKEN];
        grant_types.extend(offer.device.then_some(grants::DEVICE_CODE));
        grant_types.extend(offer.grants);
        let confidential = ["client_secret_post", "client_secret_basic", "private_key_jwt"];
        Self {
            issuer: issuer.to_string(),
            authorization_endpoint: issuer.endpoint(paths::AUTHORIZE),
            token_endpoint: issuer.endpoint(paths::TOKEN),
            device_authorization_endpoint: offer.device.then(|| issuer.endpoint(paths::DEVICE_AUTHORIZATION)),
            registration_endpoint: offer.registration.then(|| issuer.endpoint(paths::REGISTER)),
            revocation_endpoint: issuer.endpoint(paths::REVOKE),
            introspection_endpoint: issuer.endpoint(paths::INTROSPECT),
            userinfo_endpoint: issuer.endpoint(paths::USERINFO),
            end_session_endpoint: issuer.endpoint(paths::END_SESSION),
            jwks_uri: issuer.endpoint(paths::JWKS),
            service_documentation: issuer.endpoint("/"),
            scopes_supported: &scope::KNOWN,
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: grant_types,
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: methods,
            token_endpoint_auth_signing_alg_values_supported: &ASSERTION_ALGORITHMS,
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: &ASSERTION_ALGORITHMS,
            introspection_endpoint_auth_methods_supported: confidential,
            introspection_endpoint_auth_signing_alg_values_supported: &ASSERTION_ALGORITHMS,
            client_id_metadata_document_supported: true,
            authorization_response_iss_parameter_supported: offer.iss_flag,
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: vec!["RS256"],
            acr_values_supported: Assurance::NAMED.iter().filter_map(|class| class.acr()).collect(),
            claims_supported: [
                "iss",
                "sub",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "amr",
                "nonce",
                "at_hash",
                "sid",
                "name",
                "preferred_username",
                "email",
                "email_verified",
                "groups",
            ],
            ui_locales_supported: ["en", "zh-Hant"],
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            claims_parameter_supported: false,
        }
    }
}

/// Metadata of one protected MCP endpoint (CC-15). Never lists `offline_access` (MA-15).
#[derive(Debug, Serialize)]
pub struct ProtectedResourceMetadata {
    /// The endpoint's URL, spelled as it was asked for (DEC-10).
    pub resource: String,
    /// Exactly one: whose tokens it takes, our issuer unless the operator says otherwise (CC-13).
    pub authorization_servers: [String; 1],
    /// The baseline alone (MA-127); absent where another issuer has no scope for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes_supported: Option<[String; 1]>,
    /// Tokens are taken from the header only.
    pub bearer_methods_supported: [&'static str; 1],
    /// The server's name for people.
    pub resource_name: String,
}

impl ProtectedResourceMetadata {
    /// The document of the endpoint at `resource`.
    pub fn new(issuer: &Issuer, resource: String, name: &str) -> Self {
        Self {
            resource,
            authorization_servers: [issuer.to_string()],
            scopes_supported: Some([scope::MCP.to_owned()]),
            bearer_methods_supported: ["header"],
            resource_name: name.to_owned(),
        }
    }

    /// The document of an endpoint that takes tokens of another issuer alone.
    pub fn of_issuer(issuer: &str, scope: Option<&str>, resource: String, name: &str) -> Self {
        Self {
            resource,
            authorization_servers: [issuer.to_owned()],
            scopes_supported: scope.map(|scope| [scope.to_owned()]),
            bearer_methods_supported: ["header"],
            resource_name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn document(offer: Offer) -> Value {
        let issuer = Issuer::of(&"https://gw.test".parse().unwrap());
        serde_json::to_value(AuthorizationServerMetadata::new(&issuer, offer)).unwrap()
    }

    #[test]
    fn cc_22_nothing_is_null_empty_or_relative() {
        let document = document(Offer {
            registration: false,
            device: false,
            iss_flag: false,
            grants: &[],
        });
        for (name, value) in document.as_object().unwrap() {
            let sound = match value {
                Value::Null => false,
                Value::String(text) => text.starts_with("https://gw.test"),
                Value::Array(items) => !items.is_empty(),
                _ => true,
            };
            assert!(sound, "{name}: {value}");
        }
        assert!(document.get("registration_endpoint").is_none());
        assert!(document.get("device_authorization_endpoint").is_none());
        assert_eq!(document["grant_types_supported"].as_array().unwrap().len(), 2);
        assert!(
            document
                .get("authorization_response_iss_parameter_supported")
                .is_none()
        );
    }

    /// MA-76, OS-16.
    #[test]
    fn cc_21_ma_69_ma_70_ma_71_required_members() {
        let document = document(Offer {
            registration: true,
            device: true,
            iss_flag: true,
            grants: &[grants::CLIENT_CREDENTIALS],
        });
        assert_eq!(document["token_endpoint_auth_methods_supported"][0], "none");
        assert_eq!(document["code_challenge_methods_supported"][0], "S256");
        assert_eq!(document["client_id_metadata_document_supported"], true);
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        assert_eq!(document["registration_endpoint"], "https://gw.test/register");
        assert_eq!(
            document["device_authorization_endpoint"],
            "https://gw.test/device_authorization"
        );
        assert_eq!(document["grant_types_supported"][2], grants::DEVICE_CODE);
        assert_eq!(
            document["scopes_supported"].as_array().unwrap().last().unwrap(),
            "offline_access"
        );
        assert_eq!(document["request_uri_parameter_supported"], false);
    }

    #[test]
    fn ma_15_resource_metadata_never_lists_offline_access() {
        let issuer = Issuer::of(&"https://gw.test".parse().unwrap());
        let document = ProtectedResourceMetadata::new(&issuer, "https://gw.test/mcp/dev".into(), "Dev");
        let text = serde_json::to_string(&document).unwrap();
        assert!(
            !text.contains("offline_access") && !text.contains("null"),
            "{text}"
        );
    }
}
