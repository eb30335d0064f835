//! Signing in without a browser at somebody else's authorization server (RFC 8628): asking for the codes, and asking for the
//! answer.
//!
//! What comes back is read by people too, so that it is made fit for a terminal here. An answer that is not one, a server that
//! does not answer or is busy, is asked again later (section 3.5); whatever else is wrong ends it.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use model::{ExposeSecret as _, SecretString, World};
use serde_json::Value;
use url::Url;

use crate::discovery;
use crate::oauth_client::{ClientError, Endpoints, Identity, OAuthClient, Tokens, read};
use crate::token_request::{TokenError, ask_within};

/// `grant_type` (RFC 8628 section 3.4).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The pause where nothing is said of it (RFC 8628 section 3.2).
const POLL_EVERY: Duration = Duration::from_secs(5);
/// Nobody is asked oftener, nor told to come back later than that.
const SLOWEST: Duration = Duration::from_mins(5);
/// Longer than any answer that nobody asked to wait for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest code that a person is asked to type.
const LONGEST_USER_CODE: usize = 40;

/// The codes, and what to do with them.
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// What to ask with.
    pub device_code: SecretString,
    /// What the person types, fit for a terminal.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code, if there is one.
    pub complete: Option<Url>,
    /// How long the codes are good.
    pub lives: Duration,
    /// The pause between two questions, each counted from its beginning.
    pub poll_every: Duration,
}

/// How a question was answered.
#[derive(Debug)]
pub enum Answered {
    /// With tokens.
    Tokens(Box<Tokens>),
    /// The person has not decided.
    Pending,
    /// Nor that, and it was asked too soon: the pause grows by 5 s.
    SlowDown,
    /// They said no.
    Denied,
    /// The codes have run out.
    Expired,
    /// Nobody answered, or nothing that can be read: it may pass.
    NoAnswer(String),
}

impl OAuthClient {
    /// Asks for the codes. `machine` is what the person is told of who asks.
    pub async fn authorize_device(
        &self,
        identity: &Identity,
        machine: &str,
        world: &World,
    ) -> Result<DeviceAuthorization, ClientError> {
        let endpoints = self.endpoints(world.now()).await?;
        let url = endpoints.device_authorization.as_ref().ok_or_else(|| {
            ClientError::Unavailable("it has no way to sign in without a browser".to_owned())
        })?;
        let mut fields = Vec::new();
        if !self.registration.scope.is_empty() {
            fields.push(("scope", self.registration.scope.as_str()));
        }
        if let Some(resource) = &self.registration.resource {
            fields.push(("resource", resource));
        }
        let mut request = self.request(identity, url, fields, (&endpoints, world))?;
        if let Ok(machine) = HeaderValue::from_str(machine) {
            request.headers_mut().insert(header::USER_AGENT, machine);
        }
        let (status, answer) = ask_within(&self.client, request, PATIENCE)
            .await
            .map_err(|error| ClientError::Unavailable(error.to_string()))?;
        codes(status, &answer)
    }

    /// Asks for the answer, and says that it may take until `wait` has passed (RFC 7240 section 4.3).
    pub async fn poll_device(
        &self,
        identity: &Identity,
        device_code: &SecretString,
        wait: Duration,
        world: &World,
    ) -> Result<Answered, ClientError> {
        let endpoints: Endpoints = self.endpoints(world.now()).await?;
        let fields = vec![
            ("grant_type", GRANT),
            ("device_code", device_code.expose_secret()),
        ];
        let mut request = self.request(identity, &endpoints.token, fields, (&endpoints, world))?;
        if let Ok(wait) = HeaderValue::from_str(&format!("wait={}", wait.as_secs())) {
            request.headers_mut().insert("prefer", wait);
        }
        match ask_within(&self.client, request, wait + PATIENCE).await {
            Ok((status, answer)) => answered(status, &answer, &self.registration.tokens_at),
            Err(error @ (TokenError::Call(_) | TokenError::Slow | TokenError::Answer(_))) => {
                Ok(Answered::NoAnswer(error.to_string()))
            }
            Err(error) => Err(ClientError::Unavailable(error.to_string())),
        }
    }
}

