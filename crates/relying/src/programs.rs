//! Tokens for programs, which nobody is asked for: as a client of its own (OAuth 2.1 section 4.2), and as a workload for
//! which its platform vouches (RFC 7523 section 2.1).

use model::{ExposeSecret as _, SecretString, World};
use serde_json::Value;

use crate::discovery;
use crate::oauth_client::{ClientError, Endpoints, Identity, OAuthClient, Tokens, read, texts};

impl Endpoints {
    /// Reads metadata that is known to be this issuer's, of which a program needs less: no browser goes anywhere, and an
    /// authorization server for programs alone has nowhere to go (RFC 8414 section 2).
    pub fn for_programs(document: &Value, issuer: &str) -> Result<Self, ClientError> {
        let endpoint = |member: &str| discovery::endpoint(document, member, issuer);
        let missing = || ClientError::Unavailable("its metadata names no token_endpoint".to_owned());
        let token = endpoint("token_endpoint").ok_or_else(missing)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            methods: texts(&document["token_endpoint_auth_methods_supported"]),
            ..Self::named(token.clone(), token, endpoint("revocation_endpoint"))
        })
    }
}

impl OAuthClient {
    /// As the client itself.
    pub async fn client_credentials(
        &self,
        identity: &Identity,
        world: &World,
    ) -> Result<Tokens, ClientError> {
        self.granted(identity, vec![("grant_type", "client_credentials")], world)
            .await
    }

    /// As the workload that an assertion of its platform is of.
    pub async fn jwt_bearer(
        &self,
        identity: &Identity,
        assertion: &SecretString,
        world: &World,
    ) -> Result<Tokens, ClientError> {
        let fields = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_secret()),
        ];
        self.granted(identity, fields, world).await
    }

    async fn granted<'a>(
        &'a self,
        identity: &'a Identity,
        mut fields: Vec<(&'a str, &'a str)>,
        world: &World,
    ) -> Result<Tokens, ClientError> {
        let registration = &self.registration;
        if !registration.scope.is_empty() {
            fields.push(("scope", &registration.scope));
        }
        if let Some(resource) = &registration.resource {
            fields.push(("resource", resource));
        }
        let (status, answer) = self.answer(identity, fields, world).await?;
        read(status, &answer, registration.tokens_at.as_str())
    }
}
