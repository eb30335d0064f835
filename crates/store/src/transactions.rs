//! Authorization requests on their way through consent, bound to one browser session (OS-35).

use async_trait::async_trait;
use model::{AccountId, ClientId, DeviceId, SessionId, Timestamp, TransactionId};

use crate::codes::Code;
use crate::consents::Consent;
use crate::device_authorizations::Allowed;
use crate::error::Result;

/// A request that waits for, or has had, its decision.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// The session that began it and alone can decide it.
    pub session: SessionId,
    /// Who decides.
    pub account: AccountId,
    /// Who asked.
    pub client: ClientId,
    /// What was asked, as the issuer wrote it.
    pub request: String,
    /// Until when it can be decided.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Where the browser was sent, sealed; given again for a short while (CC-51).
    pub outcome: Option<Vec<u8>>,
}

/// A request to be kept.
#[derive(Clone, Debug)]
pub struct NewTransaction {
    /// Its id, unless the same request is already waiting in the same session.
    pub id: TransactionId,
    /// The session.
    pub session: SessionId,
    /// Digest of the request's query.
    pub query_digest: [u8; 32],
    /// Who decides.
    pub account: AccountId,
    /// Who asked.
    pub client: ClientId,
    /// What was asked.
    pub request: String,
    /// Until when it can be decided.
    pub expires_at: Timestamp,
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Where the browser is sent, sealed.
    pub outcome: Vec<u8>,
    /// The code, if the person approved.
    pub code: Option<Code>,
    /// What to remember of the approval.
    pub consent: Option<Consent>,
    /// The request of a program without a browser that is answered with it.
    pub device: Option<DeviceDecision>,
}

/// The answer to a program without a browser (RFC 8628).
#[derive(Clone, Debug)]
pub struct DeviceDecision {
    /// Which request.
    pub device: DeviceId,
    /// What was allowed, if anything was.
    pub allowed: Option<Box<Allowed>>,
}

/// The `transactions` table.
#[async_trait]
pub trait Transactions {
    /// Keeps a request. The same request again in the same session is the same transaction, until
    /// `renew_before`: one that was decided earlier than that, or has run out, begins anew.
    async fn begin_transaction(
        &self,
        transaction: &NewTransaction,
        renew_before: Timestamp,
        now: Timestamp,
    ) -> Result<Transaction>;
    /// By id, of this session.
    async fn transaction(&self, id: TransactionId, session: SessionId) -> Result<Option<Transaction>>;
    /// Decides a transaction once. `false` if it is decided already or has run out, or the request of the program without a
    /// browser is or has.
    async fn decide(&self, id: TransactionId, decision: &Decision, now: Timestamp) -> Result<bool>;
    /// Keeps a code that needs no decision: consent is remembered.
    async fn add_code(&self, code: &Code, now: Timestamp) -> Result<()>;
}
