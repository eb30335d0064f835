//! Signing in and out.
//!
//! The page stands at the authorization request's own address, and its form carries the same query on: no
//! address is nested in another, and nothing is stored for somebody who is not signed in. Afterwards the
//! browser goes on to the page of ours that asked, with that query, or home, and nowhere else (OS-45).

use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use keys::sha256;
use model::TokenKind;
use people::sessions::Place;
use people::sign_in::Attempt;
use people::{SignInError, SignedIn};
use protocol::metadata::paths;

use crate::authorize::person;
use crate::cookies::{self, Cookie};
use crate::form_token;
use crate::locale::Locale;
use crate::page::{self, Page, render};
use crate::request::{Browser, Form, From, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::step_up;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Page,
    action: String,
    token: String,
    username: String,
    again: bool,
    error: Option<String>,
}

/// The page that somebody goes on to who signed in; besides these there is only home (OS-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// The authorization endpoint.
    Authorization,
    /// What a program may do.
    Scopes,
}

impl Onward {
    /// Where its sign-in form goes.
    pub(crate) const SCOPES: &str = "/sign-in/scopes";

    fn action(self) -> &'static str {
        match self {
            Self::Authorization => "/sign-in",
            Self::Scopes => Self::SCOPES,
        }
    }

    fn page(self) -> &'static str {
        match self {
            Self::Authorization => paths::AUTHORIZE,
            Self::Scopes => step_up::PAGE,
        }
    }
}

/// By the address that the form went to.
impl<S: Send + Sync> FromRequestParts<S> for Onward {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(match parts.uri.path() {
            Self::SCOPES => Self::Scopes,
            _ => Self::Authorization,
        })
    }
}

/// An address with this query.
fn with_query(path: &str, query: &str) -> String {
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{path}{separator}{query}")
}

/// Why and for what somebody is asked to sign in.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The query of the page that asks; empty if there is none.
    pub(crate) query: &'a str,
    /// The name to begin with.
    pub(crate) username: Option<String>,
    /// Whether they are signed in and have to prove it again.
    pub(crate) again: bool,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// What comes then.
    pub(crate) onward: Onward,
}

/// `GET /sign-in`.
pub async fn show(
    State(web): State<Arc<Web>>,
    locale: Locale,
    browser: Browser,
    onward: Onward,
    RawQuery(query): RawQuery,
) -> Response {
    if query.is_empty() && browser.signed_in(&web).await.is_some() {
        return see_other("/");
    }
    let asked = Asked {
        query: &query,
        username: None,
        again: false,
        error: None,
        onward,
    };
    page(&web, locale, &browser, StatusCode::OK, asked)
}

/// The page; also makes the cookie that its form is bound to.
pub(crate) fn page(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    status: StatusCode,
    asked: Asked<'_>,
) -> Response {
    let known = browser
        .cookie(web, Cookie::Form)
        .filter(|cookie| cookie.len() >= 32);
    let cookie = known
        .clone()
        .unwrap_or_else(|| web.parts.world.new_token(TokenKind::Session).expose().to_owned());
    let title = if asked.again {
        locale.t("sign-in-again-title")
    } else {
        locale.t("sign-in-title")
    };
    let template = SignInPage {
        page: Page::new(web, locale, title),
        action: with_query(asked.onward.action(), asked.query),
        token: form_token::for_cookie(&cookie),
        username: asked.username.unwrap_or_default(),
        again: asked.again,
        error: asked.error,
    };
    let mut response = render(status, &template);
    if known.is_none() {
        cookies::set(response.headers_mut(), Cookie::Form, &cookie, &web.site().origin);
    }
    response
}

/// `POST /sign-in`.
pub async fn submit(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    onward: Onward,
    RawQuery(query): RawQuery,
    Form(form): Form,
) -> Response {
    let field = |name: &str| form.one(name).ok().flatten().unwrap_or_default();
    let cookie = browser.cookie(&web, Cookie::Form).unwrap_or_default();
    if !form_token::fits(&cookie, field("token")) {
        return page::stale_form(&web, locale);
    }
    let username = field("username").to_owned();
    let before = browser.signed_in(&web).await;
    let attempt = Credentials {
        username: &username,
        password: field("password"),
        query: &query,
        onward,
    };
    match sign_in(&web, &from, &browser, before.as_ref(), attempt).await {
        Ok(response) => response,
        Err(error) => refused(
            &web,
            locale,
            &browser,
            &error,
            Asked {
                query: &query,
                username: Some(username),
                again: before.is_some(),
                error: None,
                onward,
            },
        ),
    }
}

/// What was typed, and what for.
pub(crate) struct Credentials<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) query: &'a str,
    pub(crate) onward: Onward,
}

/// Signs somebody in and sends the browser on.
pub(crate) async fn sign_in(
    web: &Web,
    from: &From,
    browser: &Browser,
    before: Option<&SignedIn>,
    credentials: Credentials<'_>,
) -> Result<Response, SignInError> {
    let known = browser.cookie(web, Cookie::Browser);
    let proof = web
        .parts
        .sign_in
        .with_password(Attempt {
            username: credentials.username,
            password: credentials.password.to_owned().into(),
            browser: known.as_deref(),
            address: from.address(),
            user_agent: from.user_agent(),
        })
        .await?;
    let query = credentials.query;
    let place = Place {
        browser: known.as_deref(),
        replaces: before.map(|signed_in| signed_in.session.id),
        fresh_for: (!query.is_empty()).then(|| sha256(query.as_bytes())),
        address: from.address(),
        user_agent: from.user_agent(),
    };
    let begun = web.parts.sessions.begin(proof, place).await?;
    let target = if query.is_empty() {
        "/".to_owned()
    } else {
        with_query(credentials.onward.page(), query)
    };
    let mut response = see_other(&target);
    let origin = &web.site().origin;
    let headers = response.headers_mut();
    cookies::set(headers, Cookie::Session, begun.cookie.expose(), origin);
    cookies::set(headers, Cookie::Browser, begun.browser.expose(), origin);
    Ok(response)
}

fn refused(web: &Web, locale: Locale, browser: &Browser, error: &SignInError, asked: Asked<'_>) -> Response {
    let (status, text, wait) = match error {
        SignInError::Refused => (StatusCode::FORBIDDEN, locale.t("sign-in-wrong"), None),
        SignInError::Slowed(wait) => {
            let seconds = wait.as_secs().max(1);
            (
                StatusCode::TOO_MANY_REQUESTS,
                locale.tn("sign-in-slowed", "seconds", seconds),
                Some(seconds),
            )
        }
        SignInError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, locale.t("sign-in-busy"), Some(5)),
        SignInError::Store(error) => return page::unavailable(web, locale, error),
    };
    let mut response = page(
        web,
        locale,
        browser,
        status,
        Asked {
            error: Some(text),
            ..asked
        },
    );
    if let Some(seconds) = wait {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `POST /sign-out`: ends this browser's session.
pub async fn sign_out(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    Form(form): Form,
) -> Response {
    if let Some(signed_in) = browser.signed_in(&web).await {
        let token = form.one("token").ok().flatten().unwrap_or_default();
        if !form_token::fits(signed_in.cookie.expose(), token) {
            return page::stale_form(&web, locale);
        }
        let person = person(&from, Some(&signed_in));
        if let Err(error) = web
            .parts
            .sessions
            .end(signed_in.session.id, signed_in.account.id, person)
            .await
        {
            return page::unavailable(&web, locale, &error);
        }
    }
    let mut response = see_other("/sign-in");
    cookies::clear(response.headers_mut(), Cookie::Session, &web.site().origin);
    response
}
