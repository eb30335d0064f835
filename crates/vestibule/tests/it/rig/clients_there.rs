//! The clients that a provider knows: those that registered themselves, and those that prove themselves with a key.

use std::collections::{HashMap, HashSet};

use keys::PublicKeys;
use protocol::Params;
use protocol::jwt::Compact;
use serde_json::{Value, json};

/// How clients make themselves known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registering {
    /// `token_endpoint_auth_methods_supported`.
    pub(crate) methods: Vec<&'static str>,
    /// When secrets run out, in seconds since 1970; 0: never.
    pub(crate) secrets_expire_at: i64,
    /// Whether it reads documents, and which ones it has read.
    pub(crate) documents: Option<Vec<String>>,
    /// What clients said of themselves.
    pub(crate) requests: Vec<Value>,
    /// Answered to a registration, if it is out of order.
    pub(crate) says: Option<(u16, String)>,
    /// The `Authorization` or the secret in the form of each client.
    pub(super) clients: HashMap<String, String>,
}

impl Registering {
    pub(super) fn register(&mut self, body: &str) -> (u16, String) {
        let mut answer: Value = serde_json::from_str(body).unwrap();
        self.requests.push(answer.clone());
        if let Some(says) = &self.says {
            return says.clone();
        }
        let number = self.requests.len();
        let (id, secret) = (format!("client-{number}"), format!("client-s3cret-{number}"));
        answer["client_id"] = json!(id);
        let proof = match answer["token_endpoint_auth_method"].as_str().unwrap() {
            "client_secret_basic" => {
                let pair = data_encoding::BASE64.encode(format!("{id}:{secret}").as_bytes());
                format!("Basic {pair}")
            }
            "client_secret_post" => secret.clone(),
            _ => String::new(),
        };
        if !proof.is_empty() {
            answer["client_secret"] = json!(secret);
            answer["client_secret_expires_at"] = json!(self.secrets_expire_at);
        }
        self.clients.insert(id, proof);
        (201, answer.to_string())
    }

    /// Whether a request to the token endpoint is of a client that is known.
    pub(super) fn knows(&self, params: &Params, request: &str) -> bool {
        let one = |name: &str| params.one(name).unwrap().unwrap_or_default();
        let header = request.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization")
                .then(|| value.trim().to_owned())
        });
        if let Some(header) = header {
            return self.clients.values().any(|proof| *proof == header);
        }
        let documents = self.documents.iter().flatten();
        documents.into_iter().any(|known| known == one("client_id")) && one("client_secret").is_empty()
            || self
                .clients
                .get(one("client_id"))
                .is_some_and(|proof| proof == one("client_secret"))
    }
}

/// Keys by which a client proves itself, and what was seen of its proofs.
pub(super) struct ClientKeys {
    keys: PublicKeys,
    audience: String,
    seen: HashSet<String>,
}

impl ClientKeys {
    /// Those of a client that calls the provider so.
    pub(super) fn new(jwks: &Value, audience: &str) -> Self {
        Self {
            keys: PublicKeys::from_jwks(jwks),
            audience: audience.to_owned(),
            seen: HashSet::new(),
        }
    }

    /// Whether the client has proven itself, as RFC 7523 section 3 has it: for this provider, for a short while, and once.
    pub(super) fn is_client(&mut self, params: &Params, request: &str) -> bool {
        let one = |name: &str| params.one(name).unwrap().unwrap_or_default();
        let Ok(assertion) = Compact::parse(one("client_assertion")) else {
            return false;
        };
        let claims: Value = serde_json::from_slice(&assertion.payload).unwrap();
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        one("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            && self.keys.verify(&assertion, &["ES256", "RS256", "EdDSA"]).is_ok()
            && (&claims["iss"], &claims["sub"]) == (&json!("door"), &json!("door"))
            && claims["aud"] == json!(self.audience)
            && life == 60
            && self.seen.insert(claims["jti"].as_str().unwrap().to_owned())
            && one("client_secret").is_empty()
            && !request.to_ascii_lowercase().contains("\r\nauthorization:")
    }
}
