//! An approval that waits: the person said yes, and connects an account at a provider before the browser goes back to the
//! program (CC-106).
//!
//! Consent comes first, so that no program sends anybody to a provider who has not allowed it (MA-134, MA-139). Nothing is
//! decided while it waits: what may have changed meanwhile is asked again when it goes on, in
//! [`decide`](AuthorizationServer::decide). It is worth something in the session alone in which it was given.

use std::time::Duration;

use keys::Purpose;
use model::{ServerName, TransactionId};
use people::SignedIn;
use serde::{Deserialize, Serialize};
use store::{StoreError, Transaction};

use crate::consent::Kept;
use crate::server::AuthorizationServer;
use crate::settings::Target;

/// So long somebody may be away to connect.
const AWAY: Duration = Duration::from_mins(15);

/// What a person approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The request.
    pub transaction: TransactionId,
    /// The server, if there was a choice.
    pub server: Option<ServerName>,
    /// Whether the program runs on another machine (CC-57).
    pub elsewhere: bool,
}

impl AuthorizationServer {
    /// The server that is approved. `None` if it is none, if nothing is left to decide, or not long enough.
    pub async fn approved_server(
        &self,
        approved: &Approved,
        signed_in: &SignedIn,
    ) -> Result<Option<ServerName>, StoreError> {
        let session = signed_in.session.id;
        let transaction = self.store.transaction(approved.transaction, session).await?;
        // Whoever comes back too late comes back for nothing: they had better connect when the program asks for it.
        let back = self.world.now() + AWAY;
        let is_open = |open: &Transaction| open.decided_at.is_none() && open.expires_at > back;
        let Some(transaction) = transaction.filter(is_open) else {
            return Ok(None);
        };
        let kept = Kept::of(&transaction)?;
        let server = match kept.targets.as_slice() {
            [Target::Server(only)] => Some(only.clone()),
            several => approved
                .server
                .clone()
                .filter(|name| several.contains(&Target::Server(name.clone()))),
        };
        let settings = self.settings();
        Ok(server.filter(|name| {
            settings
                .resource(name)
                .is_some_and(|resource| resource.allows(&signed_in.account))
        }))
    }

    /// An approval for the browser to carry while it waits.
    pub fn hold(&self, approved: &Approved, signed_in: &SignedIn) -> String {
        let session = signed_in.session.id.to_string();
        let text = serde_json::to_string(approved).unwrap_or_default();
        self.sealer.ticket(&waiting_in(&session), &text)
    }

    /// The approval that the browser carries, if it was given in this session.
    pub fn held(&self, ticket: &str, signed_in: &SignedIn) -> Option<Approved> {
        let session = signed_in.session.id.to_string();
        let text = self.sealer.open_ticket(&waiting_in(&session), ticket).ok()?;
        serde_json::from_str(&text).ok()
    }
}

fn waiting_in(session: &str) -> Purpose<'_> {
    Purpose {
        purpose: "approved",
        owner: session,
    }
}
