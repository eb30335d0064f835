//! Authorization codes (RFC 6749 section 4.1.2), kept as digests and redeemed once.

use async_trait::async_trait;
use model::{AccountId, Assurance, ClientId, GrantId, ServerName, SessionId, Timestamp, TokenDigest};
use protocol::pkce::CodeChallenge;
use protocol::{RedirectUri, Scopes};

use crate::accounts::AccountView;
use crate::clients::Client;
use crate::error::Result;
use crate::refresh_tokens::NewRefreshToken;

/// A code and all it is bound to (OS-56).
#[derive(Clone, Debug)]
pub struct Code {
    /// Of the code.
    pub digest: TokenDigest,
    /// The grant that redeeming it makes.
    pub grant: GrantId,
    /// Who approved.
    pub account: AccountId,
    /// In which browser session.
    pub session: SessionId,
    /// For whom.
    pub client: ClientId,
    /// Where it was sent.
    pub redirect_uri: RedirectUri,
    /// What the verifier must fit.
    pub challenge: CodeChallenge,
    /// The server it is for; none for a sign-in that is for no MCP server.
    pub server: Option<ServerName>,
    /// The audience of its tokens.
    pub resource: String,
    /// What was granted.
    pub scopes: Scopes,
    /// The client's nonce.
    pub nonce: Option<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How sure that is.
    pub assurance: Assurance,
    /// By which methods (RFC 8176), separated by spaces.
    pub amr: Option<String>,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
}

/// What a redeemed code turns into.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Host or scheme the code was sent to; grants of one installation are told apart by it.
    pub redirect_host: String,
    /// When the grant ends in any case.
    pub expires_at: Timestamp,
    /// Its first refresh token, if the client may refresh.
    pub refresh_token: Option<NewRefreshToken>,
}

/// How redeeming went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The grant is made.
    Redeemed,
    /// Somebody redeemed it before.
    AlreadyRedeemed,
    /// It ran out, or its account may not be issued anything any more.
    Refused,
}

/// The `codes` table.
#[async_trait]
pub trait Codes {
    /// By digest, redeemed or not, with whose it is.
    async fn code(&self, digest: &TokenDigest) -> Result<Option<(Code, AccountView)>>;
    /// Redeems a code once, while its account is active and its client not disabled: makes the grant, notes the client
    /// as completed and used, marks older grants of the same person, client, server and redirect host as replaced
    /// (CC-84). `client` is the client of the code, as it was read.
    async fn redeem_code(
        &self,
        code: &Code,
        client: &Client,
        grant: &NewGrant,
        now: Timestamp,
    ) -> Result<Redemption>;
}
