//! Recovery codes, shown once: what is kept of them is digests.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use data_encoding::BASE64;
use http::StatusCode;

use crate::authorize::person;
use crate::fresh::FreshForm;
use crate::locale::Locale;
use crate::page::{Page, render};
use crate::request::From;
use crate::router::Web;
use crate::security::done;

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct RecoveryCodesPage {
    page: Page,
    codes: Vec<String>,
    /// A text file of them, as a `data:` URL (RFC 2397): nothing goes over the wire twice.
    file: String,
    file_name: String,
}

/// `POST /account/recovery-codes`.
pub async fn make(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    FreshForm(form): FreshForm,
) -> Response {
    let signed_in = &form.signed_in;
    let person = person(&from, Some(signed_in));
    let made = web
        .parts
        .factors
        .new_recovery_codes(signed_in.account.id, person)
        .await;
    let codes = match made {
        Ok(codes) => codes,
        Err(error) => return done(&web, locale, signed_in, Err(error)).await,
    };
    let site = web.site();
    let text = format!("{} – {}\n\n{}\n", site.title, site.origin, codes.join("\n"));
    let template = RecoveryCodesPage {
        page: Page::own(&web, locale, locale.t("codes-title"), "account", signed_in),
        file: format!(
            "data:text/plain;charset=utf-8;base64,{}",
            BASE64.encode(text.as_bytes())
        ),
        file_name: format!("{}-recovery-codes.txt", site.origin.host()),
        codes,
    };
    render(StatusCode::OK, &template)
}
