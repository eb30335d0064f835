//! What is kept of a sign-in: the tokens, and what is needed to renew and to revoke them.

use std::path::PathBuf;
use std::time::Duration;

use model::{ExposeSecret, SecretString, Timestamp, World};
use net::Operators;
use protocol::jwt::Compact;
use relying::OAuthClient;
use relying::oauth_client::{Authentication, Endpoints, Identity, Place, Registration, Tokens};
use serde_json::{Value, json};
use url::Url;

use crate::login::Surroundings;
use crate::program::{KeyFile, Program};
use crate::registration::printable;
use crate::tokens::Ended;

/// How long a token counts as good of which nobody says how long it is.
const UNSAID: Duration = Duration::from_hours(1);
/// The claims of an ID token that are kept.
const SHOWN: [&str; 7] = [
    "sub",
    "preferred_username",
    "name",
    "email",
    "auth_time",
    "acr",
    "amr",
];

/// How this program is known at one issuer (MA-107).
#[derive(Clone, Debug)]
pub struct Client {
    /// As requests to the issuer have it.
    pub identity: Identity,
    /// Where its answers come, where the issuer knows one address and no other.
    pub redirect_uri: Option<String>,
    /// Whether it may ask without a browser (RFC 8628).
    pub device: bool,
    /// Where its key lies, if it proves itself by one: it is not kept with the tokens.
    pub key_file: Option<PathBuf>,
}

/// A sign-in.
#[derive(Clone, Debug)]
pub struct Session {
    /// The server as tokens name it. None of a sign-in at the issuer itself.
    pub resource: Option<String>,
    /// Who issued them.
    pub issuer: String,
    /// The client that they were issued to.
    pub client: Client,
    /// As what a program has them. None of a person.
    pub program: Option<Program>,
    /// Where they are renewed.
    pub token_endpoint: Url,
    /// Where they are revoked, if anywhere.
    pub revocation_endpoint: Option<Url>,
    /// What they are good for.
    pub scope: Option<String>,
    /// What a program asks for each time, whatever it was given before. None of a person, who is asked once.
    pub wanted: Option<String>,
    /// For the server.
    pub access_token: SecretString,
    /// Until when. None if nobody said.
    pub expires_at: Option<Timestamp>,
    /// For another one, if there is one.
    pub refresh_token: Option<SecretString>,
    /// Who the person is, of a sign-in at the issuer itself.
    pub id_token: Option<SecretString>,
    /// Who signed in, and how, as the issuer said it: claims of the ID token. It is shown, and decides nothing.
    pub person: Value,
}

impl Client {
    /// No client: who asks is known by something else.
    pub(crate) fn nobody() -> Self {
        Self {
            identity: Identity {
                client_id: String::new(),
                authentication: Authentication::None,
            },
            redirect_uri: None,
            device: false,
            key_file: None,
        }
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Value {
        let Identity {
            client_id,
            authentication,
        } = &self.identity;
        json!({
            "id": client_id,
            "method": authentication.method(),
            "secret": authentication.secret().map(ExposeSecret::expose_secret),
            "redirect_uri": self.redirect_uri,
            "device": self.device,
            "key_file": self.key_file,
        })
    }

    /// From what was kept.
    pub(crate) fn from_json(kept: &Value) -> Option<Self> {
        let key_file = kept["key_file"].as_str().map(PathBuf::from);
        let authentication = match &key_file {
            // A key that cannot be read is said so when something is asked for with it; the sign-in is there all the same.
            Some(path) => KeyFile::read(path.clone()).map_or(Authentication::None, |file| {
                Authentication::PrivateKeyJwt(file.key)
            }),
            None => Authentication::of(kept["method"].as_str()?, secret(&kept["secret"]))?,
        };
        Some(Self {
            identity: Identity {
                client_id: kept["id"].as_str()?.to_owned(),
                authentication,
            },
            key_file,
            redirect_uri: kept["redirect_uri"].as_str().map(str::to_owned),
            device: kept["device"].as_bool().unwrap_or_default(),
        })
    }
}

/// A client at an authorization server, for one server behind it.
pub(crate) fn oauth(
    endpoints: Endpoints,
    resource: Option<&str>,
    scope: &str,
    parameters: Vec<(String, String)>,
    http: &Operators,
) -> OAuthClient {
    let registration = Registration {
        scope: scope.to_owned(),
        pkce: true,
        parameters,
        resource: resource.map(str::to_owned),
        tokens_at: String::new(),
    };
    OAuthClient::new(registration, Place::Named(Box::new(endpoints)), http.clone())
}

impl Session {
    /// As it is kept: one secret text.
    pub(crate) fn to_text(&self) -> SecretString {
        let text = json!({
            "resource": self.resource,
            "issuer": self.issuer,
            "client": self.client.to_json(),
            "program": self.program,
            "token_endpoint": self.token_endpoint,
            "revocation_endpoint": self.revocation_endpoint,
            "scope": self.scope,
            "wanted": self.wanted,
            "access_token": self.access_token.expose_secret(),
            "expires_at": self.expires_at,
            "refresh_token": self.refresh_token.as_ref().map(ExposeSecret::expose_secret),
            "id_token": self.id_token.as_ref().map(ExposeSecret::expose_secret),
            "person": self.person,
        });
        text.to_string().into()
    }

