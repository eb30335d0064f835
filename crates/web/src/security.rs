//! The part of the account page about factors beyond the password: what there is, and what happens to it.
//!
//! Whatever adds or takes away a way in needs a proof of the last ten minutes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use model::PasskeyId;
use people::passkeys::Answered;
use people::{FactorError, SignedIn};
use store::StoreError;

use crate::account::{self, Notice};
use crate::authorize::person;
use crate::fresh::FreshForm;
use crate::locale::Locale;
use crate::page::{self, moment};
use crate::passkey_sign_in::{can_have_passkeys, door, not_begun};
use crate::request::{From, OwnForm};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::second_factor::at;

/// What the account page shows.
pub(crate) struct Security {
    /// The passkeys.
    pub(crate) passkeys: Vec<Shown>,
    /// Whether browsers can make some for this door.
    pub(crate) can_add: bool,
    /// Since when the authenticator app is set up.
    pub(crate) totp: Option<String>,
    /// How many recovery codes were not used.
    pub(crate) codes: u64,
    /// Whether a password alone does not let them in.
    pub(crate) any: bool,
}

/// A passkey on the page.
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) since: String,
    pub(crate) used: Option<String>,
}

/// What an account has.
pub(crate) async fn security(
    web: &Web,
    signed_in: &SignedIn,
    has_password: bool,
) -> Result<Security, StoreError> {
    let (store, account) = (&web.parts.store, signed_in.account.id);
    let has = store.factors_of(account).await?;
    let passkeys = store
        .passkeys_of(account)
        .await?
        .into_iter()
        .map(|passkey| Shown {
            id: passkey.id.to_string(),
            name: passkey.name,
            since: moment(passkey.created_at),
            used: passkey.last_used_at.map(moment),
        });
    let totp = store.totp_of(account).await?;
    Ok(Security {
        passkeys: passkeys.collect(),
        can_add: has_password && can_have_passkeys(web),
        totp: totp.map(|totp| moment(totp.created_at)),
        codes: has.recovery_codes,
        any: has.any(),
    })
}

/// `POST /account/passkeys/begin`: the options for a new passkey.
pub async fn begin_passkey(State(web): State<Arc<Web>>, from: From, FreshForm(form): FreshForm) -> Response {
    let signed_in = &form.signed_in;
    let at = at(&from, signed_in.cookie.expose(), None);
    let account = signed_in.account.id;
    let asked = web
        .parts
        .factors
        .ask_for_new_passkey(door(&web.site()), account, &at)
        .await;
    match asked {
        Ok(asked) => crate::passkey_sign_in::asked(&asked),
        Err(error) => not_begun(&error),
    }
}

/// `POST /account/passkeys`: what the browser made.
pub async fn add_passkey(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    FreshForm(form): FreshForm,
) -> Response {
    let added = add_made(&web, &from, &form).await;
    done(&web, locale, &form.signed_in, added).await
}

/// Adds the passkey that a browser made to whoever is signed in with it.
pub(crate) async fn add_made(web: &Web, from: &From, form: &OwnForm) -> Result<(), FactorError> {
    let signed_in = &form.signed_in;
    let at = at(from, signed_in.cookie.expose(), None);
    let answered = Answered {
        ceremony: form.field("ceremony"),
        first: "",
        credential: form.field("credential"),
    };
    let owner = (signed_in.account.id, signed_in.session.id);
    let person = person(from, Some(signed_in));
    let (site, factors) = (web.site(), &web.parts.factors);
    factors
        .add_passkey(door(&site), owner, answered, form.field("name"), &at, person)
        .await
        .map(|_| ())
}

/// `POST /account/passkeys/{id}/name`.
pub async fn name_passkey(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    from: From,
    locale: Locale,
    form: OwnForm,
) -> Response {
    let signed_in = &form.signed_in;
    let Ok(id) = id.parse::<PasskeyId>() else {
        return page::stale_form(&web, locale);
    };
    let person = person(&from, Some(signed_in));
    let named = web
        .parts
        .factors
        .name_passkey(id, signed_in.account.id, form.field("name"), person)
        .await;
    done(&web, locale, signed_in, named).await
}

/// `POST /account/passkeys/{id}/remove`.
pub async fn remove_passkey(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    from: From,
    locale: Locale,
    FreshForm(form): FreshForm,
) -> Response {
    let signed_in = &form.signed_in;
    let Ok(id) = id.parse::<PasskeyId>() else {
        return page::stale_form(&web, locale);
    };
    let person = person(&from, Some(signed_in));
    let (account, session) = (signed_in.account.id, signed_in.session.id);
    let removed = web
        .parts
        .factors
        .remove_passkey(id, account, session, person)
        .await;
    done(&web, locale, signed_in, removed).await
}

/// Back to the account page, which says what went wrong if something did.
pub(crate) async fn done(
    web: &Web,
    locale: Locale,
    signed_in: &SignedIn,
    result: Result<(), FactorError>,
) -> Response {
    let (status, text) = match result {
        Ok(()) => return see_other("/account#security"),
        Err(error @ (FactorError::Store(_) | FactorError::Sealed(_))) => {
            return page::unavailable(web, locale, &error);
        }
        Err(FactorError::Missing) => (StatusCode::CONFLICT, locale.t("security-missing")),
        Err(FactorError::Full) => (StatusCode::CONFLICT, locale.t("security-full")),
        Err(FactorError::Wrong) => (StatusCode::BAD_REQUEST, locale.t("second-wrong")),
        Err(FactorError::Slowed(wait)) => {
            let seconds = wait.as_secs().max(1);
            let text = locale.tn("sign-in-slowed", "seconds", seconds);
            (StatusCode::TOO_MANY_REQUESTS, text)
        }
        Err(FactorError::Gone) => (StatusCode::BAD_REQUEST, locale.t("passkey-late")),
        Err(FactorError::Passkey(_) | FactorError::Inactive) => {
            (StatusCode::BAD_REQUEST, locale.t("passkey-not-made"))
        }
    };
    account::page(web, locale, signed_in, status, Notice::security(text)).await
}
