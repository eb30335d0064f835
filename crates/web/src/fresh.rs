//! Ways in are for good: two minutes at an open browser are not enough to change them, and neither is one factor of somebody
//! who has two.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::Response;
use http::StatusCode;
use model::Assurance;
use people::SignedIn;
use store::{Factors, StoreError};

use crate::locale::Locale;
use crate::onward::Onward;
use crate::passkey_sign_in::can_have_passkeys;
use crate::request::{Browser, From, OwnForm};
use crate::router::Web;
use crate::second_factor::Then;
use crate::sign_in::{self, Asked};
use crate::{page, step_up_authentication};

/// So long a proof of who somebody is counts for changing the ways in.
const LATELY: Duration = Duration::from_mins(10);

/// Whether somebody proved lately who they are.
pub(crate) fn is_fresh(web: &Web, signed_in: &SignedIn) -> bool {
    let proved_at = signed_in.session.authenticated_at;
    web.parts.world.now().since(proved_at) < LATELY
}

/// What somebody has, and whether passkeys are of use to them: those stand in for a password of ours.
pub(crate) async fn factors(web: &Web, signed_in: &SignedIn) -> Result<(Factors, bool), StoreError> {
    let account = signed_in.account.id;
    let has = web.parts.store.factors_of(account).await?;
    let known = web.parts.store.account(account).await?;
    let passkeys = can_have_passkeys(web) && known.is_some_and(|known| known.password_hash.is_some());
    Ok((has, passkeys))
}

/// Whether somebody has a second factor that this session does not stand on, as when a provider's word alone let them in.
pub(crate) fn is_owing((has, passkeys): (Factors, bool), signed_in: &SignedIn) -> bool {
    let usable = has.totp || has.recovery_codes > 0 || (passkeys && has.passkeys > 0);
    usable && Assurance::of_acr(signed_in.session.proved.acr.as_deref()) == Assurance::OneFactor
}

/// Whether somebody may change their ways in: they proved lately who they are, with no less than they have.
pub(crate) async fn may_change(web: &Web, signed_in: &SignedIn) -> Result<bool, StoreError> {
    Ok(is_fresh(web, signed_in) && !is_owing(factors(web, signed_in).await?, signed_in))
}

/// An [`OwnForm`] of somebody who proved lately who they are, with no less than they have. Others are asked to; the account
/// page comes then.
#[derive(Debug)]
pub struct FreshForm(pub OwnForm);

impl FromRequest<Arc<Web>> for FreshForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(browser) = Browser::from_request_parts(&mut parts, web).await;
        let Ok(locale) = Locale::from_request_parts(&mut parts, web).await;
        let Ok(from) = From::from_request_parts(&mut parts, web).await;
        let form = OwnForm::from_request(Request::from_parts(parts, body), web).await?;
        if is_fresh(web, &form.signed_in) {
            let owing = match factors(web, &form.signed_in).await {
                Ok(factors) => is_owing(factors, &form.signed_in),
                Err(error) => return Err(page::unavailable(web, locale, &error)),
            };
            if !owing {
                return Ok(Self(form));
            }
            let then = Then {
                onward: Onward::Account,
                query: "",
                why: None,
            };
            let mut response =
                step_up_authentication::second(web, locale, (&from, &browser), then, &form.signed_in).await;
            if response.status().is_success() {
                *response.status_mut() = StatusCode::FORBIDDEN;
            }
            return Err(response);
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
