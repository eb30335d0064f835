//! Signing out at the company: a provider that says so here (OpenID Connect Back-Channel Logout 1.0), and the way to its own
//! sign-out for who signs out here (OpenID Connect RP-Initiated Logout 1.0 section 2).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use people::SignedIn;
use people::company_logout::CompanyLogoutError;
use protocol::OAuthError;
use relying::BadLogoutToken;

use crate::locale::Locale;
use crate::oauth_json;
use crate::request::{Form, From};
use crate::router::Web;

/// Where providers send it; the name of the provider follows.
pub(crate) const BACK_CHANNEL: &str = "/backchannel-logout";

/// `POST /backchannel-logout/{provider}` (section 2.5).
pub async fn back_channel(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    Form(form): Form,
) -> Response {
    let refused = |why: String| {
        let error = OAuthError::invalid_request(why);
        oauth_json::logged(&web, StatusCode::BAD_REQUEST, &error)
    };
    let ways = web.parts.company.ways();
    let Some(provider) = ways.provider(&name) else {
        return refused("there is no such provider".to_owned());
    };
    let Ok(Some(token)) = form.one("logout_token") else {
        return refused("logout_token is missing, or there several times".to_owned());
    };
    match web.parts.company.logged_out(provider, token, &from.0).await {
        Ok(ended) => {
            tracing::info!(provider = name, ended, "a provider ended sessions");
            let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            (StatusCode::OK, [no_store]).into_response()
        }
        Err(
            error @ (CompanyLogoutError::Token(BadLogoutToken::Unavailable) | CompanyLogoutError::Store(_)),
        ) => oauth_json::unavailable(&web, &error.to_string()),
        Err(CompanyLogoutError::Token(error)) => refused(error.to_string()),
    }
}

/// The way to the sign-out of the provider at which this session began, as (URL, label).
pub(crate) async fn there(web: &Web, locale: Locale, signed_in: &SignedIn) -> Option<(String, String)> {
    let ways = web.parts.company.ways();
    let provider = ways.provider(signed_in.session.proved.provider.as_deref()?)?;
    let url = provider.upstream.sign_out_url(web.parts.world.now()).await?;
    Some((
        url.into(),
        locale.t1("signed-out-there", "provider", &provider.title),
    ))
}
