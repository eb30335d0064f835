//! One-time links: choosing a password, first or new, and being signed in with it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use people::accounts::AccountError;

use crate::account::problem;
use crate::cookies::Cookie;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Message, Page, render};
use crate::request::{Browser, Form, From};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::sign_in::{Credentials, sign_in};

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    page: Page,
    username: String,
    action: String,
    token: String,
    error: Option<String>,
}

/// `GET /invitation/{token}`. Looking uses nothing up: mail scanners open links too.
pub async fn show(
    State(web): State<Arc<Web>>,
    Path(link): Path<String>,
    locale: Locale,
    browser: Browser,
) -> Response {
    page(&web, locale, &browser, &link, StatusCode::OK, None).await
}

async fn page(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    link: &str,
    status: StatusCode,
    error: Option<String>,
) -> Response {
    // A password would let nobody in.
    if !web.parts.company.ways().passwords {
        return no_passwords(web, locale);
    }
    let owner = match web.parts.accounts.link_owner(link).await {
        Ok(owner) => owner,
        Err(AccountError::Store(error)) => return page::unavailable(web, locale, &error),
        Err(_) => return dead(web, locale),
    };
    let cookie = browser.form_cookie(web);
    let template = InvitationPage {
        page: Page::new(web, locale, locale.t("invitation-title")),
        username: owner.username.to_string(),
        action: format!("/invitation/{link}"),
        token: form_token::for_cookie(&cookie.value),
        error,
    };
    let mut response = render(status, &template);
    cookie.send(web, response.headers_mut());
    response
}

fn no_passwords(web: &Web, locale: Locale) -> Response {
    let message = Message {
        title: locale.t("no-passwords-title"),
        text: locale.t("no-passwords-text"),
        link: Some(("/sign-in".to_owned(), locale.t("sign-in-title"))),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::FORBIDDEN, "no_passwords", message)
}

fn dead(web: &Web, locale: Locale) -> Response {
    let message = Message {
        title: locale.t("dead-link-title"),
        text: locale.t("dead-link-text"),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::NOT_FOUND, "dead_link", message)
}

/// `POST /invitation/{token}`.
pub async fn submit(
    State(web): State<Arc<Web>>,
    Path(link): Path<String>,
    from: From,
    locale: Locale,
    browser: Browser,
    Form(form): Form,
) -> Response {
    let field = |name: &str| form.one(name).ok().flatten().unwrap_or_default().to_owned();
    let cookie = browser.cookie(&web, Cookie::Form).unwrap_or_default();
    if !form_token::fits(&cookie, &field("token")) {
        return page::stale_form(&web, locale);
    }
    if !web.parts.company.ways().passwords {
        return no_passwords(&web, locale);
    }
    if field("new") != field("repeat") {
        let error = Some(locale.t("password-differs"));
        return page(&web, locale, &browser, &link, StatusCode::BAD_REQUEST, error).await;
    }
    let password = field("new");
    match web
        .parts
        .accounts
        .open_link(&link, password.clone().into(), from.0.clone())
        .await
    {
        Ok(owner) => {
            let credentials = Credentials {
                username: owner.username.as_str(),
                password: &password,
                query: "",
                onward: Onward::Authorization,
            };
            sign_in(&web, locale, &from, &browser, None, credentials)
                .await
                .unwrap_or_else(|_| see_other("/sign-in"))
        }
        Err(AccountError::Store(error)) => page::unavailable(&web, locale, &error),
        Err(error) => match problem(locale, &error) {
            Some(text) => page(&web, locale, &browser, &link, StatusCode::BAD_REQUEST, Some(text)).await,
            None => dead(&web, locale),
        },
    }
}
