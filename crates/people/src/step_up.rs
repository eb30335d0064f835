//! Stepping up a session (RFC 9470 section 5): somebody who is signed in proves one factor more.
//!
//! ```text
//!  session ──▶ has a factor beyond the first ──▶ Waiting ──▶ code ──▶ Proof, in its place
//!     └──────▶ has none, signed in lately ─────▶ sets up an app ────▶ Proof, in its place
//! ```
//!
//! The first factor is what the session stands on, so what comes of it is no newer and lives no longer than the session did,
//! and is worth nothing once that has ended: a stolen ceremony must not outlive a sign-out. A passkey needs none of this; it
//! is a whole proof by itself.

use audit::{Person, What};
use model::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::factors::{At, FactorError, Factors};
use crate::second_factor::{Kept, Waiting};
use crate::sessions::SignedIn;
use crate::sign_in::Proof;

/// The session that a proof stands on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Raised {
    /// Which.
    pub(crate) session: SessionId,
    /// The request that it was begun for.
    pub(crate) fresh_for: Option<[u8; 32]>,
    /// When it ends in any case.
    pub(crate) until: Timestamp,
}

impl Kept {
    /// What is known of somebody who is signed in.
    fn of_session(signed_in: &SignedIn) -> Self {
        let session = &signed_in.session;
        Self {
            method: "session".to_owned(),
            provider: session.proved.provider.clone(),
            acr: session.proved.acr.clone(),
            amr: session.proved.amr.clone(),
            session: session.proved.session.clone(),
            at: Some(session.authenticated_at.as_millis()),
            lifetime: Some(session.expires_at.since(session.authenticated_at).as_secs()),
            raises: Some(Raised {
                session: session.id,
                fresh_for: session.fresh_for,
                until: session.expires_at,
            }),
        }
    }
}

impl Factors {
    /// Asks somebody who is signed in for a factor more that they have.
    pub async fn ask_for_more(&self, signed_in: &SignedIn, at: &At<'_>) -> Result<Waiting, FactorError> {
        let account = &signed_in.account;
        let ceremony = self
            .wait_for(account.id, &Kept::of_session(signed_in), at)
            .await?;
        let what = What::SecondFactorAsked { account: account.id };
        self.recorder
            .record(what, at.person(Some(account.username.to_string())));
        Ok(Waiting {
            ceremony,
            username: account.username.clone(),
            has: self.store.factors_of(account.id).await?,
        })
    }

    /// Sets up an app, whose first code is the factor more.
    pub async fn raise_with_new_totp(
        &self,
        signed_in: &SignedIn,
        ticket: &str,
        owner: &str,
        code: &str,
        person: Person,
    ) -> Result<Proof, FactorError> {
        let (session, account) = (&signed_in.session, &signed_in.account);
        self.confirm_totp((account.id, session.id), ticket, owner, code, person)
            .await?;
        Ok(Kept::of_session(signed_in).with(account.id, account.username.clone(), "totp"))
    }
}
