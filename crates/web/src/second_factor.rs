//! The page for the second factor: a code of the authenticator app, a recovery code, or a passkey.
//!
//! It stands where the first factor was sent to, and its form carries the query on, like that of the sign-in page. What it
//! holds is the id of a ceremony, which no other browser can go on with.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use people::factors::At;
use people::second_factor::{Typed, Waiting};
use people::{FactorError, SignInError};

use crate::cookies::Cookie;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::{Onward, with_query};
use crate::page::{self, Message, Page, render};
use crate::passkey_sign_in::{self, can_have_passkeys};
use crate::request::{Browser, Form, FormCookie, From, RawQuery};
use crate::router::Web;
use crate::sign_in::go_on;

/// Where its form goes.
pub(crate) const PATH: &str = "/sign-in/second";

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage {
    page: Page,
    action: String,
    onward: &'static str,
    token: String,
    ceremony: String,
    username: String,
    why: Option<String>,
    totp: bool,
    recovery: bool,
    /// Whether the recovery codes are what was tried last.
    recovering: bool,
    error: Option<String>,
    /// Where the answer of a passkey goes, if one can be used.
    passkey: Option<String>,
}

/// What comes after the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Then<'a> {
    pub(crate) onward: Onward,
    pub(crate) query: &'a str,
    /// Why it is asked for, of somebody who is signed in.
    pub(crate) why: Option<&'a Why>,
}

/// Why somebody who is signed in has to prove more.
#[derive(Debug)]
pub(crate) struct Why {
    pub(crate) text: String,
    /// Whether nothing else is enough.
    pub(crate) only_passkeys: bool,
}

/// Where a browser is that proves a factor.
pub(crate) fn at<'a>(from: &'a From, form: &'a str, browser: Option<&'a str>) -> At<'a> {
    At {
        form,
        browser,
        address: from.address(),
        user_agent: from.user_agent(),
    }
}

/// The page, whose forms are of the browser with this cookie: the one that the ceremony was begun with.
pub(crate) fn page(
    web: &Web,
    locale: Locale,
    cookie: &FormCookie,
    waiting: &Waiting,
    then: Then<'_>,
    trouble: Option<Trouble>,
) -> Response {
    let status = trouble.as_ref().map_or(StatusCode::OK, |trouble| trouble.status);
    let only_passkeys = then.why.is_some_and(|why| why.only_passkeys);
    let passkey = waiting.has.passkeys > 0 && can_have_passkeys(web);
    let template = SecondFactorPage {
        page: Page::new(web, locale, locale.t("second-title")),
        action: with_query(PATH, then.query),
        onward: then.onward.name(),
        token: form_token::for_cookie(&cookie.value),
        ceremony: waiting.ceremony.clone(),
        username: waiting.username.to_string(),
        why: then.why.map(|why| why.text.clone()),
        totp: waiting.has.totp && !only_passkeys,
        recovery: waiting.has.recovery_codes > 0 && !only_passkeys,
        recovering: trouble.as_ref().is_some_and(|trouble| trouble.recovering),
        error: trouble.as_ref().map(|trouble| trouble.text.clone()),
        passkey: passkey.then(|| with_query(passkey_sign_in::PATH, then.query)),
    };
    let mut response = render(status, &template);
    cookie.send(web, response.headers_mut());
    if let Some(seconds) = trouble.and_then(|trouble| trouble.wait) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What went wrong with a second factor.
pub(crate) struct Trouble {
    status: StatusCode,
    text: String,
    wait: Option<u64>,
    recovering: bool,
}

/// `POST /sign-in/second`.
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
    let (typed, recovering) = match field("recovery") {
        "" => (Typed::Totp(field("code")), false),
        code => (Typed::Recovery(code), true),
    };
    let factors = &web.parts.factors;
    let error = match factors.with_code(field("ceremony"), typed, &at).await {
        Ok(proof) => {
            let before = browser.signed_in(&web).await;
            let then = (then.onward, then.query);
            return match go_on(&web, &from, &browser, before.as_ref(), proof, then).await {
                Ok(response) => response,
                Err(SignInError::Store(error)) => page::unavailable(&web, locale, &error),
                Err(_) => gone(&web, locale, then),
            };
        }
        Err(error) => error,
    };
    let Some(mut trouble) = trouble(locale, &error) else {
        return failed(&web, locale, &error, then);
    };
    trouble.recovering = recovering;
    match factors.waiting(field("ceremony"), &at).await {
        Ok(waiting) => {
            let cookie = browser.form_cookie(&web);
            page(&web, locale, &cookie, &waiting, then, Some(trouble))
        }
        Err(error) => failed(&web, locale, &error, then),
    }
}

/// What to tell somebody whose code did not count; `None` if there is nothing to try again.
fn trouble(locale: Locale, error: &FactorError) -> Option<Trouble> {
    let (status, text, wait) = match error {
        FactorError::Wrong => (StatusCode::FORBIDDEN, locale.t("second-wrong"), None),
        FactorError::Slowed(wait) => {
            let seconds = wait.as_secs().max(1);
            let text = locale.tn("sign-in-slowed", "seconds", seconds);
            (StatusCode::TOO_MANY_REQUESTS, text, Some(seconds))
        }
        _ => return None,
    };
    Some(Trouble {
        status,
        text,
        wait,
        recovering: false,
    })
}

/// A page for what cannot go on: it begins anew.
pub(crate) fn failed(web: &Web, locale: Locale, error: &FactorError, then: Then<'_>) -> Response {
    match error {
        FactorError::Store(_) | FactorError::Sealed(_) => page::unavailable(web, locale, error),
        _ => gone(web, locale, (then.onward, then.query)),
    }
}

fn gone(web: &Web, locale: Locale, (onward, query): (Onward, &str)) -> Response {
    let message = Message {
        title: locale.t("company-gone-title"),
        text: locale.t("company-gone-text"),
        link: Some((onward.form(query), locale.t("sign-in-title"))),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::BAD_REQUEST, "sign_in_gone", message)
}
