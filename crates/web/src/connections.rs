//! "My connections": what the person linked at which provider, as whom, and what it was last used for.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use people::SignedIn;
use store::StoreError;
use vault::{Connector, Owner};

use crate::authorize::person;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Page, moment, render};
use crate::request::{Browser, From, OwnForm};
use crate::return_to_client::see_other;
use crate::router::Web;

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    page: Page,
    rows: Vec<Row>,
    token: String,
    /// What was done.
    notice: Option<String>,
}

/// A provider.
struct Row {
    name: String,
    title: String,
    /// The servers that need it.
    servers: String,
    linked: Option<Linked>,
    /// Whether it can be connected.
    offered: bool,
}

/// What is known of a connection.
struct Linked {
    /// As whom, in words.
    upstream: String,
    since: String,
    used: String,
    /// Why it does not count any more.
    ended: Option<String>,
}

/// The titles of the servers that this person may use and that need a connector; none if none does.
pub(crate) fn servers_of(web: &Web, signed_in: &SignedIn, connector: &str) -> Vec<String> {
    let connectors = web.parts.connections.connectors();
    let settings = web.parts.server.settings();
    let needs = |server| {
        let name = connectors.of_server.get(server);
        name.is_some_and(|name| name.as_str() == connector)
    };
    let allowed = settings.allowed_to(&signed_in.account);
    let titles = allowed.filter(|resource| needs(&resource.name));
    titles.map(|resource| resource.title.clone()).collect()
}

/// The connector of this name, if a server that this person may use needs it.
pub(crate) fn offered(web: &Web, signed_in: &SignedIn, name: &str) -> Option<(Arc<Connector>, Vec<String>)> {
    let connector = Arc::clone(web.parts.connections.connectors().find(name)?);
    let servers = servers_of(web, signed_in, name);
    (!servers.is_empty()).then_some((connector, servers))
}

/// `GET /connections`.
pub async fn show(State(web): State<Arc<Web>>, locale: Locale, browser: Browser) -> Response {
    match browser.signed_in(&web).await {
        Some(signed_in) => page(&web, locale, &signed_in, None).await,
        None => see_other(Onward::Connections.sign_in()),
    }
}

async fn page(web: &Web, locale: Locale, signed_in: &SignedIn, notice: Option<String>) -> Response {
    let rows = match rows(web, locale, signed_in).await {
        Ok(rows) => rows,
        Err(error) => return page::unavailable(web, locale, &error),
    };
    let template = ConnectionsPage {
        page: Page::own(
            web,
            locale,
            locale.t("connections-title"),
            "connections",
            signed_in,
        ),
        rows,
        token: form_token::for_cookie(signed_in.cookie.expose()),
        notice,
    };
    render(StatusCode::OK, &template)
}

async fn rows(web: &Web, locale: Locale, signed_in: &SignedIn) -> Result<Vec<Row>, StoreError> {
    let mut linked = web.parts.store.connections_of(signed_in.account.id).await?;
    let connectors = web.parts.connections.connectors();
    let mut rows = Vec::new();
    for (name, connector) in &connectors.by_name {
        let servers = servers_of(web, signed_in, name.as_str());
        let at = linked.iter().position(|known| known.connector == *name);
        let known = at.map(|at| linked.swap_remove(at));
        if servers.is_empty() && known.is_none() {
            continue;
        }
        rows.push(Row {
            name: name.to_string(),
            title: connector.title.clone(),
            offered: !servers.is_empty(),
            servers: servers.join(", "),
            linked: known.map(|known| in_words(locale, &connector.title, known)),
        });
    }
    // What the configuration does not name any more can still be deleted.
    for known in linked {
        let name = known.connector.to_string();
        rows.push(Row {
            title: name.clone(),
            linked: Some(in_words(locale, &name, known)),
            name,
            offered: false,
            servers: String::new(),
        });
    }
    Ok(rows)
}

fn in_words(locale: Locale, title: &str, known: store::Connection) -> Linked {
    let upstream = match known.shown() {
        Some(name) => locale.t1("connections-as", "name", name),
        None => locale.t("connections-as-somebody"),
    };
    let used = match known.last_use {
        Some(last) => locale.t3(
            "connections-used",
            ("at", moment(last.at)),
            ("client", last.client.unwrap_or_default()),
            ("tool", last.tool.unwrap_or_default()),
        ),
        None => locale.t("connections-unused"),
    };
    Linked {
        upstream,
        since: moment(known.created_at),
        used,
        ended: known
            .ended
            .map(|_| locale.t1("connections-ended-refused", "provider", title)),
    }
}

/// `POST /connections/disconnect`.
pub async fn disconnect(State(web): State<Arc<Web>>, from: From, locale: Locale, form: OwnForm) -> Response {
    let signed_in = &form.signed_in;
    let Ok(name) = form.field("connector").parse() else {
        return see_other("/connections");
    };
    let connectors = web.parts.connections.connectors();
    let title = connectors
        .find(form.field("connector"))
        .map_or_else(|| form.field("connector").to_owned(), |it| it.title.clone());
    let owner = Owner {
        account: &signed_in.account,
        person: &person(&from, Some(signed_in)),
    };
    match web.parts.connections.disconnect(owner, &name).await {
        Ok(Some(revoked)) => {
            let notice = if revoked {
                locale.t1("connections-revoked", "provider", title)
            } else {
                locale.t1("connections-removed", "provider", title)
            };
            page(&web, locale, signed_in, Some(notice)).await
        }
        Ok(None) => see_other("/connections"),
        Err(error) => page::unavailable(&web, locale, &error),
    }
}
