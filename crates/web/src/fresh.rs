//! Ways in are for good: two minutes at an open browser are not enough to change them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::Response;
use http::StatusCode;
use people::SignedIn;

use crate::locale::Locale;
use crate::onward::Onward;
use crate::request::{Browser, OwnForm};
use crate::router::Web;
use crate::sign_in::{self, Asked};

/// So long a proof of who somebody is counts for changing the ways in.
const LATELY: Duration = Duration::from_mins(10);

/// Whether somebody proved lately who they are.
pub(crate) fn is_fresh(web: &Web, signed_in: &SignedIn) -> bool {
    let proved_at = signed_in.session.authenticated_at;
    web.parts.world.now().since(proved_at) < LATELY
}

/// An [`OwnForm`] of somebody who proved lately who they are. Others are asked to; the account page comes then.
#[derive(Debug)]
pub struct FreshForm(pub OwnForm);

impl FromRequest<Arc<Web>> for FreshForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(browser) = Browser::from_request_parts(&mut parts, web).await;
        let Ok(locale) = Locale::from_request_parts(&mut parts, web).await;
        let form = OwnForm::from_request(Request::from_parts(parts, body), web).await?;
        if is_fresh(web, &form.signed_in) {
            return Ok(Self(form));
        }
        let asked = Asked {
            query: "",
            username: Some(form.signed_in.account.username.to_string()),
            again: true,
            error: Some(locale.t("company-prove-again")),
            onward: Onward::Account,
        };
        Err(sign_in::page(web, locale, &browser, StatusCode::FORBIDDEN, asked))
    }
}
