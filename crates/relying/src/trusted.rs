//! An issuer that the operator trusts, and checking its tokens (MA-54, OS-121, OS-122).
//!
//! The configuration fixes issuer, algorithms, types and keys before any token is looked at. A token chooses one
//! thing: which of the issuer's keys it claims to be signed with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keys::jwk::SignatureError;
use keys::sha256;
use model::{Assurance, Timestamp};
use net::Operators;
use protocol::jwt::{Compact, CompactError};
use protocol::scope;
use quick_cache::sync::Cache;
use serde_json::Value;
use thiserror::Error;

use crate::access::ForeignAccess;
use crate::claims::{ClaimNames, audiences, time};
use crate::key_set::{KeySet, KeyTrouble, Source};

/// Checked tokens that are kept.
const CAPACITY: usize = 50_000;
/// After so long a signature is checked again, so that a key that the issuer withdrew stops counting.
const CHECKED: Duration = Duration::from_mins(10);
/// The longest `sub` (OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 255;

/// What the operator said of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Its name in the configuration.
    pub name: String,
    /// Its identifier, byte for byte what its tokens say.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: Source,
    /// The algorithms that count.
    pub algorithms: Vec<String>,
    /// The `typ` that count, in lower case, without `application/`; empty stands for a token without one.
    pub types: Vec<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Whether ID tokens count too.
    pub id_tokens: bool,
    /// Which claims say what.
    pub claims: ClaimNames,
    /// The scope that stands for `mcp`, if scopes are read.
    pub mcp_scope: String,
    /// How long keys count that cannot be fetched again.
    pub keep_keys: Duration,
    /// Whether somebody who comes for the first time gets an account.
    pub create_accounts: bool,
    /// What its `acr` stand for; others stand for nothing.
    pub assurance: BTreeMap<String, Assurance>,
}

/// Why a token does not count. The texts are what the challenge says.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BadForeignToken {
    /// Not a signed token that we look at.
    #[error("not an access token of the issuer")]
    Malformed,
    /// Signed with an algorithm that the configuration does not name.
    #[error("the token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Wrong, or with a key that the issuer does not have.
    #[error("the signature is wrong")]
    Signature,
    /// An ID token, a refresh token, or of a `typ` that the configuration does not name.
    #[error("this is not an access token")]
    Type,
    /// Of another issuer.
    #[error("the token was issued by somebody else")]
    Issuer,
    /// Its time is over.
    #[error("token expired")]
    Expired,
    /// Its time has not come.
    #[error("the token does not count yet")]
    NotYet,
    /// `sub`, `exp` or `iat` is missing or unreadable.
    #[error("the token lacks sub, exp or iat")]
    Claims,
    /// Nobody can say: the issuer's keys cannot be had.
    #[error("the issuer's keys cannot be had at this moment")]
    Unavailable,
}

/// A trusted issuer.
#[derive(Debug)]
pub struct TrustedIssuer {
    /// What the operator said of it.
    pub trust: Trust,
    /// What the way to it was made from, so that a new configuration can take it over with its keys.
    pub egress: net::Egress,
    keys: KeySet,
    known: Cache<[u8; 32], Arc<Checked>>,
}

#[derive(Debug)]
struct Checked {
    access: Arc<ForeignAccess>,
    good_until: Timestamp,
}

impl TrustedIssuer {
    /// Asks nobody yet.
    pub fn new(trust: Trust, egress: net::Egress, client: Operators) -> Self {
        Self {
            keys: KeySet::new(trust.keys.clone(), client, trust.keep_keys),
            known: Cache::new(CAPACITY),
            trust,
            egress,
        }
    }

    /// What a token says that was checked lately and still counts; never waits.
    pub fn remembered(&self, token: &str, now: Timestamp) -> Option<Arc<ForeignAccess>> {
        let digest = sha256(token.as_bytes());
        let checked = self.known.get(&digest)?;
        if checked.good_until <= now {
            self.known.remove(&digest);
            return None;
        }
        Some(Arc::clone(&checked.access))
    }

