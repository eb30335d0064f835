//! Signing in and out.
//!
//! The page stands at the authorization request's own address, and its form carries the same query on: no
//! address is nested in another, and nothing is stored for somebody who is not signed in. Afterwards the
//! browser goes on to the page of ours that asked, with that query, or home, and nowhere else (OS-45).

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use keys::sha256;
use people::sessions::Place;
use people::sign_in::{Attempt, Proof};
use people::{SignInError, SignedIn, Step, Ways};

use crate::authorize::person;
use crate::company_logout;
use crate::company_sign_in::{self, Going};
use crate::company_trouble;
use crate::cookies::{self, Cookie};
use crate::form_token;
use crate::locale::Locale;
use crate::logout;
use crate::onward::{Onward, with_query};
use crate::page::{self, Page, render};
use crate::passkey_sign_in::{self, can_have_passkeys};
use crate::request::{Browser, Form, From, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::second_factor::{self, Then};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Page,
    action: String,
    token: String,
    username: String,
    again: bool,
    error: Option<String>,
    providers: Vec<Button>,
    /// Whether a password can be typed.
    passwords: bool,
    /// Whether an address alone is enough to go on.
    address: bool,
    /// Where the answer of a passkey goes, if browsers can make some for this door.
    passkey: Option<String>,
    onward: &'static str,
}

/// The way to a provider.
struct Button {
    provider: String,
    title: String,
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
        return see_other(&onward.target(""));
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
    let cookie = browser.form_cookie(web);
    let ways = web.parts.company.ways();
    let title = if asked.again {
        locale.t("sign-in-again-title")
    } else {
        locale.t("sign-in-title")
    };
    let template = SignInPage {
        page: Page::new(web, locale, title),
        action: asked.onward.form(asked.query),
        token: form_token::for_cookie(&cookie.value),
        username: asked.username.unwrap_or_default(),
        again: asked.again,
        error: asked.error,
        providers: ways
            .providers
            .iter()
            .map(|provider| Button {
                provider: provider.name.clone(),
                title: provider.title.clone(),
            })
            .collect(),
        passwords: ways.ask_for_password(),
        address: ways.ask_for_address(),
        passkey: can_have_passkeys(web).then(|| with_query(passkey_sign_in::PATH, asked.query)),
        onward: asked.onward.name(),
    };
    let mut response = render(status, &template);
    cookie.send(web, response.headers_mut());
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
    let asked = Asked {
        query: &query,
        username: Some(username.clone()),
        again: before.is_some(),
        error: None,
        onward,
    };
    match chosen(
        &web.parts.company.ways(),
        field("provider"),
        &username,
        field("password"),
    ) {
        Chosen::Provider(name) => {
            let going = Going {
                provider: &name,
                query: &query,
                onward,
                again: before.is_some(),
                login_hint: username.contains('@').then_some(username.as_str()),
                session: None,
            };
            return company_sign_in::leave(&web, locale, &from, &browser, &going).await;
        }
        Chosen::Nothing(key) => {
            let error = Some(key(locale));
            return page(
                &web,
                locale,
                &browser,
                StatusCode::BAD_REQUEST,
                Asked { error, ..asked },
            );
        }
        Chosen::Password => {}
    }
    let attempt = Credentials {
        username: &username,
        password: field("password"),
        query: &query,
        onward,
    };
    match sign_in(&web, locale, &from, &browser, before.as_ref(), attempt).await {
        Ok(response) => response,
        Err(error) => refused(&web, locale, &browser, &error, asked),
    }
}

/// What somebody wants who sent the form.
enum Chosen {
    /// To this provider: by its button, or by an address of one of its domains.
    Provider(String),
    /// In with a password.
    Password,
    /// Nothing that leads anywhere; what to tell them.
    Nothing(fn(Locale) -> String),
}

fn chosen(ways: &Ways, button: &str, username: &str, password: &str) -> Chosen {
    if !button.is_empty() {
        return Chosen::Provider(button.to_owned());
    }
    if password.is_empty() || !ways.ask_for_password() {
        return match ways.for_address(username) {
            Some(provider) => Chosen::Provider(provider.name.clone()),
            None if ways.ask_for_password() => Chosen::Nothing(|locale| locale.t("sign-in-password-missing")),
            None => Chosen::Nothing(|locale| locale.t("sign-in-no-provider")),
        };
    }
    Chosen::Password
}

