//! The page on which a person types the code that a program without a browser shows (RFC 8628 section 3.3), and the one on
//! which their browser ends.
//!
//! A code that comes with the address is typed for them and sent by them: opening a link looks at nothing and costs no guess,
//! and they see the code that they answer for (OS-96).

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use issuer::authorize::Typed;
use issuer::authorize::device::PARAMETER;
use people::SignedIn;
use protocol::metadata::paths;
use protocol::{Params, UserCode};

use crate::authorize::person;
use crate::fallback;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::{Onward, with_query};
use crate::page::{self, Message, Page, render};
use crate::request::{Browser, From, OwnForm, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::sign_in::{self, Asked};

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    page: Page,
    error: Option<String>,
    code: String,
    /// Whether the code came with the address, and is there to be compared.
    carried: bool,
    username: String,
    token: String,
}

/// `GET /device`.
pub async fn show(
    State(web): State<Arc<Web>>,
    uri: Uri,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !web.parts.server.settings().device {
        return fallback::not_found(State(web), uri, locale, headers).await;
    }
    let Some(signed_in) = browser.signed_in(&web).await else {
        let asked = Asked {
            query: &query,
            username: None,
            again: false,
            error: None,
            onward: Onward::Device,
        };
        return sign_in::page(&web, locale, &browser, StatusCode::OK, asked);
    };
    let params = Params::parse(query.as_bytes()).unwrap_or_default();
    let carried = params.one("user_code").ok().flatten();
    let carried = carried.and_then(|code| code.parse::<UserCode>().ok());
    let typed = Shown {
        carried: carried.is_some(),
        code: carried.map(|code| code.to_string()).unwrap_or_default(),
        error: None,
    };
    form(&web, locale, StatusCode::OK, typed, &signed_in)
}

/// What the form begins with.
struct Shown {
    code: String,
    carried: bool,
    error: Option<String>,
}

fn form(web: &Web, locale: Locale, status: StatusCode, shown: Shown, signed_in: &SignedIn) -> Response {
    let template = DevicePage {
        page: Page::new(web, locale, locale.t("device-title")),
        error: shown.error,
        code: shown.code,
        carried: shown.carried,
        username: signed_in.account.username.to_string(),
        token: form_token::for_cookie(signed_in.cookie.expose()),
    };
    render(status, &template)
}

/// `POST /device`: on to the question, where everything else is asked as it is for a program with a browser.
pub async fn submit(State(web): State<Arc<Web>>, from: From, locale: Locale, own: OwnForm) -> Response {
    let (signed_in, code) = (&own.signed_in, own.field("user_code"));
    let person = person(&from, Some(signed_in));
    let typed = web
        .parts
        .server
        .type_user_code(code, signed_in, from.address(), &person)
        .await;
    let again = |error| Shown {
        code: code.chars().take(40).collect(),
        carried: false,
        error: Some(error),
    };
    match typed {
        Ok(Typed::Found(ticket)) => {
            see_other(&with_query(paths::AUTHORIZE, &format!("{PARAMETER}={ticket}")))
        }
        Ok(Typed::Wrong) => {
            let shown = again(locale.t("device-wrong"));
            form(&web, locale, StatusCode::BAD_REQUEST, shown, signed_in)
        }
        Ok(Typed::Wait(wait)) => {
            let shown = again(locale.tn("device-slowed", "minutes", minutes(wait)));
            let mut response = form(&web, locale, StatusCode::TOO_MANY_REQUESTS, shown, signed_in);
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        Err(error) => page::unavailable(&web, locale, &error),
    }
}

fn minutes(wait: Duration) -> u64 {
    wait.as_secs().div_ceil(60).max(1)
}

/// `GET /device/done`. It says what the address says: the program hears the truth for itself.
pub async fn done(State(web): State<Arc<Web>>, locale: Locale, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.as_bytes()).unwrap_or_default();
    let (title, text) = match params.one("outcome") {
        Ok(Some("allowed")) => (locale.t("device-allowed-title"), locale.t("device-allowed-text")),
        Ok(Some("access_denied")) => (locale.t("device-denied-title"), locale.t("device-denied-text")),
        _ => (locale.t("device-nothing-title"), locale.t("device-nothing-text")),
    };
    let message = Message {
        title,
        text,
        ..Message::default()
    };
    page::message(&web, locale, StatusCode::OK, message)
}