    /// Checks a token. Does not say whom it is for: compare [`ForeignAccess::audiences`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<ForeignAccess>, BadForeignToken> {
        if let Some(access) = self.remembered(token, now) {
            return Ok(access);
        }
        let compact = Compact::parse(token).map_err(|_: CompactError| BadForeignToken::Malformed)?;
        if !self.trust.types.contains(&compact.header.media_type()) {
            return Err(BadForeignToken::Type);
        }
        let claims: Value = keys::jws::claims(&compact).ok_or(BadForeignToken::Malformed)?;
        // Read before the signature is checked, so that what is none of this issuer's asks for no keys.
        let access = self.read(&claims, now)?;
        let allowed: Vec<_> = self.trust.algorithms.iter().map(String::as_str).collect();
        self.keys
            .verify(&compact, &allowed, access.issued_at, now)
            .await
            .map_err(|trouble| match trouble {
                KeyTrouble::Signature(SignatureError::Algorithm) => BadForeignToken::Algorithm,
                KeyTrouble::Signature(_) => BadForeignToken::Signature,
                KeyTrouble::Unavailable => BadForeignToken::Unavailable,
            })?;
        let access = Arc::new(access);
        let checked = Checked {
            access: Arc::clone(&access),
            good_until: access.expires_at.min(now + CHECKED),
        };
        self.known.insert(sha256(token.as_bytes()), Arc::new(checked));
        Ok(access)
    }

    /// What the claims say, if they are those of a token that counts at this moment.
    fn read(&self, claims: &Value, now: Timestamp) -> Result<ForeignAccess, BadForeignToken> {
        let trust = &self.trust;
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        if text("iss") != Some(trust.issuer.as_str()) {
            return Err(BadForeignToken::Issuer);
        }
        if !is_access_token(claims, trust.id_tokens) {
            return Err(BadForeignToken::Type);
        }
        let subject = text("sub").filter(|subject| subject.len() <= LONGEST_SUBJECT);
        let (Some(subject), Some(expires_at), Some(issued_at)) =
            (subject, time(claims, "exp"), time(claims, "iat"))
        else {
            return Err(BadForeignToken::Claims);
        };
        if expires_at + trust.leeway <= now {
            return Err(BadForeignToken::Expired);
        }
        let begins = match claims.get("nbf") {
            Some(_) => time(claims, "nbf").ok_or(BadForeignToken::Claims)?.max(issued_at),
            None => issued_at,
        };
        if begins > now + trust.leeway {
            return Err(BadForeignToken::NotYet);
        }
        let client = ["client_id", "azp", "cid", "appid"].into_iter().find_map(text);
        let mut scopes = match &trust.claims.scopes {
            Some(claim) => claim.words(claims),
            None => vec![scope::MCP.to_owned()],
        };
        let reaches = trust.claims.scopes.is_none() || scopes.contains(&trust.mcp_scope);
        scopes.retain(|word| word != scope::MCP);
        if reaches {
            scopes.insert(0, scope::MCP.to_owned());
        }
        let of = |claim: &Option<crate::ClaimPath>| claim.as_ref().and_then(|claim| claim.text(claims));
        Ok(ForeignAccess {
            trust: trust.name.clone(),
            issuer: trust.issuer.clone(),
            subject: subject.to_owned(),
            audiences: audiences(claims),
            client: match client {
                Some(client) => format!("issuer:{}:{client}", trust.name),
                None => format!("issuer:{}", trust.name),
            },
            scope: scopes.join(" "),
            reaches,
            groups: trust
                .claims
                .groups
                .as_ref()
                .map(|claim| claim.groups(claims))
                .unwrap_or_default(),
            username: of(&trust.claims.username),
            name: of(&trust.claims.name),
            email: of(&trust.claims.email),
            token: text("jti").map(|id| id.chars().take(200).collect()),
            issued_at,
            expires_at: expires_at + trust.leeway,
            // One of the future would be new for ever.
            auth_time: time(claims, "auth_time").filter(|at| *at <= now + trust.leeway),
            assurance: text("acr")
                .and_then(|acr| trust.assurance.get(acr).copied())
                .unwrap_or_default(),
        })
    }
}

/// Whether these are the claims of an access token. Issuers that call every token `JWT` give themselves away by what is
/// in it; without that, a token that was made to be shown to a client could be shown to us.
fn is_access_token(claims: &Value, id_tokens: bool) -> bool {
    let has = |name: &str| claims.get(name).is_some();
    let says = |name: &str, words: &[&str]| {
        let said = claims.get(name).and_then(Value::as_str).unwrap_or_default();
        words.iter().any(|word| said.eq_ignore_ascii_case(word))
    };
    let is_id_token = has("nonce")
        || has("at_hash")
        || has("c_hash")
        || has("s_hash")
        || says("typ", &["id"])
        || says("token_use", &["id"]);
    let is_something_else = has("events") || says("typ", &["refresh", "offline", "logout"]);
    !is_something_else && (id_tokens || !is_id_token)
}

#[cfg(test)]
mod tests;
