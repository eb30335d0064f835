//! Checking an ID token (OpenID Connect Core section 3.1.3.7).
//!
//! Every check stops somebody: the signature and its algorithm whoever makes tokens up, `iss` and `aud` whoever brings
//! one from elsewhere, `nonce` whoever brings one of another sign-in, `at_hash` whoever exchanges the access token,
//! `auth_time` a proof that is too old for the program that asked.

use std::time::Duration;

use keys::digest::at_hash_for;
use keys::jwk::SignatureError;
use keys::same;
use model::Timestamp;
use protocol::jwt::Compact;
use serde_json::Value;
use thiserror::Error;

use crate::claims::{audiences, time};
use crate::key_set::{KeySet, KeyTrouble};

/// What ID tokens may be signed with: asymmetric alone, so that no secret of ours, and no public key, can make one
/// (OS-121).
pub(crate) const ALGORITHMS: [&str; 6] = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"];
/// The longest token: two hundred groups with long names fit.
const LONGEST: usize = 64 << 10;
/// The longest `sub` (OpenID Connect Core section 2).
pub(crate) const LONGEST_SUBJECT: usize = 255;

/// What an ID token has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    /// That of the sign-in; one that is made anew later need not have one (section 12.2).
    pub(crate) nonce: Option<&'a str>,
    pub(crate) access_token: Option<&'a str>,
    pub(crate) leeway: Duration,
    /// How old the proof may be, counted from when the browser left.
    pub(crate) max_age: Option<(Duration, Timestamp)>,
}

/// Why an ID token does not count.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BadIdToken {
    /// Not a signed token that we look at.
    #[error("the ID token is malformed")]
    Malformed,
    /// `none`, symmetric or unknown.
    #[error("the ID token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Wrong, or with a key that the provider does not have.
    #[error("the signature of the ID token is wrong")]
    Signature,
    /// An access token, a logout token, something else.
    #[error("the token is not an ID token")]
    Type,
    /// Of another issuer.
    #[error("the ID token was issued by somebody else")]
    Issuer,
    /// For somebody else.
    #[error("the ID token is for another client")]
    Audience,
    /// Its time is over.
    #[error("the ID token has expired")]
    Expired,
    /// From the future.
    #[error("the ID token does not count yet")]
    NotYet,
    /// `sub`, `exp` or `iat` is missing or unreadable.
    #[error("the ID token lacks sub, exp or iat")]
    Claims,
    /// Of another sign-in.
    #[error("the ID token is of another sign-in: wrong nonce")]
    Nonce,
    /// The access token is of another sign-in.
    #[error("the ID token is not for the access token beside it: wrong at_hash")]
    AccessToken,
    /// The person did not prove who they are as lately as the program that asked wants it, or nobody says when.
    #[error("the provider does not say that the person signed in lately: auth_time")]
    AuthTime,
    /// Nobody can say: the keys cannot be had.
    #[error("the provider's keys cannot be had at this moment")]
    Unavailable,
}

/// A token that counts.
#[derive(Debug)]
pub(crate) struct IdToken {
    pub(crate) claims: Value,
}

impl IdToken {
    pub(crate) async fn check(
        token: &str,
        expected: &Expected<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Self, BadIdToken> {
        let compact = Compact::parse_up_to(token, LONGEST).map_err(|_| BadIdToken::Malformed)?;
        if !ALGORITHMS.contains(&compact.header.alg.as_str()) {
            return Err(BadIdToken::Algorithm);
        }
        if !["", "jwt"].contains(&compact.header.media_type().as_str()) {
            return Err(BadIdToken::Type);
        }
        let claims: Value = keys::jws::claims(&compact).ok_or(BadIdToken::Malformed)?;
        // Before the signature, so that what is none of this provider's asks for no keys.
        let made_at = check_claims(&claims, &compact.header.alg, expected, now)?;
        keys.verify(&compact, &ALGORITHMS, made_at, now)
            .await
            .map_err(|trouble| match trouble {
                KeyTrouble::Signature(SignatureError::Algorithm) => BadIdToken::Algorithm,
                KeyTrouble::Signature(_) => BadIdToken::Signature,
                KeyTrouble::Unavailable => BadIdToken::Unavailable,
            })?;
        Ok(Self { claims })
    }
}

/// All but the signature. Gives when the token was made.
fn check_claims(
    claims: &Value,
    alg: &str,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Timestamp, BadIdToken> {
    let text = |name: &str| claims[name].as_str().filter(|text| !text.is_empty());
    if text("iss") != Some(expected.issuer) {
        return Err(BadIdToken::Issuer);
    }
    if claims.get("events").is_some() {
        return Err(BadIdToken::Type);
    }
    let audiences = audiences(claims);
    let is_for_us = audiences.iter().any(|audience| audience == expected.client_id);
    let authorized = text("azp");
    // Several audiences need `azp`, and it is us in any case.
    let is_ours = match authorized {
        Some(party) => party == expected.client_id,
        None => audiences.len() == 1 && claims.get("azp").is_none(),
    };
    if !is_for_us || !is_ours {
        return Err(BadIdToken::Audience);
    }
    let subject = text("sub").filter(|subject| subject.len() <= LONGEST_SUBJECT);
    let (Some(_), Some(expires_at), Some(issued_at)) = (subject, time(claims, "exp"), time(claims, "iat"))
    else {
        return Err(BadIdToken::Claims);
    };
    if expires_at + expected.leeway <= now {
        return Err(BadIdToken::Expired);
    }
    if issued_at > now + expected.leeway {
        return Err(BadIdToken::NotYet);
    }
    if let Some(wanted) = expected.nonce
        && !text("nonce").is_some_and(|nonce| same(nonce.as_bytes(), wanted.as_bytes()))
    {
        return Err(BadIdToken::Nonce);
    }
    if let Some(hash) = claims.get("at_hash") {
        let access = expected.access_token.ok_or(BadIdToken::AccessToken)?;
        let right = at_hash_for(alg, access).ok_or(BadIdToken::AccessToken)?;
        if hash.as_str() != Some(right.as_str()) {
            return Err(BadIdToken::AccessToken);
        }
    }
    if let Some((most, begun_at)) = expected.max_age {
        let proved_at = time(claims, "auth_time").ok_or(BadIdToken::AuthTime)?;
        // Whole seconds there; a proof of the second in which the browser left is one of after.
        if proved_at + most + expected.leeway + Duration::from_secs(1) <= begun_at {
            return Err(BadIdToken::AuthTime);
        }
    }
    Ok(issued_at)
}

#[cfg(test)]
mod tests;