/// What was typed, and what for.
pub(crate) struct Credentials<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) query: &'a str,
    pub(crate) onward: Onward,
}

/// Signs somebody in and sends the browser on, or asks for the second factor of whoever has one.
pub(crate) async fn sign_in(
    web: &Web,
    locale: Locale,
    from: &From,
    browser: &Browser,
    before: Option<&SignedIn>,
    credentials: Credentials<'_>,
) -> Result<Response, SignInError> {
    let known = browser.cookie(web, Cookie::Browser);
    let form = browser.cookie(web, Cookie::Form).unwrap_or_default();
    let at = second_factor::at(from, &form, known.as_deref());
    let attempt = Attempt {
        username: credentials.username,
        password: credentials.password.to_owned().into(),
        at,
    };
    let first = web.parts.sign_in.with_password(attempt).await?;
    let (onward, query) = (credentials.onward, credentials.query);
    match web.parts.factors.after(first, &at).await? {
        Step::In(proof) => go_on(web, from, browser, before, proof, (onward, query)).await,
        Step::Second(waiting) => {
            let then = Then {
                onward,
                query,
                why: None,
            };
            let cookie = browser.form_cookie(web);
            Ok(second_factor::page(web, locale, &cookie, &waiting, then, None))
        }
    }
}

/// Begins the session of somebody who has proved who they are, and sends the browser on with its cookies.
pub(crate) async fn go_on(
    web: &Web,
    from: &From,
    browser: &Browser,
    before: Option<&SignedIn>,
    proof: Proof,
    (onward, query): (Onward, &str),
) -> Result<Response, SignInError> {
    let known = browser.cookie(web, Cookie::Browser);
    let place = Place {
        browser: known.as_deref(),
        replaces: before.map(|signed_in| signed_in.session.id),
        fresh_for: (!query.is_empty()).then(|| sha256(query.as_bytes())),
        address: from.address(),
        user_agent: from.user_agent(),
    };
    let begun = web.parts.sessions.begin(proof, place).await?;
    let mut response = see_other(&onward.target(query));
    let origin = &web.site().origin;
    let headers = response.headers_mut();
    cookies::set(headers, Cookie::Session, begun.cookie.expose(), origin);
    cookies::set(headers, Cookie::Browser, begun.browser.expose(), origin);
    Ok(response)
}

fn refused(web: &Web, locale: Locale, browser: &Browser, error: &SignInError, asked: Asked<'_>) -> Response {
    match error {
        SignInError::NotAdmitted { title, why, profile } => {
            return company_trouble::refused(web, locale, title, *why, Some(profile));
        }
        SignInError::Store(error) => return page::unavailable(web, locale, error),
        _ => {}
    }
    let (status, text, wait) = told(locale, error);
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

/// What somebody is told whose password was not taken, and how many seconds they wait. What has a page of its own is told there.
pub(crate) fn told(locale: Locale, error: &SignInError) -> (StatusCode, String, Option<u64>) {
    match error {
        SignInError::Refused | SignInError::NotAdmitted { .. } | SignInError::Store(_) => {
            (StatusCode::FORBIDDEN, locale.t("sign-in-wrong"), None)
        }
        SignInError::NoPasswords => (StatusCode::FORBIDDEN, locale.t("sign-in-no-provider"), None),
        SignInError::Slowed(wait) => {
            let seconds = wait.as_secs().max(1);
            (
                StatusCode::TOO_MANY_REQUESTS,
                locale.tn("sign-in-slowed", "seconds", seconds),
                Some(seconds),
            )
        }
        SignInError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, locale.t("sign-in-busy"), Some(5)),
        SignInError::Directory(title) => (
            StatusCode::SERVICE_UNAVAILABLE,
            locale.t1("sign-in-directory-down", "directory", title),
            Some(30),
        ),
    }
}

/// `POST /sign-out`: ends this browser's session.
pub async fn sign_out(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    Form(form): Form,
) -> Response {
    let mut there = None;
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
        there = company_logout::there(&web, locale, &signed_in).await;
    }
    // The provider would let the next one in who sits down here.
    let mut response = match there {
        Some(there) => logout::signed_out(&web, locale, Some(there)),
        None => see_other("/sign-in"),
    };
    cookies::clear(response.headers_mut(), Cookie::Session, &web.site().origin);
    response
}
