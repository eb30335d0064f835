//! Token introspection (RFC 7662, with `acr` and `auth_time` of RFC 9470 section 6.2): for confidential clients that are listed for a server, and only about
//! tokens for that server. Everything else is exactly `{"active":false}` (OS-113 to OS-115).

use model::Timestamp;
use protocol::Scopes;
use protocol::jwt::Actor;
use serde::Serialize;
use store::{Client, StoreError};

use crate::clients::is_confidential;
use crate::server::AuthorizationServer;
use crate::verify::Access;

/// The answer (RFC 7662 section 2.2).
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Details {
    scope: Scopes,
    client_id: String,
    username: String,
    token_type: &'static str,
    exp: i64,
    iat: i64,
    sub: String,
    aud: String,
    iss: String,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    /// Who acts for the person (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
}

impl AuthorizationServer {
    /// Whether this client may introspect at all.
    pub fn may_introspect(&self, client: &Client) -> bool {
        is_confidential(client)
            && self
                .settings()
                .resources
                .iter()
                .any(|resource| resource.introspectors.contains(&client.id))
    }

    /// Answers for an authenticated client that may introspect.
    pub async fn introspect(&self, client: &Client, token: &str) -> Result<Introspection, StoreError> {
        let Ok(access) = self.verifier.verify(token) else {
            return Ok(Introspection::default());
        };
        let settings = self.settings();
        let resource = settings
            .resources
            .iter()
            .find(|resource| resource.uri == access.audience);
        let Some(resource) = resource.filter(|resource| resource.introspectors.contains(&client.id)) else {
            return Ok(Introspection::default());
        };
        let Some(account) = self.directory.view(access.account).await? else {
            return Ok(Introspection::default());
        };
        let counts = crate::verify::is_current(&account, &access)
            && resource.allows(&account)
            && resource.programs.still_have(&access, &account);
        if !counts {
            return Ok(Introspection::default());
        }
        let details = self.details(&access, account.username.to_string());
        Ok(Introspection {
            active: true,
            details: Some(details),
        })
    }

    fn details(&self, access: &Access, username: String) -> Details {
        Details {
            scope: access.scopes.clone(),
            client_id: access.client.to_string(),
            username,
            token_type: "Bearer",
            exp: access.expires_at.as_seconds(),
            iat: access.issued_at.as_seconds(),
            sub: access.account.to_string(),
            aud: access.audience.clone(),
            iss: self.settings().issuer.to_string(),
            jti: access.token.to_string(),
            auth_time: access.auth_time.map(Timestamp::as_seconds),
            acr: access.assurance.acr(),
            amr: access.amr.clone(),
            act: access.actor.clone(),
        }
    }
}
