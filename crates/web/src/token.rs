//! The token endpoint (RFC 6749 section 3.2).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use issuer::client_authentication::{Authenticated, ClientError, Presented};
use protocol::basic::{self, BasicCredentials};
use protocol::metadata::grants;
use protocol::{ErrorCode, OAuthError, Params, prefer};
use store::Client;

use crate::oauth_json;
use crate::request::{Form, From};
use crate::router::Web;

/// `POST /token`.
pub async fn token(
    State(web): State<Arc<Web>>,
    from: From,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let authenticated = match form.one("grant_type") {
        // Who shows such a token needs no client (RFC 7523 section 3.1).
        Ok(Some(grants::JWT_BEARER)) => {
            return match web.parts.server.jwt_bearer(&form, &from.0).await {
                Ok(tokens) => oauth_json::answer(StatusCode::OK, &tokens),
                Err(error) => oauth_json::issue_error(&web, &error),
            };
        }
        _ => authenticate(&web, &headers, &form, &from).await,
    };
    let authenticated = match authenticated {
        Ok(authenticated) => authenticated,
        Err(error) => return oauth_json::client_error(&web, &error),
    };
    let grant_type = match form.one("grant_type") {
        Ok(Some(grant_type)) => grant_type,
        Ok(None) => return refuse(&web, &OAuthError::invalid_request("grant_type is missing")),
        Err(error) => return refuse(&web, &OAuthError::invalid_request(error.to_string())),
    };
    let client = &authenticated.client;
    if grant_type == grants::DEVICE_CODE {
        return device_code(&web, client, &form, &from, &headers).await;
    }
    let outcome = match grant_type {
        grants::AUTHORIZATION_CODE => web.parts.server.redeem_code(client, &form, &from.0).await,
        grants::REFRESH_TOKEN if client.metadata.refresh => {
            web.parts.server.refresh(client, &form, &from.0).await
        }
        grants::REFRESH_TOKEN => {
            let text = "this client did not register the refresh_token grant";
            return refuse(&web, &OAuthError::new(ErrorCode::UnauthorizedClient, text));
        }
        grants::CLIENT_CREDENTIALS => web.parts.server.client_credentials(client, &form, &from.0).await,
        grants::TOKEN_EXCHANGE => {
            return match web.parts.server.token_exchange(client, &form, &from.0).await {
                Ok(tokens) => oauth_json::answer(StatusCode::OK, &tokens),
                Err(error) => oauth_json::issue_error(&web, &error),
            };
        }
        other => {
            let text = format!("grant_type {other} is not supported");
            return refuse(&web, &OAuthError::new(ErrorCode::UnsupportedGrantType, text));
        }
    };
    match outcome {
        Ok(tokens) => oauth_json::answer(StatusCode::OK, &tokens),
        Err(error) => oauth_json::issue_error(&web, &error),
    }
}

/// A program without a browser asks for its answer, and may wait for it (RFC 7240 section 4.3).
async fn device_code(
    web: &Web,
    client: &Client,
    form: &Params,
    from: &From,
    headers: &HeaderMap,
) -> Response {
    let prefer = headers.get_all("prefer").iter();
    let wait = prefer::wait(prefer.filter_map(|value| value.to_str().ok()));
    let server = &web.parts.server;
    let polled = server.redeem_device_code(client, form, &from.0, wait).await;
    let mut response = match &polled.outcome {
        Ok(tokens) => oauth_json::answer(StatusCode::OK, tokens),
        Err(error) => oauth_json::issue_error(web, error),
    };
    if let Some(wait) = polled.wait
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}

fn refuse(web: &Web, error: &OAuthError) -> Response {
    oauth_json::logged(web, StatusCode::BAD_REQUEST, error)
}

/// Authenticates the client of a form.
pub(crate) async fn authenticate(
    web: &Web,
    headers: &HeaderMap,
    form: &Params,
    from: &From,
) -> Result<Authenticated, ClientError> {
    let presented = presented(headers, form)?;
    web.parts.server.authenticate_client(&presented, &from.0).await
}

/// The credentials of a request.
pub(crate) fn presented(headers: &HeaderMap, form: &Params) -> Result<Presented, ClientError> {
    let basic = basic(headers).map_err(|error| ClientError::Invalid { error, basic: true })?;
    Presented::from_form(form, basic).map_err(ClientError::Request)
}

fn basic(headers: &HeaderMap) -> Result<Vec<BasicCredentials>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Vec::new()),
        (Some(_), Some(_)) => Err(OAuthError::invalid_client(
            "the Authorization header is given twice",
        )),
        (Some(value), None) => match basic::parse(value.as_bytes()) {
            None => Ok(Vec::new()),
            Some(readings) => readings.map_err(|error| OAuthError::invalid_client(error.to_string())),
        },
    }
}
