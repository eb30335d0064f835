//! The consent page (OS-41, CC-51, CC-57, CC-58, MA-92, MA-93, MA-136).

use std::sync::Arc;

use askama::Template;
use audit::Person;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use issuer::authorize::Requester;
use issuer::consent::Answer;
use issuer::{Approved, Decided, Question};
use model::ServerName;
use people::SignedIn;
use protocol::redirect::Kind;
use store::StoreError;

use crate::authorize::{client_name, person, vouching};
use crate::connect_first;
use crate::form_token;
use crate::locale::Locale;
use crate::page::{self, Message, Page, moment, render};
use crate::request::{Browser, From, OwnForm};
use crate::return_to_client::{elsewhere, go};
use crate::router::Web;

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    page: Page,
    /// Who vouches for it, in words.
    vouching: String,
    vouched: bool,
    warnings: Vec<String>,
    /// Where the browser will be sent, in words, and exactly.
    target: String,
    redirect_uri: String,
    client_id: String,
    choices: Vec<Choice>,
    /// What is connected before the browser goes back, if there is no choice.
    connects: Option<Connects>,
    scopes: Vec<String>,
    /// Asked for, and of no use to this person.
    withheld: Vec<String>,
    username: String,
    transaction: String,
    token: String,
    elsewhere: bool,
    /// The machine that asks, if it has no browser, and when it did.
    requester: Option<Requester>,
    asked_at: String,
}

struct Choice {
    name: String,
    title: String,
    /// The provider at which the person still has to connect.
    connects: Option<String>,
}

/// A provider at which the person connects next (MA-136).
struct Connects {
    provider: String,
    scopes: String,
}

/// The page for a question.
pub(crate) async fn page(
    web: &Web,
    locale: Locale,
    question: &Question,
    signed_in: &SignedIn,
) -> Result<Response, StoreError> {
    let linked = web.parts.store.connections_of(signed_in.account.id).await?;
    let needed = |server: &ServerName| connect_first::needed(web, server, &linked);
    let only = match question.choices.as_slice() {
        [only] => only.server.as_ref().and_then(needed),
        _ => None,
    };
    let face = &question.face;
    let (vouching, vouched) = vouching(locale, face);
    let mut warnings = Vec::new();
    if question.requester.is_some() {
        warnings.push(locale.t("warn-device"));
    } else if face.loopback_only {
        warnings.push(locale.t("warn-loopback"));
    } else if question.redirect_uri.kind() == Kind::PrivateScheme {
        warnings.push(locale.t("warn-scheme"));
    }
    if question.requester.is_none() && !vouched && question.redirect_uri.kind() == Kind::Https {
        warnings.push(locale.t1("warn-unverified-site", "host", question.redirect_uri.target()));
    }
    let target = match question.redirect_uri.kind() {
        Kind::Https => question.redirect_uri.target(),
        Kind::Loopback => locale.t("kind-loopback"),
        Kind::PrivateScheme => locale.t1("kind-scheme", "scheme", question.redirect_uri.target()),
    };
    let client = client_name(locale, face);
    let template = ConsentPage {
        page: Page::new(web, locale, locale.t1("consent-title", "client", &client)),
        vouching,
        vouched,
        warnings,
        target,
        redirect_uri: question.redirect_uri.to_string(),
        client_id: face.id.to_string(),
        choices: question
            .choices
            .iter()
            .filter_map(|choice| {
                let name = choice.server.as_ref()?.to_string();
                let connector = choice.server.as_ref().and_then(needed);
                Some(Choice {
                    name,
                    title: choice.title.clone(),
                    connects: connector.map(|connector| connector.title.clone()),
                })
            })
            .collect(),
        connects: only.map(|connector| Connects {
            provider: connector.title.clone(),
            scopes: connector
                .oauth
                .as_ref()
                .map_or_else(String::new, |oauth| oauth.scope().to_owned()),
        }),
        scopes: in_words(locale, question, true),
        withheld: in_words(locale, question, false),
        username: signed_in.account.username.to_string(),
        transaction: question.transaction.to_string(),
        token: form_token::for_cookie(signed_in.cookie.expose()),
        elsewhere: question.elsewhere,
        asked_at: question
            .requester
            .as_ref()
            .map_or_else(String::new, |requester| moment(requester.asked_at)),
        requester: question.requester.clone(),
    };
    Ok(render(StatusCode::OK, &template))
}

/// The scopes that are granted, or those that are not.
fn in_words(locale: Locale, question: &Question, granted: bool) -> Vec<String> {
    let scopes = question.scopes.iter().filter(|scope| scope.granted == granted);
    let words = scopes.map(|scope| match &scope.title {
        Some(title) => title.clone(),
        None => locale.t(&format!("scope-{}", scope.name.replace('_', "-"))),
    });
    words.collect()
}

/// `POST /consent`. Nothing of the request is read from the form: only which transaction, and the answer.
pub async fn submit(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    form: OwnForm,
) -> Response {
    let signed_in = &form.signed_in;
    let Ok(transaction) = form.field("transaction").parse() else {
        return gone(&web, locale);
    };
    let person = person(&from, Some(signed_in));
    let is_elsewhere = form.field("answer") == "elsewhere";
    if !is_elsewhere && form.field("answer") != "approve" {
        let decided = web
            .parts
            .server
            .decide(transaction, Answer::Deny, signed_in, &person);
        return answered(&web, locale, decided.await, false);
    }
    let approved = Approved {
        transaction,
        server: form.field("server").parse().ok(),
        elsewhere: is_elsewhere,
    };
    match connect_first::begin(&web, locale, &browser, &approved, signed_in).await {
        Ok(Some(page)) => page,
        Ok(None) => approve(&web, locale, approved, (signed_in, &person)).await,
        Err(error) => page::unavailable(&web, locale, &error),
    }
}

/// Decides for a program, and sends the browser back to it.
pub(crate) async fn approve(
    web: &Web,
    locale: Locale,
    approved: Approved,
    (signed_in, person): (&SignedIn, &Person),
) -> Response {
    let answer = Answer::Approve {
        server: approved.server,
    };
    let decided = web
        .parts
        .server
        .decide(approved.transaction, answer, signed_in, person);
    answered(web, locale, decided.await, approved.elsewhere)
}

fn answered(web: &Web, locale: Locale, decided: Result<Decided, StoreError>, is_elsewhere: bool) -> Response {
    match decided {
        Ok(Decided::Return(back)) if is_elsewhere => elsewhere(web, locale, &back),
        Ok(Decided::Return(back)) => go(web, locale, &back),
        Ok(Decided::Gone) => gone(web, locale),
        Err(error) => page::unavailable(web, locale, &error),
    }
}

pub(crate) fn gone(web: &Web, locale: Locale) -> Response {
    let message = Message {
        title: locale.t("gone-title"),
        text: locale.t("gone-text"),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::BAD_REQUEST, "consent_gone", message)
}
