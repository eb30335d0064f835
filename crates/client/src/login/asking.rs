//! What both ways to sign in share: where the authorization server is asked, for what and as whom, and what is kept in the
//! end.

use relying::oauth_client::{ClientError, Endpoints, OAuthClient, Tokens};
use serde_json::Value;
use url::Url;

use super::{Login, LoginError, Surroundings};
use crate::discovery::{Discovered, DiscoveryError};
use crate::home::HomeError;
use crate::registration::{self, RegistrationError};
use crate::session::{self, Client, Session};
use crate::token_store::{TokenStore, TokenStoreError};

/// A sign-in that is to be asked for.
pub(super) struct Asking<'a> {
    pub(super) login: &'a Login,
    pub(super) found: &'a Discovered,
    pub(super) around: &'a Surroundings,
    pub(super) endpoints: Endpoints,
    server: &'a Url,
    store: &'a TokenStore,
    scope: String,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        login: &'a Login,
        (server, found): (&'a Url, &'a Discovered),
        store: &'a TokenStore,
        around: &'a Surroundings,
    ) -> Result<Self, LoginError> {
        let endpoints = Endpoints::read(&found.metadata, &found.issuer);
        let wanted = login.scope.as_deref().or(found.scope.as_deref());
        Ok(Self {
            login,
            found,
            around,
            endpoints: endpoints.map_err(|error| failed(found, error))?,
            server,
            store,
            scope: wanted_scope(wanted, &found.metadata),
        })
    }

    /// Whether a person can sign in there with a code (RFC 8628).
    pub(super) fn offers_codes(&self) -> bool {
        self.endpoints.device_authorization.is_some()
    }

    /// Whether a browser may be sent there (MA-73).
    pub(super) fn gives_codes(&self) -> Result<(), LoginError> {
        let found = self.found.gives_codes();
        Ok(found.map_err(DiscoveryError::from)?)
    }

    /// The authorization server, which is asked with these parameters beside the usual ones.
    pub(super) fn oauth(&self, parameters: Vec<(String, String)>) -> OAuthClient {
        let resource = self.found.resource.as_deref();
        let endpoints = self.endpoints.clone();
        session::oauth(endpoints, resource, &self.scope, parameters, &self.around.http)
    }

    /// The client that was registered there before.
    pub(super) fn client_before(&self) -> Result<Option<Client>, TokenStoreError> {
        registration::kept(self.store, &self.found.issuer)
    }

    /// The client to ask as.
    pub(super) async fn client(
        &self,
        before: Option<Client>,
        redirect_uri: &str,
        oauth: &OAuthClient,
    ) -> Result<Client, RegistrationError> {
        let (said, beside) = (&self.login.client, (self.store, oauth, &self.endpoints));
        registration::client(said, before, redirect_uri, beside, &self.around.world).await
    }

    /// The client is not known there any more.
    pub(super) fn forget_client(&self) -> Result<(), TokenStoreError> {
        registration::forget(self.store, &self.found.issuer)
    }

    /// The person is about to be shown something: one more that is not answered. Whoever gives up may end this process, so
    /// it counts until somebody is signed in; a "no" counts as well, for nobody is to be worn down by asking again.
    pub(super) fn counts(&self) -> Result<(), HomeError> {
        self.around.home.count_unanswered(self.server)
    }

    /// Why the authorization server gave nothing.
    pub(super) fn failed(&self, error: ClientError) -> LoginError {
        failed(self.found, error)
    }

    /// What is kept of the sign-in.
    pub(super) fn session(&self, client: Client, tokens: Tokens) -> Session {
        let mut session = Session {
            resource: self.found.resource.clone(),
            issuer: self.found.issuer.clone(),
            client,
            program: None,
            token_endpoint: self.endpoints.token.clone(),
            revocation_endpoint: self.endpoints.revocation.clone(),
            scope: Some(self.scope.clone()).filter(|scope| !scope.is_empty()),
            wanted: None,
            access_token: tokens.access_token.clone(),
            expires_at: None,
            refresh_token: None,
            id_token: None,
            person: Value::Null,
        };
        session.renewed(tokens, &self.around.world);
        session
    }
}

fn failed(found: &Discovered, error: ClientError) -> LoginError {
    LoginError::Tokens {
        issuer: found.issuer.clone(),
        error,
    }
}

/// What the server wants, and what the authorization server offers beside it: to renew (MA-132), and to say who it is.
fn wanted_scope(wanted: Option<&str>, metadata: &Value) -> String {
    let mut scopes: Vec<&str> = wanted.unwrap_or_default().split_whitespace().collect();
    if let Some(offered) = metadata["scopes_supported"].as_array() {
        for name in ["offline_access", "openid", "profile"] {
            if offered.iter().any(|scope| scope == name) && !scopes.contains(&name) {
                scopes.push(name);
            }
        }
    }
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ma_132_to_renew_is_asked_for_where_it_is_offered() {
        let offered = json!({ "scopes_supported": ["mcp", "offline_access", "openid"] });
        assert_eq!(wanted_scope(Some("mcp"), &offered), "mcp offline_access openid");
        assert_eq!(
            wanted_scope(Some("mcp"), &json!({ "scopes_supported": ["mcp"] })),
            "mcp"
        );
        assert_eq!(wanted_scope(None, &json!({})), "");
    }
}
