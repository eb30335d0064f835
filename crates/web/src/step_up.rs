//! Allowing a program more than before: the page that a refused call names (CC-76).

use std::sync::Arc;

use askama::Template;
use audit::Person;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use issuer::step_up::Widenable;
use people::SignedIn;
use protocol::{Params, Scopes};
use store::StoreError;

use crate::authorize::{client_name, person, vouching};
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Message, Page, render};
use crate::request::{Browser, From, OwnForm, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::sign_in::{self, Asked};

/// Where the page is.
pub(crate) const PAGE: &str = "/apps/scopes";

#[derive(Template)]
#[template(path = "scopes.html")]
struct ScopesPage {
    page: Page,
    client: String,
    client_id: String,
    /// Who vouches for it, in words.
    vouching: String,
    vouched: bool,
    server: String,
    username: String,
    grant: String,
    /// What can be added, and whether it was asked for.
    offered: Vec<(Choice, bool)>,
    held: Vec<Choice>,
    /// What the program asked for; goes with the form, for the record.
    asked: String,
    token: String,
}

struct Choice {
    name: String,
    title: String,
}

#[derive(Template)]
#[template(path = "widened.html")]
struct WidenedPage {
    page: Page,
    text: String,
    titles: Vec<String>,
}

/// `GET /apps/scopes`: what a program may be allowed on top, with what was asked for chosen.
pub(crate) async fn show(
    State(web): State<Arc<Web>>,
    locale: Locale,
    browser: Browser,
    RawQuery(raw): RawQuery,
) -> Response {
    let Some(signed_in) = browser.signed_in(&web).await else {
        let asked = Asked {
            query: &raw,
            username: None,
            again: false,
            error: None,
            onward: Onward::Scopes,
        };
        return sign_in::page(&web, locale, &browser, StatusCode::OK, asked);
    };
    let Ok(query) = Params::parse(raw.as_bytes()) else {
        return gone(&web, locale, &signed_in);
    };
    let asked = Scopes::parse(one(&query, "scope"));
    let widenable = match widenable(&web, &signed_in, one(&query, "grant")).await {
        Ok(Some(widenable)) => widenable,
        Ok(None) => return gone(&web, locale, &signed_in),
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    let client = client_name(locale, &widenable.face);
    let title = if asked.is_empty() {
        locale.t1("widen-own-title", "client", &client)
    } else {
        locale.t1("widen-title", "client", &client)
    };
    let (vouching, vouched) = vouching(locale, &widenable.face);
    let choices = |held: bool| {
        let scopes = widenable.scopes.iter().filter(move |scope| scope.held == held);
        scopes.map(|scope| Choice {
            name: scope.name.clone(),
            title: scope.title.clone(),
        })
    };
    let template = ScopesPage {
        page: Page::own(&web, locale, title, "apps", &signed_in),
        asked: asked.to_string(),
        client,
        vouching,
        vouched,
        client_id: widenable.face.id.to_string(),
        server: widenable.server.clone(),
        username: signed_in.account.username.to_string(),
        grant: widenable.grant.id.to_string(),
        offered: choices(false)
            .map(|choice| {
                let wanted = asked.contains(&choice.name);
                (choice, wanted)
            })
            .collect(),
        held: choices(true).collect(),
        token: form_token::for_cookie(signed_in.cookie.expose()),
    };
    render(StatusCode::OK, &template)
}

/// `POST /apps/scopes`.
pub(crate) async fn submit(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    form: OwnForm,
) -> Response {
    let signed_in = &form.signed_in;
    let person = person(&from, Some(signed_in));
    let (widenable, added) = match widen(&web, &form, &person).await {
        Ok(Some(done)) => done,
        Ok(None) => return gone(&web, locale, signed_in),
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    // Sent twice, or chosen nothing: the page shows what is the case.
    if added.is_empty() {
        return see_other(&format!("{PAGE}?grant={}", widenable.grant.id));
    }
    let client = client_name(locale, &widenable.face);
    let titles = widenable
        .scopes
        .iter()
        .filter(|scope| added.contains(&scope.name));
    let template = WidenedPage {
        page: Page::own(&web, locale, locale.t("widened-title"), "apps", signed_in),
        text: locale.t2("widened-text", "client", &client, "server", &widenable.server),
        titles: titles.map(|scope| scope.title.clone()).collect(),
    };
    render(StatusCode::OK, &template)
}

/// Twice at most: another form may have added something else at the same moment.
async fn widen(
    web: &Web,
    form: &OwnForm,
    person: &Person,
) -> Result<Option<(Widenable, Scopes)>, StoreError> {
    let chosen: Vec<_> = form.form.all("scope").collect();
    let chosen = Scopes::parse(&chosen.join(" "));
    let asked = Scopes::parse(form.field("asked"));
    let mut done = None;
    for _ in 0..2 {
        let Some(widenable) = widenable(web, &form.signed_in, form.field("grant")).await? else {
            return Ok(None);
        };
        let added = web
            .parts
            .server
            .widen(&widenable, &chosen, &asked, person)
            .await?;
        let is_enough = !added.is_empty();
        done = Some((widenable, added));
        if is_enough {
            break;
        }
    }
    Ok(done)
}

async fn widenable(web: &Web, signed_in: &SignedIn, grant: &str) -> Result<Option<Widenable>, StoreError> {
    let Ok(grant) = grant.parse() else {
        return Ok(None);
    };
    web.parts.server.widenable(grant, &signed_in.account).await
}

fn one<'p>(params: &'p Params, name: &str) -> &'p str {
    params.one(name).ok().flatten().unwrap_or_default()
}

fn gone(web: &Web, locale: Locale, signed_in: &SignedIn) -> Response {
    let message = Message {
        title: locale.t("widen-gone-title"),
        text: locale.t1("widen-gone-text", "username", &signed_in.account.username),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::NOT_FOUND, "grant_gone", message)
}