    /// From what was kept.
    pub(crate) fn from_text(text: &SecretString) -> Option<Self> {
        let kept: Value = serde_json::from_str(text.expose_secret()).ok()?;
        let text = |member: &str| kept[member].as_str().map(str::to_owned);
        let url = |member: &str| Url::parse(kept[member].as_str()?).ok();
        Some(Self {
            resource: text("resource"),
            issuer: text("issuer")?,
            client: Client::from_json(&kept["client"])?,
            program: serde_json::from_value(kept["program"].clone()).ok()?,
            token_endpoint: url("token_endpoint")?,
            revocation_endpoint: url("revocation_endpoint"),
            scope: text("scope"),
            wanted: text("wanted"),
            access_token: secret(&kept["access_token"])?,
            expires_at: kept["expires_at"].as_i64().map(Timestamp::from_millis),
            refresh_token: secret(&kept["refresh_token"]),
            id_token: secret(&kept["id_token"]),
            person: kept["person"].clone(),
        })
    }

    /// Takes over what the token endpoint gave. A provider that gives no new refresh token means the one that is there.
    pub(crate) fn renewed(&mut self, tokens: Tokens, world: &World) {
        if let Some(person) = self.person_of(&tokens) {
            self.person = person;
        }
        self.access_token = tokens.access_token;
        self.refresh_token = tokens.refresh_token.or(self.refresh_token.take());
        // A token for a server needs none beside it.
        if self.resource.is_none() {
            self.id_token = tokens.id_token.or(self.id_token.take());
        }
        // Who does not say how long means some time; what can be renewed is, before anybody finds out.
        let is_renewable = self.refresh_token.is_some() || self.program.is_some();
        let unsaid = is_renewable.then_some(UNSAID);
        self.expires_at = tokens.lives.or(unsaid).map(|lives| world.now() + lives);
        self.scope = tokens.scope.or(self.scope.take());
    }

    /// Until when its ID token is good, if it has one that is meant for this client.
    pub(crate) fn id_token_ends_at(&self) -> Option<Timestamp> {
        let token = self.id_token.as_ref()?;
        let claims = id_claims(token, &self.issuer, &self.client.identity.client_id)?;
        Some(Timestamp::from_seconds(claims["exp"].as_i64()?))
    }

    /// What the token endpoint says of the person.
    fn person_of(&self, tokens: &Tokens) -> Option<Value> {
        let id_token = tokens.id_token.as_ref()?;
        let mut claims = id_claims(id_token, &self.issuer, &self.client.identity.client_id)?;
        let kept = SHOWN.map(|name| (name.to_owned(), claims[name].take()));
        let kept = kept.into_iter().filter(|(_, value)| !value.is_null());
        Some(kept.collect())
    }

    /// What the person is called; of a program, what it is as a client.
    pub(crate) fn username(&self) -> Option<String> {
        let client_id = &self.client.identity.client_id;
        if self.program.is_some() && !client_id.is_empty() {
            return Some(printable(client_id));
        }
        let mut names = ["preferred_username", "email", "name", "sub"].into_iter();
        names.find_map(|claim| self.person[claim].as_str()).map(printable)
    }

    /// Has its issuer take the tokens back.
    pub(crate) async fn revoke(&self, around: &Surroundings) -> Ended {
        // Nobody can say whose it would be; it ends soon.
        if self.client.identity.client_id.is_empty() {
            return Ended::Forgotten;
        }
        // The refresh token takes every access token with it.
        let token = self.refresh_token.as_ref().unwrap_or(&self.access_token);
        let oauth = self.oauth(&around.http);
        match oauth
            .revoke(&self.client.identity, token.expose_secret(), &around.world)
            .await
        {
            Ok(true) => Ended::Revoked,
            Ok(false) => Ended::Forgotten,
            Err(_) => Ended::NotRevoked,
        }
    }

    /// Ready to renew and to revoke.
    pub(crate) fn oauth(&self, http: &Operators) -> OAuthClient {
        // No browser goes anywhere any more.
        let (nowhere, token) = (self.token_endpoint.clone(), self.token_endpoint.clone());
        let endpoints = Endpoints {
            issuer: self.issuer.clone(),
            ..Endpoints::named(nowhere, token, self.revocation_endpoint.clone())
        };
        let scope = self.wanted.as_deref().unwrap_or_default();
        oauth(endpoints, self.resource.as_deref(), scope, Vec::new(), http)
    }
}

/// What an ID token says that the token endpoint gave over its own connection (OpenID Connect Core section 3.1.3.7, step 6).
/// None if it is another issuer's, or for somebody else.
pub(crate) fn id_claims(token: &SecretString, issuer: &str, client_id: &str) -> Option<Value> {
    let parsed = Compact::parse(token.expose_secret()).ok()?;
    let claims: Value = serde_json::from_slice(&parsed.payload).ok()?;
    let audience = &claims["aud"];
    let is_for = *audience == *client_id
        || audience
            .as_array()
            .is_some_and(|all| all.iter().any(|one| *one == *client_id));
    Some(claims).filter(|claims| claims["iss"] == *issuer && is_for)
}

fn secret(kept: &Value) -> Option<SecretString> {
    Some(kept.as_str()?.to_owned().into())
}
