//! What is agreed with a provider, and what goes there and comes back with a browser (OpenID Connect Core section 3.1).

use std::sync::Arc;
use std::time::Duration;

use model::{ExposeSecret as _, SecretString, Timestamp};

use crate::claims::ClaimNames;
use crate::client_key::ClientKey;
use crate::metadata::ClientAuthentication;

/// What the operator says of a provider.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its identifier, byte for byte what its tokens say.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What we prove ourselves with.
    pub secret: Option<SecretString>,
    /// Or the key, in place of a secret (`private_key_jwt`).
    pub key: Option<Arc<ClientKey>>,
    /// How; as its metadata says if not given.
    pub authentication: Option<ClientAuthentication>,
    /// What is asked for, separated by spaces.
    pub scope: String,
    /// Which claims say what.
    pub claims: ClaimNames,
    /// The domain whose people alone may come, at a provider that says it in `hd` (Google).
    pub hosted_domain: Option<String>,
    /// Whether it is asked again about people later, with what it gives for that.
    pub refresh: bool,
    /// Further parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

impl Relation {
    /// Whether nothing differs.
    pub fn is_same(&self, other: &Self) -> bool {
        let secret = |relation: &Self| {
            relation
                .secret
                .as_ref()
                .map(|text| text.expose_secret().to_owned())
        };
        let is_same_key = match (&self.key, &other.key) {
            (Some(key), Some(other)) => key.is_same(other),
            (key, other) => key.is_none() && other.is_none(),
        };
        self.issuer == other.issuer
            && self.client_id == other.client_id
            && secret(self) == secret(other)
            && is_same_key
            && self.authentication == other.authentication
            && self.scope == other.scope
            && self.claims == other.claims
            && self.hosted_domain == other.hosted_domain
            && self.refresh == other.refresh
            && self.parameters == other.parameters
            && self.leeway == other.leeway
    }
}

/// What goes along to the provider.
#[derive(Clone, Copy, Debug)]
pub struct Departure<'a> {
    /// Where the browser is to come back to; of this provider alone.
    pub redirect_uri: &'a str,
    /// Finds what this browser began.
    pub state: &'a str,
    /// Binds the ID token to it.
    pub nonce: &'a str,
    /// Binds the code to it.
    pub code_challenge: &'a str,
    /// Whether the person has to prove who they are anew.
    pub again: bool,
    /// How old their proof may be.
    pub max_age: Option<Duration>,
    /// Classes of proof in its own words, any of which is enough.
    pub acr_values: Option<&'a str>,
    /// Whom the form should begin with.
    pub login_hint: Option<&'a str>,
    /// The language of our pages.
    pub language: &'a str,
}

/// What has to fit when the browser is back.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// As at the departure.
    pub redirect_uri: &'a str,
    /// What the provider gave.
    pub code: &'a str,
    /// The verifier of the challenge.
    pub code_verifier: &'a str,
    /// As at the departure.
    pub nonce: &'a str,
    /// How old the proof may be, and since when the browser was away.
    pub max_age: Option<(Duration, Timestamp)>,
}
