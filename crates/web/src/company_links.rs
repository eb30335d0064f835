//! Who somebody is at the company's providers, linked to their account and taken away by themselves, on the account page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use model::SessionId;
use people::{Provider, SignedIn};
use relying::Came;
use store::StoreError;

use crate::account::{self, Notice};
use crate::authorize::person;
use crate::company_sign_in::{self, Going};
use crate::company_trouble::failed;
use crate::fresh::FreshForm;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page;
use crate::request::{Browser, From};
use crate::return_to_client::see_other;
use crate::router::Web;

/// A provider on the account page.
pub(crate) struct Link {
    /// What the configuration calls it.
    pub(crate) provider: String,
    /// What people call it.
    pub(crate) title: String,
    /// Whether the account is somebody there.
    pub(crate) linked: bool,
    /// Whether something else lets them in.
    pub(crate) removable: bool,
}

/// The providers, and whether the account is somebody there.
pub(crate) async fn links(web: &Web, signed_in: &SignedIn) -> Result<Vec<Link>, StoreError> {
    let ways = web.parts.company.ways();
    let account = signed_in.account.id;
    let identities = web.parts.store.identities_of(account).await?;
    let mut links = Vec::new();
    for provider in &ways.providers {
        let linked = identities
            .iter()
            .any(|identity| identity.name.issuer == provider.issuer());
        let removable = linked && web.parts.company.other_way(provider, account).await?.is_some();
        links.push(Link {
            provider: provider.name.clone(),
            title: provider.title.clone(),
            linked,
            removable,
        });
    }
    Ok(links)
}

/// `POST /account/company/{provider}/link`.
pub async fn link(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    locale: Locale,
    browser: Browser,
    FreshForm(form): FreshForm,
) -> Response {
    let going = Going {
        provider: &name,
        query: "",
        onward: Onward::Authorization,
        again: false,
        login_hint: None,
        session: Some(form.signed_in.session.id),
    };
    company_sign_in::leave(&web, locale, &from, &browser, &going).await
}

/// Somebody who began to link is back, and has proved who they are there.
pub(crate) async fn linked(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    provider: &Provider,
    session: SessionId,
    came: &Came,
    from: &From,
) -> Response {
    // Whoever signed in meanwhile in this browser is not who wanted it.
    let signed_in = browser.signed_in(web).await;
    let Some(signed_in) = signed_in.filter(|signed_in| signed_in.session.id == session) else {
        return see_other("/sign-in");
    };
    let person = person(from, Some(&signed_in));
    let linked = web
        .parts
        .company
        .link(provider, came, &signed_in.account, &person)
        .await;
    match linked {
        Ok(()) => see_other("/account"),
        Err(error) => failed(web, locale, provider, "/account", &error, Some(&came.profile)),
    }
}

/// Somebody who began to link gave up.
pub(crate) async fn gave_up(web: &Web, locale: Locale, browser: &Browser, text: String) -> Response {
    match browser.signed_in(web).await {
        Some(signed_in) => {
            account::page(web, locale, &signed_in, StatusCode::OK, Notice::company(text)).await
        }
        None => see_other("/sign-in"),
    }
}

/// `POST /account/company/{provider}/unlink`.
pub async fn unlink(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    locale: Locale,
    FreshForm(form): FreshForm,
) -> Response {
    let signed_in = &form.signed_in;
    let ways = web.parts.company.ways();
    let Some(provider) = ways.provider(&name) else {
        return page::stale_form(&web, locale);
    };
    let person = person(&from, Some(signed_in));
    match web
        .parts
        .company
        .unlink(provider, signed_in.account.id, signed_in.session.id, &person)
        .await
    {
        Ok(true) => see_other("/account"),
        Ok(false) => {
            let notice = Notice::company(locale.t("company-last-way"));
            account::page(&web, locale, signed_in, StatusCode::CONFLICT, notice).await
        }
        Err(error) => page::unavailable(&web, locale, &error),
    }
}
