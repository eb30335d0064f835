//! Tokens for programs, which nobody is asked for: as a client of its own (OAuth 2.1 section 4.2), and as a workload for
//! which its platform vouches (RFC 7523 section 2.1).

use model::{ExposeSecret as _, SecretString, World};

use crate::oauth_client::{ClientError, Identity, OAuthClient, Tokens, read};

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
