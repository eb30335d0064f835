//! Checking a logout token: a provider says that somebody's session there has ended (OpenID Connect Back-Channel Logout 1.0
//! section 2.6).
//!
//! It is kept apart from ID tokens on both sides: an ID token has no `events`, and what has a `nonce` is none of these.

use std::time::Duration;

use keys::jwk::SignatureError;
use model::Timestamp;
use protocol::jwt::Compact;
use serde_json::Value;
use thiserror::Error;

use crate::claims::{audiences, time};
use crate::id_token::{ALGORITHMS, LONGEST_SUBJECT};
use crate::key_set::{KeySet, KeyTrouble};

/// What such a token is about (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The longest token.
const LONGEST: usize = 8 << 10;
/// The longest `sid` that is kept.
pub(crate) const LONGEST_SID: usize = 255;
/// So old it may be if it does not say when it ends; newer providers have to (section 2.4).
const LIVES: Duration = Duration::from_mins(5);

/// Whose session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// `sub`: all sessions of this person, if no session is named.
    pub subject: Option<String>,
    /// `sid`: this session alone.
    pub sid: Option<String>,
    /// When the provider said so: what began later is not meant.
    pub at: Timestamp,
}

/// Why a logout token does not count.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BadLogoutToken {
    /// Not a signed token that we look at.
    #[error("the logout token is malformed")]
    Malformed,
    /// `none`, symmetric or unknown.
    #[error("the logout token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Wrong, or with a key that the provider does not have.
    #[error("the signature of the logout token is wrong")]
    Signature,
    /// An ID token, an access token, something else.
    #[error("the token is not a logout token")]
    Type,
    /// Of another issuer.
    #[error("the logout token was issued by somebody else")]
    Issuer,
    /// For somebody else.
    #[error("the logout token is for another client")]
    Audience,
    /// Its time is over, or has not come.
    #[error("the logout token does not count at this time")]
    Time,
    /// Nobody is named, or `iat` or `jti` is missing.
    #[error("the logout token lacks sub and sid, iat or jti")]
    Claims,
    /// Nobody can say: the keys cannot be had.
    #[error("the provider's keys cannot be had at this moment")]
    Unavailable,
}

pub(crate) async fn check(
    token: &str,
    (issuer, client_id): (&str, &str),
    keys: &KeySet,
    leeway: Duration,
    now: Timestamp,
) -> Result<LoggedOut, BadLogoutToken> {
    let compact = Compact::parse_up_to(token, LONGEST).map_err(|_| BadLogoutToken::Malformed)?;
    if !ALGORITHMS.contains(&compact.header.alg.as_str()) {
        return Err(BadLogoutToken::Algorithm);
    }
    if !["", "jwt", "logout+jwt"].contains(&compact.header.media_type().as_str()) {
        return Err(BadLogoutToken::Type);
    }
    let claims: Value = keys::jws::claims(&compact).ok_or(BadLogoutToken::Malformed)?;
    // Before the signature, so that what is none of this provider's asks for no keys.
    let logged_out = read(&claims, (issuer, client_id), leeway, now)?;
    keys.verify(&compact, &ALGORITHMS, logged_out.at, now)
        .await
        .map_err(|trouble| match trouble {
            KeyTrouble::Signature(SignatureError::Algorithm) => BadLogoutToken::Algorithm,
            KeyTrouble::Signature(_) => BadLogoutToken::Signature,
            KeyTrouble::Unavailable => BadLogoutToken::Unavailable,
        })?;
    Ok(logged_out)
}

