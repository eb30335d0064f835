//! Ways in are for good: two minutes at an open browser are not enough to change them.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use people::SignedIn;

use crate::locale::Locale;
use crate::onward::Onward;
use crate::request::Browser;
use crate::router::Web;
use crate::sign_in::{self, Asked};

/// So long a proof of who somebody is counts for changing the ways in.
const LATELY: Duration = Duration::from_mins(10);

/// Whether somebody proved lately who they are.
pub(crate) fn is_fresh(web: &Web, signed_in: &SignedIn) -> bool {
    web.parts.world.now().since(signed_in.session.authenticated_at) < LATELY
}

/// Asks them to; the account page comes then.
pub(crate) fn prove_again(web: &Web, locale: Locale, browser: &Browser, signed_in: &SignedIn) -> Response {
    let asked = Asked {
        query: "",
        username: Some(signed_in.account.username.to_string()),
        again: true,
        error: Some(locale.t("company-prove-again")),
        onward: Onward::Account,
    };
    sign_in::page(web, locale, browser, StatusCode::FORBIDDEN, asked)
}
