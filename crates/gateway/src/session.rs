//! Session ids of the session era, sealed and bound to the person, the client and the server (TP-42, MA-144).
//!
//! What the client holds is a ticket; the upstream's own id is inside. Nobody else's ticket opens, and since
//! nothing is kept here, a restart of the door changes nothing (CC-94).

use keys::{Purpose, Sealer};

use crate::caller::Caller;
use crate::route::Route;

fn owner(route: &Route, caller: &Caller) -> String {
    format!(
        "{}\0{}\0{}",
        route.name(),
        caller.account.id,
        caller.proof.holder()
    )
}

/// What the client is given for an upstream's session id.
pub(crate) fn seal(sealer: &Sealer, route: &Route, caller: &Caller, id: &str) -> String {
    sealer.ticket(
        &Purpose {
            purpose: "mcp session",
            owner: &owner(route, caller),
        },
        id,
    )
}

/// The upstream's session id in a ticket, if it is this caller's.
pub(crate) fn open(sealer: &Sealer, route: &Route, caller: &Caller, ticket: &str) -> Option<String> {
    sealer
        .open_ticket(
            &Purpose {
                purpose: "mcp session",
                owner: &owner(route, caller),
            },
            ticket,
        )
        .ok()
}

/// The same for the message endpoint of the legacy transport, whose query holds its session.
pub(crate) fn seal_endpoint(sealer: &Sealer, route: &Route, caller: &Caller, path: &str) -> String {
    sealer.ticket(
        &Purpose {
            purpose: "mcp message endpoint",
            owner: &owner(route, caller),
        },
        path,
    )
}

/// The upstream's message endpoint in a ticket, if it is this caller's.
pub(crate) fn open_endpoint(sealer: &Sealer, route: &Route, caller: &Caller, ticket: &str) -> Option<String> {
    sealer
        .open_ticket(
            &Purpose {
                purpose: "mcp message endpoint",
                owner: &owner(route, caller),
            },
            ticket,
        )
        .ok()
}
