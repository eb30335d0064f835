//! Redeeming a code (OAuth 2.1 section 4.1.3), and asking the userinfo endpoint (OpenID Connect Core section 5.3).

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use model::{ExposeSecret, SecretString, World};
use net::operators::CallError;
use net::{Body, body};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::client_authentication::{Authentication, Proving};
use crate::metadata::{ClientAuthentication, ProviderMetadata};
use crate::outward::Outward;
use crate::relation::{Arrival, Relation};

/// Most bytes of an answer.
const LARGEST: usize = 256 << 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the token endpoint gave.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "they are the members of the answer")]
pub(crate) struct Tokens {
    pub(crate) id_token: Option<SecretString>,
    pub(crate) access_token: Option<SecretString>,
    pub(crate) refresh_token: Option<SecretString>,
}

/// Why there are none.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// Nobody could be reached.
    #[error("{0}")]
    Call(#[from] CallError),
    /// It took too long.
    #[error("no answer in time")]
    Slow,
    /// It did not take what we sent; this is its `error`.
    #[error("refused: {0}")]
    Refused(String),
    /// It does not take us for its client: something for the operator.
    #[error("the token endpoint does not take us for its client: {0}")]
    Client(String),
    /// Something else than tokens.
    #[error("answered {0} and no tokens")]
    Answer(StatusCode),
}

/// Redeems a code.
pub(crate) async fn redeem(
    client: &impl Outward,
    metadata: &ProviderMetadata,
    relation: &Relation,
    arrival: &Arrival<'_>,
    world: &World,
) -> Result<Tokens, TokenError> {
    let fields = vec![
        ("grant_type", "authorization_code"),
        ("code", arrival.code),
        ("redirect_uri", arrival.redirect_uri),
        ("code_verifier", arrival.code_verifier),
    ];
    let tokens = tokens(client, token_request(metadata, relation, fields, world)?).await?;
    if tokens.id_token.is_none() {
        return Err(TokenError::Answer(StatusCode::OK));
    }
    Ok(tokens)
}

/// Redeems a refresh token (OpenID Connect Core section 12.1).
pub(crate) async fn refresh(
    client: &impl Outward,
    metadata: &ProviderMetadata,
    relation: &Relation,
    refresh_token: &SecretString,
    world: &World,
) -> Result<Tokens, TokenError> {
    let fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose_secret()),
    ];
    tokens(client, token_request(metadata, relation, fields, world)?).await
}

async fn tokens(client: &impl Outward, request: Request<Body>) -> Result<Tokens, TokenError> {
    let (status, answer) = ask(client, request).await?;
    let text = |member: &str| {
        let text = answer[member].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    let (id_token, access_token) = (text("id_token"), text("access_token"));
    match (status, id_token.is_some() || access_token.is_some()) {
        (StatusCode::OK, true) => Ok(Tokens {
            id_token: id_token.map(Into::into),
            access_token: access_token.map(Into::into),
            refresh_token: text("refresh_token").map(Into::into),
        }),
        // Too many questions say nothing of who we are.
        (status, _) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            let error: String = text("error").unwrap_or_default().chars().take(80).collect();
            Err(match error.as_str() {
                "invalid_client" | "unauthorized_client" | "" => TokenError::Client(error),
                _ => TokenError::Refused(error),
            })
        }
        (status, _) => Err(TokenError::Answer(status)),
    }
}

fn token_request(
    metadata: &ProviderMetadata,
    relation: &Relation,
    fields: Vec<(&str, &str)>,
    world: &World,
) -> Result<Request<Body>, TokenError> {
    let wanted = relation.authentication.unwrap_or(metadata.with_secret);
    let authentication = match (&relation.key, wanted, &relation.secret) {
        (Some(key), _, _) => Authentication::PrivateKeyJwt(Arc::clone(key)),
        (None, ClientAuthentication::Basic, Some(secret)) => Authentication::Basic(secret.clone()),
        (None, ClientAuthentication::Post, Some(secret)) => Authentication::Post(secret.clone()),
        (None, ClientAuthentication::None, _) | (None, _, None) => Authentication::None,
    };
    let proving = Proving {
        client_id: &relation.client_id,
        authentication: &authentication,
        // Nobody else can use it.
        audience: &relation.issuer,
    };
    let request = proving.request(&metadata.token_endpoint, fields, world);
    request.map_err(|error| TokenError::Client(error.to_string()))
}

/// What the userinfo endpoint says of whom an access token is for.
pub(crate) async fn userinfo(
    client: &impl Outward,
    url: &Url,
    access_token: &SecretString,
) -> Result<Value, TokenError> {
    let mut request = Request::new(body::empty());
    *request.uri_mut() = url.as_str().parse().unwrap_or_default();
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", access_token.expose_secret()))
        .map_err(|_| TokenError::Refused("the access token is not one".to_owned()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    match ask(client, request).await? {
        (StatusCode::OK, answer) if answer.is_object() => Ok(answer),
        (status, _) => Err(TokenError::Answer(status)),
    }
}

/// Sends it; an answer that is not JSON is `null`.
pub(crate) async fn ask(
    client: &impl Outward,
    request: Request<Body>,
) -> Result<(StatusCode, Value), TokenError> {
    ask_within(client, request, PATIENCE).await
}

/// The same of an answer that may take longer.
pub(crate) async fn ask_within(
    client: &impl Outward,
    mut request: Request<Body>,
    patience: Duration,
) -> Result<(StatusCode, Value), TokenError> {
    request
        .headers_mut()
        .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let answered = async {
        let response = client.call(request).await?;
        let status = response.status();
        let bytes = body::read(response.into_body(), LARGEST, PATIENCE)
            .await
            .map_err(|_| TokenError::Answer(status))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    };
    tokio::time::timeout(patience, answered)
        .await
        .unwrap_or(Err(TokenError::Slow))
}
