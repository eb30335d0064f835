//! "My servers": what the person may use, with lines to copy for each client.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::connect::{self, Line};
use crate::locale::Locale;
use crate::page::{Page, render};
use crate::request::Browser;
use crate::return_to_client::see_other;
use crate::router::Web;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    page: Page,
    name: String,
    servers: Vec<Server>,
    nothing: String,
}

struct Server {
    title: String,
    url: String,
    lines: Vec<Line>,
}

/// `GET /`.
pub async fn show(State(web): State<Arc<Web>>, locale: Locale, browser: Browser) -> Response {
    let Some(signed_in) = browser.signed_in(&web).await else {
        return see_other("/sign-in");
    };
    let settings = web.parts.server.settings();
    let servers = settings.allowed_to(&signed_in.account).map(|resource| Server {
        title: resource.title.clone(),
        url: resource.uri.clone(),
        lines: connect::lines(resource.name.as_str(), &resource.uri),
    });
    let servers: Vec<_> = servers.collect();
    let nothing = match &settings.contact {
        Some(contact) => locale.t1("servers-none-contact", "contact", contact),
        None => locale.t("servers-none"),
    };
    let page = Page::own(&web, locale, locale.t("servers-title"), "servers", &signed_in);
    render(
        StatusCode::OK,
        &Home {
            page,
            name: signed_in.account.display_name.clone(),
            servers,
            nothing,
        },
    )
}
