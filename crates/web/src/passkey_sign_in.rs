//! Signing in with a passkey: the challenge that the page's script fetches, and the form that brings the answer.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use people::passkeys::{Answered, RelyingParty};
use people::{FactorError, SignInError};
use serde_json::json;

use crate::cookies::Cookie;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page;
use crate::request::{Browser, Form, From, RawQuery};
use crate::router::{Site, Web};
use crate::second_factor::{self, Then, at};
use crate::sign_in::{self, Asked, go_on};

/// Where the form goes.
pub(crate) const PATH: &str = "/sign-in/passkey";
/// Where the script fetches the challenge.
pub(crate) const BEGIN: &str = "/sign-in/passkey/begin";

/// The door as browsers know it.
pub(crate) fn door(site: &Site) -> RelyingParty<'_> {
    RelyingParty {
        origin: &site.origin,
        title: &site.title,
    }
}

/// Whether passkeys sign in here: they stand in for passwords, and browsers can make some for this door.
pub(crate) fn can_have_passkeys(web: &Web) -> bool {
    web.parts.company.ways().passwords && door(&web.site()).can_have_passkeys()
}

/// `POST /sign-in/passkey/begin`.
pub async fn begin(State(web): State<Arc<Web>>, from: From, browser: Browser, Form(form): Form) -> Response {
    let cookie = browser.cookie(&web, Cookie::Form).unwrap_or_default();
    if !form_token::fits(&cookie, form.one("token").ok().flatten().unwrap_or_default()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if !can_have_passkeys(&web) {
        return StatusCode::CONFLICT.into_response();
    }
    let at = at(&from, &cookie, None);
    match web.parts.factors.ask_for_passkey(door(&web.site()), &at).await {
        Ok(asked) => self::asked(&asked),
        Err(error) => not_begun(&error),
    }
}

/// What a script is told that gets one.
pub(crate) fn asked(asked: &people::passkeys::Asked) -> Response {
    let body = json!({ "ceremony": asked.ceremony, "options": asked.options }).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What a script is told that gets no challenge; the form that it then sends gets the page.
pub(crate) fn not_begun(error: &FactorError) -> Response {
    let mut response = match error {
        FactorError::Slowed(_) => StatusCode::TOO_MANY_REQUESTS,
        FactorError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    }
    .into_response();
    if let FactorError::Slowed(wait) = error {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// `POST /sign-in/passkey`.
pub async fn submit(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
    Form(form): Form,
) -> Response {
    let field = |name: &str| form.one(name).ok().flatten().unwrap_or_default();
    let cookie = browser.cookie(&web, Cookie::Form).unwrap_or_default();
    if !form_token::fits(&cookie, field("token")) {
        return page::stale_form(&web, locale);
    }
    let then = Then {
        onward: Onward::named(field("onward")),
        query: &query,
        why: None,
    };
    let known = browser.cookie(&web, Cookie::Browser);
    let at = at(&from, &cookie, known.as_deref());
    let answered = Answered {
        ceremony: field("ceremony"),
        first: field("first"),
        credential: field("credential"),
    };
    let before = browser.signed_in(&web).await;
    let proved = if can_have_passkeys(&web) {
        let factors = &web.parts.factors;
        factors.with_passkey(door(&web.site()), answered, &at).await
    } else {
        Err(FactorError::Passkey("passwords are off".to_owned()))
    };
    let error = match proved {
        Ok(proof) => {
            let onward = (then.onward, then.query);
            match go_on(&web, &from, &browser, before.as_ref(), proof, onward).await {
                Ok(response) => return response,
                Err(SignInError::Store(error)) => return page::unavailable(&web, locale, &error),
                Err(_) => FactorError::Inactive,
            }
        }
        Err(error) => error,
    };
    let (status, text) = match &error {
        FactorError::Store(_) | FactorError::Sealed(_) => {
            return second_factor::failed(&web, locale, &error, then);
        }
        FactorError::Slowed(wait) => {
            let seconds = wait.as_secs().max(1);
            let text = locale.tn("sign-in-slowed", "seconds", seconds);
            (StatusCode::TOO_MANY_REQUESTS, text)
        }
        FactorError::Gone => (StatusCode::FORBIDDEN, locale.t("passkey-late")),
        _ => (StatusCode::FORBIDDEN, locale.t("passkey-refused")),
    };
    let asked = Asked {
        query: &query,
        username: None,
        again: before.is_some(),
        error: Some(text),
        onward: then.onward,
    };
    sign_in::page(&web, locale, &browser, status, asked)
}
