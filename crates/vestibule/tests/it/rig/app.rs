//! A program that acts for people: an OAuth client.

use std::net::SocketAddr;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Ask, Door, Reply};

/// A verifier and its challenge (RFC 7636 appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A registered client.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) redirect_uri: String,
    pub(crate) secret: Option<String>,
    pub(crate) resource: String,
    pub(crate) address: SocketAddr,
    /// By which name it knows the door.
    pub(crate) host: String,
}

/// What the token endpoint gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) all: Value,
}

impl Tokens {
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        let all = reply.json();
        let text = |member: &str| all[member].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            all,
        }
    }

    /// The claims of the access token, unverified.
    pub(crate) fn claims(&self) -> Value {
        claims(&self.access)
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

impl App {
    pub(crate) const CALLBACK: &'static str = "http://127.0.0.1:43117/callback";

    /// Registers; the first redirect URI is the one that is used.
    pub(crate) async fn register(door: &Door, metadata: &Value) -> Self {
        let reply = door
            .ask(Ask::json("/register", metadata).with("host", door.host()))
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let registered = reply.json();
        Self {
            id: registered["client_id"].as_str().unwrap().to_owned(),
            redirect_uri: registered["redirect_uris"][0].as_str().unwrap().to_owned(),
            secret: registered["client_secret"].as_str().map(str::to_owned),
            resource: door.endpoint(),
            address: door.address,
            host: door.host().to_owned(),
        }
    }

    /// The parameters of a good authorization request.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("state", "state-of-the-client"),
            ("scope", "mcp offline_access"),
            ("resource", &self.resource),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        parameters
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// A good authorization request, with these parameters in place of its own; an empty value leaves one out.
    pub(crate) fn authorize(&self, changes: &[(&str, &str)]) -> String {
        let mut parameters = self.parameters();
        for (name, value) in changes {
            parameters.retain(|(known, _)| known != name);
            if !value.is_empty() {
                parameters.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let pairs = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        format!("/authorize?{}", protocol::params::encode(pairs))
    }

    /// A form for the token endpoint, with the client's own credentials.
    pub(crate) fn token_form(&self, fields: &[(&str, &str)]) -> Ask {
        let mut all = fields.to_vec();
        if !all.iter().any(|(name, _)| *name == "client_id") {
            all.push(("client_id", &self.id));
        }
        if let Some(secret) = &self.secret {
            all.push(("client_secret", secret));
        }
        Ask::form("/token", &all)
    }

    /// A good request with a code, with changes as above.
    pub(crate) fn redeem_with(&self, code: &str, changes: &[(&str, &str)]) -> Ask {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        self.token_form(&fields)
    }

    pub(crate) fn refresh_with(&self, token: &str, more: &[(&str, &str)]) -> Ask {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        fields.extend(more);
        self.token_form(&fields)
    }

    pub(crate) async fn redeem(&self, code: &str) -> Reply {
        let form = self.redeem_with(code, &[]).with("host", self.host.as_str());
        form.to(self.address).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        let form = self.refresh_with(token, &[]).with("host", self.host.as_str());
        form.to(self.address).await
    }

    pub(crate) async fn revoke(&self, token: &str) -> Reply {
        let form = Ask::form("/revoke", &[("token", token), ("client_id", &self.id)]);
        form.to(self.address).await
    }

    /// A code that `username` approved.
    pub(crate) async fn code(&self, door: &Door, username: &str) -> String {
        let back = door.browser().approve(&self.authorize(&[]), username).await;
        code_of(&back)
    }

    /// Tokens that `username` approved.
    pub(crate) async fn sign_in(&self, door: &Door, username: &str) -> Tokens {
        let code = self.code(door, username).await;
        Tokens::of(&self.redeem(&code).await)
    }
}

/// The parameters of a way back to the client.
pub(crate) fn query_of(url: &str) -> Value {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let params = protocol::Params::parse(query.as_bytes()).unwrap();
    let mut all = json!({});
    for (name, value) in params.iter() {
        assert!(all[name].is_null(), "{name} came twice: {url}");
        all[name] = json!(value);
    }
    all
}

/// The code in it.
pub(crate) fn code_of(url: &str) -> String {
    let query = query_of(url);
    query["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code: {url}"))
        .to_owned()
}
