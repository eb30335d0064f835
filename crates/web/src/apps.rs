//! "Apps that can act as me": the person's live grants, each revocable.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use issuer::device_code::DEVICE_HOST;
use model::GrantId;
use people::SignedIn;
use store::{EndReason, Grant, StoreError};

use crate::authorize::{client_name, person, vouching};
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Page, moment, render};
use crate::request::{Browser, From, OwnForm};
use crate::return_to_client::see_other;
use crate::router::Web;

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    page: Page,
    apps: Vec<App>,
    token: String,
}

struct App {
    grant: String,
    client: String,
    vouching: String,
    server: String,
    target: String,
    since: String,
    last_used: String,
    replaced: bool,
    /// What it was allowed beyond the usual, in words.
    scopes: String,
    /// Whether it could be allowed more.
    can_widen: bool,
}

/// `GET /apps`.
pub async fn show(State(web): State<Arc<Web>>, locale: Locale, browser: Browser) -> Response {
    let Some(signed_in) = browser.signed_in(&web).await else {
        return see_other(Onward::Apps.sign_in());
    };
    let apps = match apps(&web, locale, &signed_in).await {
        Ok(apps) => apps,
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    let page = Page::own(&web, locale, locale.t("apps-title"), "apps", &signed_in);
    let token = form_token::for_cookie(signed_in.cookie.expose());
    render(StatusCode::OK, &AppsPage { page, apps, token })
}

async fn apps(web: &Web, locale: Locale, signed_in: &SignedIn) -> Result<Vec<App>, StoreError> {
    let store = &web.parts.store;
    let settings = web.parts.server.settings();
    let mut apps = Vec::new();
    for grant in store
        .grants_of(signed_in.account.id, web.parts.world.now())
        .await?
    {
        let known = store.client(&grant.client).await?;
        let face = known.as_ref().map(|client| web.parts.server.face(client));
        let (client, vouching) = match &face {
            Some(face) => (client_name(locale, face), vouching(locale, face).0),
            None => (locale.t("nameless-client"), grant.client.to_string()),
        };
        let server = match &grant.server {
            Some(name) => settings
                .resource(name)
                .map_or_else(|| name.to_string(), |resource| resource.title.clone()),
            None => locale.t("apps-sign-in-only"),
        };
        let offered = known.as_ref().map_or_else(Vec::new, |client| {
            web.parts.server.offered(&grant, &signed_in.account, client)
        });
        let (held, open): (Vec<_>, Vec<_>) = offered.into_iter().partition(|scope| scope.held);
        let held: Vec<_> = held.into_iter().map(|scope| scope.title).collect();
        apps.push(App {
            scopes: held.join(", "),
            can_widen: !open.is_empty(),
            grant: grant.id.to_string(),
            client,
            vouching,
            server,
            target: match grant.redirect_host.as_str() {
                DEVICE_HOST => locale.t("kind-device"),
                host => host.to_owned(),
            },
            since: moment(grant.created_at),
            last_used: moment(grant.last_used_at),
            replaced: grant.replaced_at.is_some(),
        });
    }
    Ok(apps)
}

/// `POST /apps/revoke`.
pub async fn revoke(State(web): State<Arc<Web>>, from: From, locale: Locale, form: OwnForm) -> Response {
    let signed_in = &form.signed_in;
    let Ok(id) = form.field("grant").parse::<GrantId>() else {
        return see_other("/apps");
    };
    match revoke_own(&web, &from, signed_in, id).await {
        Ok(()) => see_other("/apps"),
        Err(error) => page::unavailable(&web, locale, &error),
    }
}

async fn revoke_own(web: &Web, from: &From, signed_in: &SignedIn, id: GrantId) -> Result<(), StoreError> {
    let own = |grant: &Grant| grant.account == signed_in.account.id;
    let Some(grant) = web.parts.store.grant(id).await?.filter(own) else {
        return Ok(());
    };
    let person = person(from, Some(signed_in));
    web.parts
        .server
        .end_grant(&grant, EndReason::Revoked, &person)
        .await?;
    // Whoever takes a right back does not want it given again without being asked.
    web.parts
        .store
        .forget_consents(grant.account, &grant.client)
        .await
}