fn codes(status: StatusCode, answer: &Value) -> Result<DeviceAuthorization, ClientError> {
    if !status.is_success() {
        // An error; and an answer that holds tokens is no answer to this.
        return Err(match read(status, answer, "") {
            Err(error) => error,
            Ok(_) => ClientError::Unavailable(format!("it answered {status}")),
        });
    }
    let missing = |member: &str| ClientError::Unavailable(format!("it answered without a good {member}"));
    let text = |member: &str| answer[member].as_str().filter(|text| !text.is_empty());
    let page = |member: &str| {
        let url = text(member).and_then(|text| Url::parse(text).ok());
        url.filter(discovery::is_safe)
    };
    let is_plain = |code: &&str| {
        code.chars().count() <= LONGEST_USER_CODE
            && code.chars().all(|c| c.is_alphanumeric() || "- ".contains(c))
    };
    let seconds = |member: &str| answer[member].as_u64().map(Duration::from_secs);
    Ok(DeviceAuthorization {
        device_code: text("device_code")
            .ok_or_else(|| missing("device_code"))?
            .to_owned()
            .into(),
        user_code: text("user_code")
            .filter(is_plain)
            .ok_or_else(|| missing("user_code"))?
            .to_owned(),
        verification_uri: page("verification_uri").ok_or_else(|| missing("verification_uri"))?,
        complete: page("verification_uri_complete"),
        lives: seconds("expires_in").ok_or_else(|| missing("expires_in"))?,
        poll_every: seconds("interval")
            .unwrap_or(POLL_EVERY)
            .clamp(Duration::from_secs(1), SLOWEST),
    })
}

fn answered(status: StatusCode, answer: &Value, tokens_at: &str) -> Result<Answered, ClientError> {
    Ok(match answer["error"].as_str() {
        Some("authorization_pending") => Answered::Pending,
        Some("slow_down") => Answered::SlowDown,
        Some("access_denied") => Answered::Denied,
        Some("expired_token") => Answered::Expired,
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Answered::NoAnswer(format!("it answered {status}"))
        }
        _ => Answered::Tokens(Box::new(read(status, answer, tokens_at)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({ "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://as.test/device",
            "verification_uri_complete": "https://as.test/device?user_code=WDJB-MJHT", "expires_in": 900 })
    }

    fn with(member: &str, value: Value) -> Value {
        let mut answer = good();
        answer[member] = value;
        answer
    }

    #[test]
    fn os_92_what_a_person_reads_is_fit_for_a_terminal() {
        let of = |answer: &Value| codes(StatusCode::OK, answer);
        let read = of(&good()).unwrap();
        assert_eq!(
            (read.poll_every, read.lives),
            (Duration::from_secs(5), Duration::from_mins(15))
        );
        assert_eq!(read.complete.unwrap().query(), Some("user_code=WDJB-MJHT"));
        let slow = of(&with("interval", json!(1_000_000))).unwrap();
        assert_eq!(slow.poll_every, SLOWEST);
        assert_eq!(
            of(&with("interval", json!(0))).unwrap().poll_every,
            Duration::from_secs(1)
        );
        for bad in [
            with("device_code", json!("")),
            with("user_code", json!("WDJB\u{1b}[2J")),
            with("user_code", json!("W".repeat(41))),
            with("verification_uri", json!("javascript:alert(1)")),
            with("verification_uri", json!("http://as.example/device")),
            with("expires_in", json!("soon")),
        ] {
            assert!(of(&bad).is_err(), "{bad}");
        }
        let odd = of(&with("verification_uri_complete", json!("file:///etc/passwd"))).unwrap();
        assert!(odd.complete.is_none(), "it is optional");
        let refused = codes(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_client" }));
        assert!(matches!(refused, Err(ClientError::Client(_))));
        assert!(codes(StatusCode::BAD_REQUEST, &good()).is_err());
    }

    #[test]
    fn os_74_answers_are_told_apart() {
        let of =
            |status: u16, answer: Value| match answered(StatusCode::from_u16(status).unwrap(), &answer, "") {
                Ok(Answered::Tokens(_)) => "tokens",
                Ok(Answered::Pending) => "pending",
                Ok(Answered::SlowDown) => "slow down",
                Ok(Answered::Denied) => "denied",
                Ok(Answered::Expired) => "expired",
                Ok(Answered::NoAnswer(_)) => "none",
                Err(_) => "over",
            };
        for (error, said) in [
            ("authorization_pending", "pending"),
            ("slow_down", "slow down"),
            ("access_denied", "denied"),
            ("expired_token", "expired"),
            ("invalid_grant", "over"),
            ("invalid_client", "over"),
            ("unsupported_grant_type", "over"),
        ] {
            assert_eq!(of(400, json!({ "error": error })), said);
        }
        assert_eq!(of(200, json!({ "access_token": "a" })), "tokens");
        assert_eq!(of(200, json!({ "token_type": "bearer" })), "over");
        assert_eq!(of(503, json!(null)), "none");
        assert_eq!(of(429, json!({ "error": "temporarily_unavailable" })), "none");
        assert_eq!(of(404, json!(null)), "over");
    }
}
