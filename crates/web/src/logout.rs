//! RP-initiated logout (OS-125 to OS-128): always asks before it ends anything.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use people::SignedIn;
use protocol::Params;

use crate::authorize::person;
use crate::company_logout;
use crate::cookies::{self, Cookie};
use crate::form_token;
use crate::locale::Locale;
use crate::page::{self, Message, Page, render};
use crate::request::{Browser, Form, From, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage {
    page: Page,
    username: String,
    client: Option<String>,
    request: String,
    token: String,
}

/// `GET /logout`.
pub async fn show(
    State(web): State<Arc<Web>>,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.as_bytes()).unwrap_or_default();
    ask(&web, locale, &browser, &params).await
}

/// `POST /logout`: a client's request, or the answer to our question.
pub async fn submit(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    Form(form): Form,
) -> Response {
    let (Ok(Some(token)), Some(signed_in)) = (form.one("token"), browser.signed_in(&web).await) else {
        return ask(&web, locale, &browser, &form).await;
    };
    if !form_token::fits(signed_in.cookie.expose(), token) {
        return page::stale_form(&web, locale);
    }
    let request = form.one("request").ok().flatten().unwrap_or_default();
    let params = Params::parse(request.as_bytes()).unwrap_or_default();
    end(&web, locale, &from, &signed_in, &params).await
}

async fn ask(web: &Web, locale: Locale, browser: &Browser, params: &Params) -> Response {
    let request = match web.parts.server.judge_sign_out(params).await {
        Ok(request) => request,
        Err(error) => return page::unavailable(web, locale, &error),
    };
    match browser.signed_in(web).await {
        Some(signed_in) => {
            let template = LogoutPage {
                page: Page::new(web, locale, locale.t("logout-title")),
                username: signed_in.account.username.to_string(),
                client: request.client_name,
                request: params.encode(),
                token: form_token::for_cookie(signed_in.cookie.expose()),
            };
            render(StatusCode::OK, &template)
        }
        None => request
            .back
            .map_or_else(|| signed_out(web, locale, None), |back| see_other(&back)),
    }
}

async fn end(web: &Web, locale: Locale, from: &From, signed_in: &SignedIn, params: &Params) -> Response {
    let ended = async {
        let request = web.parts.server.judge_sign_out(params).await?;
        let person = person(from, Some(signed_in));
        web.parts
            .server
            .end_grants_of_session(&request, signed_in, &person)
            .await?;
        web.parts
            .sessions
            .end(signed_in.session.id, signed_in.account.id, person)
            .await?;
        Ok::<_, store::StoreError>(request)
    };
    match ended.await {
        Ok(request) => {
            let mut response = match request.back {
                Some(back) => see_other(&back),
                None => signed_out(web, locale, company_logout::there(web, locale, signed_in).await),
            };
            cookies::clear(response.headers_mut(), Cookie::Session, &web.site().origin);
            response
        }
        Err(error) => page::unavailable(web, locale, &error),
    }
}

/// Says so; `there` is the way to the sign-out of the provider at which the session began.
pub(crate) fn signed_out(web: &Web, locale: Locale, there: Option<(String, String)>) -> Response {
    let message = Message {
        title: locale.t("signed-out-title"),
        text: locale.t("signed-out-text"),
        link: there.or_else(|| Some(("/sign-in".to_owned(), locale.t("sign-in-title")))),
        ..Message::default()
    };
    page::message(web, locale, StatusCode::OK, message)
}
