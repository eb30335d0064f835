//! "Apps that can act as me": the person's live grants, each revocable, and before them what they allowed programs without a
//! browser that have not fetched it yet (RFC 8628), each to be taken back.

use std::sync::Arc;

use askama::Template;
use audit::Person;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use issuer::clients::ClientFace;
use issuer::device_code::DEVICE_HOST;
use model::{AccountId, ClientId, GrantId, ServerName};
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
    approvals: Vec<Allowed>,
    apps: Vec<App>,
    token: String,
}

/// What waits to be fetched.
struct Allowed {
    grant: String,
    client: String,
    vouching: String,
    server: String,
    address: String,
    /// What the program calls itself; empty if it says nothing.
    user_agent: String,
    approved: String,
    until: String,
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
    let rows = async {
        let approvals = approvals(&web, locale, &signed_in).await?;
        Ok::<_, StoreError>((approvals, apps(&web, locale, &signed_in).await?))
    };
    let (approvals, apps) = match rows.await {
        Ok(rows) => rows,
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    let template = AppsPage {
        page: Page::own(&web, locale, locale.t("apps-title"), "apps", &signed_in),
        approvals,
        apps,
        token: form_token::for_cookie(signed_in.cookie.expose()),
    };
    render(StatusCode::OK, &template)
}

async fn approvals(web: &Web, locale: Locale, signed_in: &SignedIn) -> Result<Vec<Allowed>, StoreError> {
    let (store, now) = (&web.parts.store, web.parts.world.now());
    let mut approvals = Vec::new();
    for approval in store.approvals_of(signed_in.account.id, now).await? {
        let known = store.client(&approval.client).await?;
        let face = known
            .as_ref()
            .map(|client| web.parts.server.face_of_device(client));
        let (client, vouching) = names(locale, face.as_ref(), &approval.client);
        approvals.push(Allowed {
            grant: approval.grant.to_string(),
            client,
            vouching,
            server: server_title(web, locale, approval.server.as_ref()),
            address: approval.address,
            user_agent: approval.user_agent,
            approved: moment(approval.approved_at),
            until: moment(approval.expires_at),
        });
    }
    Ok(approvals)
}

/// What a program is called, and who vouches for that; its id if it is not known any more.
fn names(locale: Locale, face: Option<&ClientFace>, id: &ClientId) -> (String, String) {
    match face {
        Some(face) => (client_name(locale, face), vouching(locale, face).0),
        None => (locale.t("nameless-client"), id.to_string()),
    }
}

fn server_title(web: &Web, locale: Locale, server: Option<&ServerName>) -> String {
    let Some(name) = server else {
        return locale.t("apps-sign-in-only");
    };
    let settings = web.parts.server.settings();
    settings
        .resource(name)
        .map_or_else(|| name.to_string(), |resource| resource.title.clone())
}

async fn apps(web: &Web, locale: Locale, signed_in: &SignedIn) -> Result<Vec<App>, StoreError> {
    let store = &web.parts.store;
    let mut apps = Vec::new();
    for grant in store
        .grants_of(signed_in.account.id, web.parts.world.now())
        .await?
    {
        let known = store.client(&grant.client).await?;
        let face = known.as_ref().map(|client| web.parts.server.face(client));
        let (client, vouching) = names(locale, face.as_ref(), &grant.client);
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
            server: server_title(web, locale, grant.server.as_ref()),
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

/// `POST /apps/revoke`: of what was fetched and of what was not.
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
    let (account, person) = (signed_in.account.id, person(from, Some(signed_in)));
    if end_own(web, account, id, &person).await? {
        return Ok(());
    }
    let server = &web.parts.server;
    if !server.take_approval_back(id, account, &person).await? {
        // Fetched at this moment: whoever takes it back ends what came of it.
        end_own(web, account, id, &person).await?;
    }
    Ok(())
}

/// `false` if there is no such grant of theirs.
async fn end_own(web: &Web, account: AccountId, id: GrantId, person: &Person) -> Result<bool, StoreError> {
    let own = |grant: &Grant| grant.account == account;
    let Some(grant) = web.parts.store.grant(id).await?.filter(own) else {
        return Ok(false);
    };
    web.parts
        .server
        .end_grant(&grant, EndReason::Revoked, person)
        .await?;
    // Whoever takes a right back does not want it given again without being asked.
    web.parts
        .store
        .forget_consents(grant.account, &grant.client)
        .await?;
    Ok(true)
}