/// All but the signature.
fn read(
    claims: &Value,
    (issuer, client_id): (&str, &str),
    leeway: Duration,
    now: Timestamp,
) -> Result<LoggedOut, BadLogoutToken> {
    let text = |name: &str| claims[name].as_str().filter(|text| !text.is_empty());
    if text("iss") != Some(issuer) {
        return Err(BadLogoutToken::Issuer);
    }
    if !claims["events"][EVENT].is_object() || claims.get("nonce").is_some() {
        return Err(BadLogoutToken::Type);
    }
    if !audiences(claims).iter().any(|audience| audience == client_id) {
        return Err(BadLogoutToken::Audience);
    }
    let (Some(at), Some(_)) = (time(claims, "iat"), text("jti")) else {
        return Err(BadLogoutToken::Claims);
    };
    let ends = match claims.get("exp") {
        Some(_) => time(claims, "exp").ok_or(BadLogoutToken::Time)?,
        None => at + LIVES,
    };
    if ends + leeway <= now || at > now + leeway {
        return Err(BadLogoutToken::Time);
    }
    let named =
        |name: &str, longest: usize| text(name).filter(|text| text.len() <= longest).map(str::to_owned);
    let (subject, sid) = (named("sub", LONGEST_SUBJECT), named("sid", LONGEST_SID));
    // What is there and cannot be read must not make the other one mean more.
    let is_unread = |name: &str, read: &Option<String>| claims.get(name).is_some() && read.is_none();
    if is_unread("sub", &subject) || is_unread("sid", &sid) || (subject.is_none() && sid.is_none()) {
        return Err(BadLogoutToken::Claims);
    }
    Ok(LoggedOut { subject, sid, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn good() -> Value {
        json!({
            "iss": "https://corp.example", "aud": "door", "iat": 999_990, "exp": 1_000_090, "jti": "1",
            "sub": "ana", "sid": "s1", "events": { EVENT: {} },
        })
    }

    fn with(name: &str, value: Value) -> Result<LoggedOut, BadLogoutToken> {
        let mut claims = good();
        claims[name] = value;
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        read(
            &claims,
            ("https://corp.example", "door"),
            Duration::from_secs(30),
            NOW,
        )
    }

    /// OpenID Connect Back-Channel Logout 1.0 section 2.6, check by check.
    #[test]
    fn a_logout_token_says_who_for_whom_and_when() {
        let logged_out = with("extra", json!(1)).unwrap();
        assert_eq!(logged_out.subject.as_deref(), Some("ana"));
        assert_eq!(logged_out.sid.as_deref(), Some("s1"));
        assert_eq!(with("sid", Value::Null).unwrap().sid, None);
        assert_eq!(with("sub", Value::Null).unwrap().subject, None);
        assert!(with("aud", json!(["other", "door"])).is_ok());
        assert!(with("exp", Value::Null).is_ok(), "older providers do not say");
        let long = "x".repeat(256);
        for (name, value, why) in [
            ("iss", json!("https://evil.example"), BadLogoutToken::Issuer),
            ("aud", json!("other"), BadLogoutToken::Audience),
            ("aud", Value::Null, BadLogoutToken::Audience),
            ("events", Value::Null, BadLogoutToken::Type),
            ("events", json!({ "other": {} }), BadLogoutToken::Type),
            ("events", json!({ EVENT: true }), BadLogoutToken::Type),
            ("nonce", json!("n"), BadLogoutToken::Type),
            ("iat", Value::Null, BadLogoutToken::Claims),
            ("iat", json!(1_000_031), BadLogoutToken::Time),
            ("exp", json!(999_970), BadLogoutToken::Time),
            ("exp", json!("soon"), BadLogoutToken::Time),
            ("jti", Value::Null, BadLogoutToken::Claims),
            ("sid", json!(7), BadLogoutToken::Claims),
            ("sid", json!(long.clone()), BadLogoutToken::Claims),
            ("sub", json!(long), BadLogoutToken::Claims),
            ("sub", json!(""), BadLogoutToken::Claims),
        ] {
            assert_eq!(with(name, value.clone()), Err(why), "{name}: {value}");
        }
        let nobody = json!({ "iss": "https://corp.example", "aud": "door", "iat": 999_990, "jti": "1", "events": { EVENT: {} } });
        let read = |claims: &Value, now| read(claims, ("https://corp.example", "door"), Duration::ZERO, now);
        assert_eq!(read(&nobody, NOW), Err(BadLogoutToken::Claims));
        let mut old = good();
        old.as_object_mut().unwrap().remove("exp");
        assert_eq!(read(&old, NOW + LIVES), Err(BadLogoutToken::Time));
    }
}
