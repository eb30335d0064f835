//! The way back to the client (CC-49, CC-50, CC-57).

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use issuer::Return;
use protocol::redirect::Kind;

use crate::authorize::client_name;
use crate::locale::Locale;
use crate::page::{Page, render};
use crate::router::Web;

#[derive(Template)]
#[template(path = "hand_off.html")]
struct HandOff {
    page: Page,
    url: String,
    client: String,
    target: String,
    /// Whether the browser goes on by itself.
    at_once: bool,
}

#[derive(Template)]
#[template(path = "elsewhere.html")]
struct Elsewhere {
    page: Page,
    url: String,
    client: String,
    curl: String,
}

/// Sends the browser back: by 303 to web and loopback targets; by a page that goes on by itself, with a
/// link to click, to private-use schemes; by a link alone where nobody vouches for the target and nobody
/// was asked.
pub fn go(web: &Web, locale: Locale, back: &Return) -> Response {
    if back.at_once && back.redirect_uri.kind() != Kind::PrivateScheme {
        return see_other(&back.url);
    }
    let client = client_name(locale, &back.face);
    let title = locale.t1("back-title", "client", &client);
    let page = HandOff {
        page: Page::new(web, locale, title),
        url: back.url.clone(),
        client,
        target: back.redirect_uri.target(),
        at_once: back.at_once,
    };
    render(StatusCode::OK, &page)
}

/// Shows the callback URL for a client that runs on another machine.
pub fn elsewhere(web: &Web, locale: Locale, back: &Return) -> Response {
    let client = client_name(locale, &back.face);
    let title = locale.t1("elsewhere-title", "client", &client);
    let page = Elsewhere {
        page: Page::new(web, locale, title),
        url: back.url.clone(),
        client,
        curl: format!("curl -sS '{}'", back.url.replace('\'', "%27")),
    };
    render(StatusCode::OK, &page)
}

/// 303, never 307 or 308: what was posted here is for nobody else (OS-30).
pub fn see_other(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
