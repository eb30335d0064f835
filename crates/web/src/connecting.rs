//! Connecting an account at a provider: the page that programs send people to, and its form for a token.
//!
//! What is connected is the account of whoever is signed in in this browser, never of whoever made the link; and a link
//! that was made for somebody else is refused (MA-62). What is typed is written and never shown again.

use std::sync::Arc;

use askama::Template;
use audit::Person;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use people::SignedIn;
use protocol::Params;
use relying::oauth_client::ClientError;
use vault::{ConnectError, Connector, LinkError, Owner, UpstreamAccount, WhoError};

use crate::authorize::person;
use crate::connect_first;
use crate::connections::offered;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Message, Page, render};
use crate::request::{Browser, From, OwnForm, RawQuery};
use crate::router::Web;
use crate::sign_in::{self, Asked};

/// Where it is.
pub(crate) const PAGE: &str = "/connect";

#[derive(Template)]
#[template(path = "connecting.html")]
struct ConnectingPage {
    page: Page,
    name: String,
    title: String,
    text: String,
    /// As whom the person is connected already, in words.
    known: Option<String>,
    /// Whether it is connected in the browser.
    browser: bool,
    typed: Option<Typed>,
    error: Option<String>,
    /// The approval that waits for it, sealed.
    approved: Option<String>,
    token: String,
}

/// What is to be connected.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// The provider.
    pub(crate) connector: &'a Connector,
    /// The titles of the servers that need it.
    pub(crate) servers: &'a [String],
    /// The approval that waits for it, sealed.
    pub(crate) approved: Option<&'a str>,
}

impl<'a> About<'a> {
    pub(crate) fn new(connector: &'a Connector, servers: &'a [String], approved: Option<&'a str>) -> Self {
        Self {
            connector,
            servers,
            approved,
        }
    }
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
    let about = About::new(&connector, &servers, None);
    page(&web, locale, &signed_in, about, None).await
}

pub(crate) async fn page(
    web: &Web,
    locale: Locale,
    signed_in: &SignedIn,
    about: About<'_>,
    error: Option<(StatusCode, String)>,
) -> Response {
    let About {
        connector, servers, ..
    } = about;
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
        known: known.map(|known| match &known.upstream {
            Some(name) => locale.t1("connecting-known", "name", name),
            None => locale.t("connecting-known-somebody"),
        }),
        browser: connector.oauth.is_some(),
        typed: connector.personal_token.as_ref().map(|token| Typed {
            needs: token.hint.clone(),
            help_url: token.help_url.as_ref().map(ToString::to_string),
        }),
        error,
        approved: about.approved.map(str::to_owned),
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
    let approved = connect_first::waiting(&web, &form);
    let about = About::new(&connector, &servers, approved);
    if web.token_checks.take(&signed_in.account.id).is_err() {
        let error = (StatusCode::TOO_MANY_REQUESTS, locale.t("connecting-slowed"));
        return page(&web, locale, signed_in, about, Some(error)).await;
    }
    let typed = form.field("credential").trim().to_owned().into();
    let person = person(&from, Some(signed_in));
    let owner = Owner {
        account: &signed_in.account,
        person: &person,
    };
    let connected = web.parts.connections.connect_with_token(owner, &connector, typed);
    match connected.await {
        Ok(who) => done(&web, locale, about, (signed_in, &person), &who).await,
        Err(ConnectError::Store(error)) => page::unavailable(&web, locale, &error),
        Err(error) => {
            let error = problem(locale, &connector.title, &error);
            page(&web, locale, signed_in, about, Some(error)).await
        }
    }
}

/// Connected: back to the program that waits for it, or a page that says so.
pub(crate) async fn done(
    web: &Web,
    locale: Locale,
    about: About<'_>,
    (signed_in, person): (&SignedIn, &Person),
    who: &UpstreamAccount,
) -> Response {
    let connector = about.connector;
    if let Some(approved) = about.approved {
        return connect_first::go_on(web, locale, approved, (signed_in, person)).await;
    }
    let message = Message {
        title: locale.t1("connecting-done-title", "provider", &connector.title),
        text: match who.shown() {
            Some(name) => locale.t1("connecting-done-text", "name", name),
            None => locale.t("connecting-done-somebody"),
        },
        link: Some(("/connections".to_owned(), locale.t("connecting-done-link"))),
        ..Message::default()
    };
    page::message(web, locale, StatusCode::OK, message)
}

/// What to tell somebody whose token was not taken.
pub(crate) fn problem(locale: Locale, provider: &str, error: &ConnectError) -> (StatusCode, String) {
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

pub(crate) fn unknown(web: &Web, locale: Locale) -> Response {
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
