//! Setting up an authenticator app: a page with a QR code and the same in letters, and a code that shows that it worked.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use people::totp::Enrolment;
use people::{FactorError, SignedIn};
use qrcode::QrCode;
use qrcode::render::svg;

use crate::authorize::person;
use crate::form_token;
use crate::fresh::FreshForm;
use crate::locale::Locale;
use crate::onward::{Onward, with_query};
use crate::page::{Page, render};
use crate::request::{Browser, From};
use crate::router::Web;
use crate::security::done;
use crate::sign_in::go_on;
use crate::step_up_authentication;

#[derive(Template)]
#[template(path = "totp.html")]
struct TotpPage {
    page: Page,
    token: String,
    /// The code as SVG; our own, made of squares.
    picture: String,
    secret: String,
    ticket: String,
    error: Option<String>,
    /// Where the code goes.
    action: String,
    /// Whether it is set up on the way to something else, and not from the account page.
    on_the_way: bool,
}

/// The page for somebody who is on the way to a program.
pub(crate) fn on_the_way(
    web: &Web,
    locale: Locale,
    (signed_in, query): (&SignedIn, &str),
    enrolment: Enrolment,
    error: Option<String>,
) -> Response {
    let template = TotpPage {
        page: Page::new(web, locale, locale.t("totp-title")),
        token: form_token::for_cookie(signed_in.cookie.expose()),
        picture: picture(&enrolment),
        secret: enrolment.text,
        ticket: enrolment.ticket,
        action: with_query(step_up_authentication::TOTP_CODE, query),
        on_the_way: true,
        error,
    };
    let status = template
        .error
        .as_ref()
        .map_or(StatusCode::OK, |_| StatusCode::BAD_REQUEST);
    render(status, &template)
}

/// The code that an app takes a picture of.
pub(crate) fn picture(enrolment: &Enrolment) -> String {
    let Ok(code) = QrCode::new(enrolment.uri.as_bytes()) else {
        return String::new();
    };
    // Black on white in the dark too: not every camera reads it the other way.
    let drawn = code
        .render::<svg::Color<'_>>()
        .min_dimensions(220, 220)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build();
    match drawn.split_once("?>") {
        Some((_, svg)) => svg.trim().to_owned(),
        None => drawn,
    }
}

fn page(
    web: &Web,
    locale: Locale,
    signed_in: &SignedIn,
    enrolment: Enrolment,
    status: StatusCode,
    error: Option<String>,
) -> Response {
    let template = TotpPage {
        page: Page::own(web, locale, locale.t("totp-title"), "account", signed_in),
        token: form_token::for_cookie(signed_in.cookie.expose()),
        picture: picture(&enrolment),
        secret: enrolment.text,
        ticket: enrolment.ticket,
        error,
        action: "/account/totp".to_owned(),
        on_the_way: false,
    };
    render(status, &template)
}

/// `POST /account/totp/begin`.
pub async fn begin(State(web): State<Arc<Web>>, locale: Locale, FreshForm(form): FreshForm) -> Response {
    let signed_in = &form.signed_in;
    let owner = signed_in.session.id.to_string();
    let username = signed_in.account.username.as_str();
    let enrolment = web.parts.factors.new_totp(&owner, &web.site().title, username);
    page(&web, locale, signed_in, enrolment, StatusCode::OK, None)
}

/// `POST /account/totp`: the first code, which is the second factor of this session too: nobody types another one to go on.
pub async fn confirm(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    FreshForm(form): FreshForm,
) -> Response {
    let signed_in = &form.signed_in;
    let owner = signed_in.session.id.to_string();
    let (ticket, account) = (form.field("ticket"), &signed_in.account);
    let factors = &web.parts.factors;
    let person = person(&from, Some(signed_in));
    let raised = factors
        .raise_with_new_totp(signed_in, ticket, &owner, form.field("code"), person)
        .await;
    let confirmed = match raised {
        Ok(proof) => {
            let then = (Onward::Account, "");
            if let Ok(mut response) = go_on(&web, &from, &browser, Some(signed_in), proof, then).await {
                let security = HeaderValue::from_static("/account#security");
                response.headers_mut().insert(header::LOCATION, security);
                return response;
            }
            // It is set up, whatever became of the session.
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err(FactorError::Wrong) = confirmed
        && let Ok(same) = factors.same_totp(ticket, &owner, &web.site().title, account.username.as_str())
    {
        let error = Some(locale.t("totp-wrong"));
        return page(&web, locale, signed_in, same, StatusCode::BAD_REQUEST, error);
    }
    done(&web, locale, signed_in, confirmed).await
}

/// `POST /account/totp/remove`.
pub async fn remove(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    FreshForm(form): FreshForm,
) -> Response {
    let signed_in = &form.signed_in;
    let person = person(&from, Some(signed_in));
    let (account, session) = (signed_in.account.id, signed_in.session.id);
    let removed = web.parts.factors.remove_totp(account, session, person).await;
    done(&web, locale, signed_in, removed).await
}
