//! Connecting within the authorization: a person allowed a program, the server needs their account at a provider, and the
//! browser goes there before it goes back to the program, in one trip (CC-106).
//!
//! The approval travels sealed, in the form and in the row of who is away; nothing is decided before the end of the trip.

use std::sync::Arc;

use audit::Person;
use axum::extract::State;
use axum::response::Response;
use issuer::Approved;
use model::ServerName;
use people::SignedIn;
use store::{Connection, StoreError};
use vault::Connector;

use crate::authorize::person;
use crate::connecting::{self, About};
use crate::connecting_away;
use crate::connections::servers_of;
use crate::consent;
use crate::locale::Locale;
use crate::request::{Browser, From, OwnForm};
use crate::router::Web;

/// Where the form goes of who connects later.
pub(crate) const LATER: &str = "/connect/later";

/// The provider at which this person still has to connect for a server.
pub(crate) fn needed(web: &Web, server: &ServerName, linked: &[Connection]) -> Option<Arc<Connector>> {
    let connectors = web.parts.connections.connectors();
    let name = connectors.of_server.get(server)?;
    let is_live = |known: &Connection| known.connector == *name && known.ended.is_none();
    let connector = connectors.find(name.as_str())?;
    (!linked.iter().any(is_live)).then(|| Arc::clone(connector))
}

/// The page that comes before the way back to the program; none if there is nothing to connect.
pub(crate) async fn begin(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    approved: &Approved,
    signed_in: &SignedIn,
) -> Result<Option<Response>, StoreError> {
    let Some(server) = web.parts.server.approved_server(approved, signed_in).await? else {
        return Ok(None);
    };
    let linked = web.parts.store.connections_of(signed_in.account.id).await?;
    let Some(connector) = needed(web, &server, &linked) else {
        return Ok(None);
    };
    let ticket = web.parts.server.hold(approved, signed_in);
    let servers = servers_of(web, signed_in, connector.name.as_str());
    let about = About::new(&connector, &servers, Some(&ticket));
    // With one way there is nothing to choose, and the page before has said what comes.
    let response = if connector.oauth.is_some() && connector.personal_token.is_none() {
        connecting_away::depart(web, locale, browser, signed_in, about).await
    } else {
        connecting::page(web, locale, signed_in, about, None).await
    };
    Ok(Some(response))
}

/// The approval that waits for what a form does, if it is of this session.
pub(crate) fn waiting<'f>(web: &Web, form: &'f OwnForm) -> Option<&'f str> {
    let ticket = form.field("approved");
    let approved = web.parts.server.held(ticket, &form.signed_in);
    approved.map(|_| ticket)
}

/// `POST /connect/later`: back to the program, which gets a link when it needs one.
pub async fn later(State(web): State<Arc<Web>>, from: From, locale: Locale, form: OwnForm) -> Response {
    let signed_in = &form.signed_in;
    let person = person(&from, Some(signed_in));
    go_on(&web, locale, form.field("approved"), (signed_in, &person)).await
}

/// Decides what was approved, and sends the browser back to the program.
pub(crate) async fn go_on(
    web: &Web,
    locale: Locale,
    ticket: &str,
    (signed_in, person): (&SignedIn, &Person),
) -> Response {
    match web.parts.server.held(ticket, signed_in) {
        Some(approved) => consent::approve(web, locale, approved, (signed_in, person)).await,
        None => consent::gone(web, locale),
    }
}
