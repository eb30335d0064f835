//! Session ids of the session era, sealed and bound to the person, the client and the server (TP-42, MA-144).
//!
//! What the client holds is a ticket; the upstream's own id is inside. Nobody else's ticket opens, and since
//! nothing is kept here, a restart of the door changes nothing (CC-94). The ticket also says what the program called
//! itself when the session began, because in this era it says so only once.

use http::{HeaderMap, HeaderValue};
use keys::{Purpose, Sealer};

use crate::caller::Caller;
use crate::names;
use crate::refusal::Refusal;
use crate::route::Route;

/// A session of the caller's.
#[derive(Debug)]
pub(crate) struct Session {
    /// What the client holds.
    pub(crate) ticket: HeaderValue,
    /// The upstream's own id.
    pub(crate) id: String,
    /// What the program called itself.
    pub(crate) agent: Option<String>,
    /// Whether it opens addresses for its person (URL elicitation).
    pub(crate) opens: bool,
}

/// What of a beginning session is kept in its ticket.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// What the program called itself.
    pub(crate) agent: Option<String>,
    /// Whether it opens addresses for its person.
    pub(crate) opens: bool,
}

/// Before the id, where the program opens addresses; no header can hold it.
const OPENS: char = '\u{1}';
/// Between the id and what the program calls itself; no header can hold it.
const BETWEEN: char = '\n';

fn owner(route: &Route, caller: &Caller) -> String {
    format!(
        "{}\0{}\0{}",
        route.name(),
        caller.account.id,
        caller.proof.holder()
    )
}

fn of_session(owner: &str) -> Purpose<'_> {
    Purpose {
        purpose: "mcp session",
        owner,
    }
}

fn of_endpoint(owner: &str) -> Purpose<'_> {
    Purpose {
        purpose: "mcp message endpoint",
        owner,
    }
}

/// What the client is given for an upstream's session id.
pub(crate) fn seal(sealer: &Sealer, route: &Route, caller: &Caller, id: &str, begun: &Beginning) -> String {
    let owner = owner(route, caller);
    let mut text = String::new();
    text.extend(begun.opens.then_some(OPENS));
    text.push_str(id);
    if let Some(agent) = &begun.agent {
        text.push(BETWEEN);
        text.push_str(agent);
    }
    sealer.ticket(&of_session(&owner), &text)
}

/// The session that a request names, if it names one; it must be this caller's.
pub(crate) fn of(
    sealer: &Sealer,
    route: &Route,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Option<Session>, Refusal> {
    let Some(ticket) = headers.get(&names::SESSION) else {
        return Ok(None);
    };
    let owner = owner(route, caller);
    let text = ticket.to_str().map_err(|_| Refusal::Session)?;
    let text = sealer
        .open_ticket(&of_session(&owner), text)
        .map_err(|_| Refusal::Session)?;
    let (opens, text) = match text.strip_prefix(OPENS) {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let (id, agent) = match text.split_once(BETWEEN) {
        Some((id, agent)) => (id.to_owned(), Some(agent.to_owned())),
        None => (text.to_owned(), None),
    };
    Ok(Some(Session {
        ticket: ticket.clone(),
        id,
        agent,
        opens,
    }))
}

/// The same for the message endpoint of the legacy transport, whose query holds its session.
pub(crate) fn seal_endpoint(sealer: &Sealer, route: &Route, caller: &Caller, path: &str) -> String {
    sealer.ticket(&of_endpoint(&owner(route, caller)), path)
}

/// The upstream's message endpoint in a ticket, if it is this caller's.
pub(crate) fn open_endpoint(sealer: &Sealer, route: &Route, caller: &Caller, ticket: &str) -> Option<String> {
    sealer
        .open_ticket(&of_endpoint(&owner(route, caller)), ticket)
        .ok()
}
