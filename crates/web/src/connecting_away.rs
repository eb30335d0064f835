//! Connecting in the browser: to the provider, and back (RFC 6749 section 4.1).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use people::SignedIn;
use protocol::Params;
use vault::connector::CALLBACK;
use vault::{Back, ConnectError, Connector, LeaveError, Leaving, Owner};

use crate::authorize::person;
use crate::connect_first;
use crate::connecting::{About, done, page, problem, unknown};
use crate::connections::offered;
use crate::cookies::Cookie;
use crate::locale::Locale;
use crate::page::{self, Message};
use crate::request::{Browser, From, OwnForm, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;

/// Where the form goes that leads to the provider.
pub(crate) const LEAVE: &str = "/connect/leave";
fn redirect_uri(web: &Web, connector: &Connector) -> String {
    format!("{}{CALLBACK}/{}", web.site().origin, connector.name)
}

/// `POST /connect/leave`: to the provider.
pub async fn leave(State(web): State<Arc<Web>>, locale: Locale, browser: Browser, form: OwnForm) -> Response {
    let Some((connector, servers)) = offered(&web, &form.signed_in, form.field("to")) else {
        return unknown(&web, locale);
    };
    let about = About::new(&connector, &servers, connect_first::waiting(&web, &form));
    depart(&web, locale, &browser, &form.signed_in, about).await
}

/// Sends the browser to the provider.
pub(crate) async fn depart(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    signed_in: &SignedIn,
    about: About<'_>,
) -> Response {
    let connector = about.connector;
    let cookie = browser.form_cookie(web);
    let leaving = Leaving {
        browser: &cookie.value,
        session: signed_in.session.id,
        redirect_uri: &redirect_uri(web, connector),
        approved: about.approved,
    };
    match web.parts.connections.leave(connector, &leaving).await {
        Ok(url) => {
            let mut response = see_other(&url);
            cookie.send(web, response.headers_mut());
            response
        }
        Err(LeaveError::Store(error)) => page::unavailable(web, locale, &error),
        Err(error) => {
            tracing::warn!(%error, connector = %connector.name, "nobody can leave for a provider");
            let text = locale.t1("connecting-unavailable", "provider", &connector.title);
            let error = (StatusCode::BAD_GATEWAY, text);
            page(web, locale, signed_in, about, Some(error)).await
        }
    }
}

/// `GET /connect/callback/{connector}` (RFC 6749 section 4.1.2).
pub async fn callback(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let connectors = web.parts.connections.connectors();
    let Some(connector) = connectors.find(&name) else {
        return unknown(&web, locale);
    };
    let params = Params::parse(query.as_bytes()).unwrap_or_default();
    let one = |name: &str| params.one(name).ok().flatten();
    let state = one("state").unwrap_or_default();
    let cookie = browser.cookie(&web, Cookie::Form).unwrap_or_default();
    let taken = match web.parts.connections.take(connector, &cookie, state).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return gone(&web, locale),
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    // Whoever signed in meanwhile in this browser is not who wanted it.
    let signed_in = browser.signed_in(&web).await;
    let signed_in = signed_in.filter(|signed_in| signed_in.session.id == taken.session);
    let Some(signed_in) = signed_in else {
        return gone(&web, locale);
    };
    let Some((connector, servers)) = offered(&web, &signed_in, &name) else {
        return unknown(&web, locale);
    };
    let about = About::new(&connector, &servers, taken.approved.as_deref());
    let said = |key: &str| locale.t1(key, "provider", &connector.title);
    if let Some(error) = one("error") {
        let error: String = error.chars().take(80).collect();
        tracing::info!(error, connector = %connector.name, "a provider sent somebody back with an error");
        let text = said("connecting-gave-up");
        let error = (StatusCode::FORBIDDEN, text);
        return page(&web, locale, &signed_in, about, Some(error)).await;
    }
    let back = Back {
        browser: &cookie,
        redirect_uri: &redirect_uri(&web, &connector),
        state,
        code: one("code").unwrap_or_default(),
        // What is there and cannot be read is of nobody.
        iss: one("iss").or_else(|| params.has("iss").then_some("")),
        found: taken.found.as_deref(),
    };
    let person = person(&from, Some(&signed_in));
    let owner = Owner {
        account: &signed_in.account,
        person: &person,
    };
    match web.parts.connections.arrive(owner, &connector, &back).await {
        Ok(who) => done(&web, locale, about, (&signed_in, &person), &who).await,
        Err(ConnectError::Store(error)) => page::unavailable(&web, locale, &error),
        Err(error) => {
            let error = problem(locale, &connector.title, &error);
            page(&web, locale, &signed_in, about, Some(error)).await
        }
    }
}

fn gone(web: &Web, locale: Locale) -> Response {
    let message = Message {
        title: locale.t("connecting-lost-title"),
        text: locale.t("connecting-lost-text"),
        link: Some(("/connections".to_owned(), locale.t("connecting-done-link"))),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::BAD_REQUEST, "connecting_gone", message)
}
