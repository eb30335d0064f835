//! Connecting an account at a provider: the page that programs send people to, and its form for a token.
//!
//! What is connected is the account of whoever is signed in in this browser, never of whoever made the link; and a link
//! that was made for somebody else is refused (MA-62). What is typed is written and never shown again.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use people::SignedIn;
use protocol::Params;
use relying::oauth_client::ClientError;
use vault::{
    Back, ConnectError, Connector, LeaveError, Leaving, LinkError, Owner, UpstreamAccount, WhoError,
};

use crate::authorize::person;
use crate::connections::offered;
use crate::cookies::Cookie;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Message, Page, render};
use crate::request::{Browser, From, OwnForm, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::sign_in::{self, Asked};

/// Where it is.
pub(crate) const PAGE: &str = "/connect";
/// Where its form goes that leads to the provider.
pub(crate) const LEAVE: &str = "/connect/leave";
/// Where browsers come back to; the connector's name follows, so that what one provider gave is never shown to another
/// (mix-up, OS-46).
pub(crate) const CALLBACK: &str = "/connect/callback";

#[derive(Template)]
#[template(path = "connecting.html")]
struct ConnectingPage {
    page: Page,
    name: String,
    title: String,
    text: String,
    /// As whom the person is connected already.
    known: Option<String>,
    /// Whether it is connected in the browser.
    browser: bool,
    typed: Option<Typed>,
    error: Option<String>,
    token: String,
}

/// What is said about a token to type.
struct Typed {
    needs: Option<String>,
    help_url: Option<String>,
}

/// `GET /connect?to=NAME&for=TICKET`.
pub async fn show(
    State(web): State<Arc<Web>>,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = browser.signed_in(&web).await else {
        let asked = Asked {
            query: &query,
            username: None,
            again: false,
            error: None,
            onward: Onward::Connect,
        };
        return sign_in::page(&web, locale, &browser, StatusCode::OK, asked);
    };
    let params = Params::parse(query.as_bytes()).unwrap_or_default();
    let one = |name: &str| params.one(name).ok().flatten().unwrap_or_default();
    let Some((connector, servers)) = offered(&web, &signed_in, one("to")) else {
        return unknown(&web, locale);
    };
    if params.has("for") {
        let account = signed_in.account.id;
        let checked = web
            .parts
            .connections
            .check_ticket(one("for"), account, &connector.name);
        if let Err(error) = checked {
            return not_this_link(&web, locale, error);
        }
    }
    page(&web, locale, &signed_in, (&connector, &servers), None).await
}

async fn page(
    web: &Web,
    locale: Locale,
    signed_in: &SignedIn,
    (connector, servers): (&Connector, &[String]),
    error: Option<(StatusCode, String)>,
) -> Response {
    let account = signed_in.account.id;
    let known = match web.parts.connections.find(account, &connector.name).await {
        Ok(known) => known.filter(|known| known.ended.is_none()),
        Err(error) => return page::unavailable(web, locale, &error),
    };
    let title = &connector.title;
    let (status, error) = error.map_or((StatusCode::OK, None), |(status, text)| (status, Some(text)));
    let heading = locale.t1("connecting-title", "provider", title);
    let template = ConnectingPage {
        page: Page::own(web, locale, heading, "connections", signed_in),
        name: connector.name.to_string(),
        title: title.clone(),
        text: locale.t2(
            "connecting-text",
            "servers",
            servers.join(", "),
            "provider",
            title,
        ),
        known: known.map(|known| known.upstream.clone()),
        browser: connector.oauth.is_some(),
        typed: connector.personal_token.as_ref().map(|token| Typed {
            needs: token.hint.clone(),
            help_url: token.help_url.as_ref().map(ToString::to_string),
        }),
        error,
        token: form_token::for_cookie(signed_in.cookie.expose()),
    };
    render(status, &template)
}

/// `POST /connect`: a token that its owner typed.
pub async fn submit(State(web): State<Arc<Web>>, from: From, locale: Locale, form: OwnForm) -> Response {
    let signed_in = &form.signed_in;
    let Some((connector, servers)) = offered(&web, signed_in, form.field("to")) else {
        return unknown(&web, locale);
    };
    let about = (&*connector, servers.as_slice());
    if web.token_checks.take(&signed_in.account.id).is_err() {
        let error = (StatusCode::TOO_MANY_REQUESTS, locale.t("connecting-slowed"));
        return page(&web, locale, signed_in, about, Some(error)).await;
    }
    let typed = form.field("credential").trim().to_owned().into();
    let owner = Owner {
        account: &signed_in.account,
        person: &person(&from, Some(signed_in)),
    };
    let connected = web.parts.connections.connect_with_token(owner, &connector, typed);
    match connected.await {
        Ok(who) => done(&web, locale, &connector, &who),
        Err(ConnectError::Store(error)) => page::unavailable(&web, locale, &error),
        Err(error) => {
            let error = problem(locale, &connector.title, &error);
            page(&web, locale, signed_in, about, Some(error)).await
        }
    }
}

fn done(web: &Web, locale: Locale, connector: &Connector, who: &UpstreamAccount) -> Response {
    let message = Message {
        title: locale.t1("connecting-done-title", "provider", &connector.title),
        text: locale.t1("connecting-done-text", "name", who.shown()),
        link: Some(("/connections".to_owned(), locale.t("connecting-done-link"))),
        ..Message::default()
    };
    page::message(web, locale, StatusCode::OK, message)
}

fn redirect_uri(web: &Web, connector: &Connector) -> String {
    format!("{}{CALLBACK}/{}", web.site().origin, connector.name)
}

/// `POST /connect/leave`: to the provider.
pub async fn leave(State(web): State<Arc<Web>>, locale: Locale, browser: Browser, form: OwnForm) -> Response {
    let signed_in = &form.signed_in;
    let Some((connector, servers)) = offered(&web, signed_in, form.field("to")) else {
        return unknown(&web, locale);
    };
    let cookie = browser.form_cookie(&web);
    let leaving = Leaving {
        browser: &cookie.value,
        session: signed_in.session.id,
        redirect_uri: &redirect_uri(&web, &connector),
    };
    match web.parts.connections.leave(&connector, &leaving).await {
        Ok(url) => {
            let mut response = see_other(&url);
            cookie.send(&web, response.headers_mut());
            response
        }
        Err(LeaveError::Store(error)) => page::unavailable(&web, locale, &error),
        Err(error) => {
            tracing::warn!(%error, connector = %connector.name, "nobody can leave for a provider");
            let text = locale.t1("connecting-unavailable", "provider", &connector.title);
            let about = (&*connector, servers.as_slice());
            page(
                &web,
                locale,
                signed_in,
                about,
                Some((StatusCode::BAD_GATEWAY, text)),
            )
            .await
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
    let session = match web.parts.connections.take(connector, &cookie, state).await {
        Ok(session) => session,
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    // Whoever signed in meanwhile in this browser is not who wanted it.
    let signed_in = browser.signed_in(&web).await;
    let signed_in = signed_in.filter(|signed_in| Some(signed_in.session.id) == session);
    let Some(signed_in) = signed_in else {
        return gone(&web, locale);
    };
    let Some((connector, servers)) = offered(&web, &signed_in, &name) else {
        return unknown(&web, locale);
    };
    let about = (&*connector, servers.as_slice());
    let said = |key: &str| locale.t1(key, "provider", &connector.title);
    if let Some(error) = one("error") {
        let error: String = error.chars().take(80).collect();
        tracing::info!(error, connector = %connector.name, "a provider sent somebody back with an error");
        let text = said("connecting-gave-up");
        return page(
            &web,
            locale,
            &signed_in,
            about,
            Some((StatusCode::FORBIDDEN, text)),
        )
        .await;
    }
    let back = Back {
        browser: &cookie,
        redirect_uri: &redirect_uri(&web, &connector),
        state,
        code: one("code").unwrap_or_default(),
        // What is there and cannot be read is of nobody.
        iss: one("iss").or_else(|| params.has("iss").then_some("")),
    };
    let owner = Owner {
        account: &signed_in.account,
        person: &person(&from, Some(&signed_in)),
    };
    match web.parts.connections.arrive(owner, &connector, &back).await {
        Ok(who) => done(&web, locale, &connector, &who),
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

/// What to tell somebody whose token was not taken.
fn problem(locale: Locale, provider: &str, error: &ConnectError) -> (StatusCode, String) {
    let said = |key: &str| locale.t1(key, "provider", provider);
    match error {
        ConnectError::NotAToken => (StatusCode::BAD_REQUEST, said("connecting-not-a-token")),
        ConnectError::Who(WhoError::Refused | WhoError::Forbidden) => {
            (StatusCode::BAD_REQUEST, said("connecting-refused"))
        }
        ConnectError::SomebodyElse(name) => {
            let text = locale.t2("connecting-somebody-else", "name", name, "provider", provider);
            (StatusCode::FORBIDDEN, text)
        }
        ConnectError::Who(WhoError::Unavailable(_)) | ConnectError::Provider(ClientError::Unavailable(_)) => {
            (StatusCode::BAD_GATEWAY, said("connecting-unavailable"))
        }
        ConnectError::Who(WhoError::Unreadable(_) | WhoError::Template(_)) | ConnectError::NotOffered => {
            (StatusCode::BAD_GATEWAY, said("connecting-unreadable"))
        }
        ConnectError::Provider(_) => (StatusCode::BAD_REQUEST, said("connecting-not-taken")),
        ConnectError::Inactive | ConnectError::Store(_) => {
            (StatusCode::FORBIDDEN, locale.t("company-disabled"))
        }
    }
}

fn unknown(web: &Web, locale: Locale) -> Response {
    let message = Message {
        title: locale.t("connecting-unknown-title"),
        text: locale.t("connecting-unknown-text"),
        link: Some(("/connections".to_owned(), locale.t("connecting-done-link"))),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::NOT_FOUND, "connector_unknown", message)
}

fn not_this_link(web: &Web, locale: Locale, error: LinkError) -> Response {
    let (status, slug, title, text) = match error {
        LinkError::SomebodyElse => (
            StatusCode::FORBIDDEN,
            "connect_link_foreign",
            locale.t("connecting-foreign-title"),
            locale.t("connecting-foreign-text"),
        ),
        LinkError::Altered | LinkError::Old => (
            StatusCode::BAD_REQUEST,
            "connect_link_gone",
            locale.t("connecting-gone-title"),
            locale.t("connecting-gone-text"),
        ),
    };
    let message = Message {
        title,
        text,
        link: Some(("/connections".to_owned(), locale.t("connecting-done-link"))),
        ..Message::default()
    };
    page::problem(web, locale, status, slug, message)
}
