//! What can happen, in the words of the standards. An event never holds a credential.

use std::net::IpAddr;
use std::sync::Arc;

use model::{
    AccountId, ClientId, EventId, GrantId, GroupName, ServerName, ServiceTokenId, SessionId, Timestamp,
    TokenId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chosen::Chosen;

/// What identifies a person; erased without breaking the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The readable name, as it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What the program called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Who they are at the upstream's provider, where they act with a credential of their own (CC-112).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_account: Option<String>,
    /// What they called a tool with, as far as the operator chose to know it: it may say of whom.
    #[serde(default, skip_serializing_if = "Chosen::is_empty")]
    pub chosen_arguments: Chosen,
}

/// What led to an issue of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// A code was redeemed.
    AuthorizationCode,
    /// A device code was redeemed (RFC 8628).
    DeviceCode,
    /// A refresh token was rotated.
    RefreshToken,
    /// A rotated refresh token came again and got its successor again (DEC-1).
    Redelivery,
    /// A client acts as an account of its own.
    ClientCredentials,
    /// A workload, for which its platform vouches.
    JwtBearer,
    /// A token was exchanged for one for another server.
    TokenExchange,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The upstream answered.
    Answered,
    /// The upstream could not be reached, broke off or took too long.
    UpstreamFailed,
    /// The caller went away first.
    Abandoned,
    /// Ended by us while it was under way: revoked, no longer allowed, shutting down.
    Ended,
    /// Not let through.
    Refused,
}

/// Who says that a client is what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voucher {
    /// The operator, who set it up.
    Operator,
    /// The host in its id, where its metadata document is.
    Host,
    /// Nobody: it chose the name itself.
    Nobody,
}

/// By what a caller who came without an access token of ours proved who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// With this service token.
    ServiceToken(ServiceTokenId),
    /// With a token of this trusted issuer.
    Issuer(String),
    /// With this token of the time before, as the configuration calls it.
    Legacy(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the members are what their types say; docs/operating.md lists them for readers"
)]
pub enum What {
    /// The server began to serve.
    Started { version: String },
    /// The server stopped in good order.
    Stopped,
    /// A new configuration took the place of the one before.
    ConfigurationLoaded { digest: String },
    /// Somebody signed in.
    SignedIn {
        account: AccountId,
        session: SessionId,
        method: String,
    },
    /// Somebody gave the right password of an account that has a second factor, which is asked for.
    SecondFactorAsked { account: AccountId },
    /// Somebody could not sign in.
    SignInRefused {
        account: Option<AccountId>,
        reason: String,
    },
    /// Somebody signed out, or a session was ended; by the provider that began it, if one is named.
    SignedOut {
        account: AccountId,
        session: SessionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
    },
    /// A password was set or changed.
    PasswordSet { account: AccountId, by_invitation: bool },
    /// A factor beyond the password was added to an account, changed, used up or taken away by its owner.
    FactorChanged {
        account: AccountId,
        factor: String,
        change: String,
    },
    /// A client registered itself.
    ClientRegistered { client: ClientId, name: Option<String> },
    /// A client's metadata document could not be used; the client was refused.
    ClientDocumentFailed { client: String, reason: String },
    /// A client failed to prove itself, or is unknown.
    ClientRefused { client: String, reason: String },
    /// An authorization request that ended before consent.
    AuthorizationRefused {
        client: Option<ClientId>,
        account: Option<AccountId>,
        error: String,
        reason: String,
    },
    /// A person approved; `remembered` if they were not asked again. `asked` is what the program asked for.
    ConsentGiven {
        account: AccountId,
        client: ClientId,
        server: Option<ServerName>,
        scopes: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        asked: String,
        remembered: bool,
    },
    /// A person refused.
    ConsentDenied { account: AccountId, client: ClientId },
    /// A person took back what they had allowed a program without a browser, before it fetched it.
    ApprovalTakenBack {
        grant: GrantId,
        account: AccountId,
        client: ClientId,
    },
    /// Somebody typed a user code that no program shows, or too many of them.
    UserCodeRefused { account: AccountId, reason: String },
    /// Tokens were issued.
    TokensIssued {
        account: AccountId,
        client: ClientId,
        server: Option<ServerName>,
        grant: GrantId,
        token: TokenId,
        scopes: String,
        by: Issue,
        /// Who acts for the person, the latest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        act: Vec<ClientId>,
    },
    /// A code or refresh token was refused.
    GrantRefused {
        client: ClientId,
        grant: Option<GrantId>,
        reason: String,
    },
    /// A person allowed a grant's client more than before (MA-36): `asked` is what the program asked for, `scopes`
    /// what was added.
    GrantWidened {
        grant: GrantId,
        account: AccountId,
        client: ClientId,
        server: Option<ServerName>,
        asked: String,
        scopes: String,
    },
    /// A grant ended. `reason` is one of `store::EndReason`.
    GrantEnded {
        grant: GrantId,
        account: AccountId,
        client: ClientId,
        reason: String,
    },
    /// An access token was revoked alone.
    TokenRevoked {
        token: TokenId,
        grant: GrantId,
        client: ClientId,
    },
    /// An MCP message went through, or was not let through.
    Call {
        server: ServerName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<ClientId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_name: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_vouched_by: Option<Voucher>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        messages: Vec<Judged>,
        outcome: CallOutcome,
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        microseconds: u64,
        bytes_in: u64,
        bytes_out: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shadow: Option<String>,
    },
    /// A call was let through and is about to go to its server; `call` is the event that says how it ended. Recorded
    /// only if nothing may happen before it is on disk.
    CallAdmitted {
        call: EventId,
        server: ServerName,
        account: Option<AccountId>,
        client: Option<ClientId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_name: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_vouched_by: Option<Voucher>,
        grant: Option<GrantId>,
        token: Option<TokenId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<String>,
    },
    /// A person linked their account at a provider.
    ConnectionMade {
        account: AccountId,
        connector: ServerName,
        kind: String,
    },
    /// A person's account at a provider was not linked.
    ConnectionRefused {
        account: AccountId,
        connector: ServerName,
        reason: String,
    },
    /// A linked credential does not count any more.
    ConnectionEnded {
        account: AccountId,
        connector: ServerName,
        reason: String,
    },
    /// A person, or an operator, took a link to a provider away.
    ConnectionRemoved {
        account: AccountId,
        connector: ServerName,
    },
    /// A service token was made.
    ServiceTokenCreated {
        service_token: ServiceTokenId,
        account: AccountId,
        servers: Vec<ServerName>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        scopes: String,
        expires_at: Timestamp,
        operator: String,
    },
    /// A service token was revoked: by an operator, or by whoever held it.
    ServiceTokenRevoked {
        service_token: ServiceTokenId,
        account: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operator: Option<String>,
    },
    /// A service token that is known was shown and did not count; one event a minute and token.
    ServiceTokenRefused {
        service_token: ServiceTokenId,
        account: AccountId,
        server: ServerName,
        reason: String,
    },
    /// Somebody at another issuer is this account from now on; `made` if the account was made for them.
    IdentityLinked {
        account: AccountId,
        issuer: String,
        made: bool,
    },
    /// They are not any more.
    IdentityUnlinked { account: AccountId, issuer: String },
    /// A good token of a trusted issuer came whose person has no account here; their `sub` is the event's user.
    IdentityRefused { issuer: String, server: ServerName },
    /// A server lists something under a name with another definition than was accepted.
    DefinitionChanged {
        server: ServerName,
        list: String,
        name: String,
    },
    /// An operator's command.
    Administration {
        operator: String,
        command: String,
        target: String,
    },
    /// Membership changed.
    GroupChanged {
        account: AccountId,
        group: GroupName,
        member: bool,
    },
    /// A signing key was made or removed.
    SigningKey {
        kid: String,
        algorithm: String,
        action: String,
    },
    /// The door made itself known at the provider of a connector, or is not known there any more.
    UpstreamClient {
        connector: String,
        issuer: String,
        client: String,
        action: String,
    },
    /// What the other chains end with, so that none can lose its end, or vanish, unseen.
    Checkpoint { heads: Vec<Head> },
    /// The process ended without saying so; this many events at most were not written any more.
    EventsLost { chain: Uuid, after: i64, at_most: i64 },
    /// The database does not hold the end of a chain that this process had written.
    RecordCut {
        chain: Uuid,
        number: i64,
        hash: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<i64>,
    },
    /// Blocks that were kept long enough are deleted.
    RecordTrimmed { until: Timestamp, chains: Vec<Trim> },
    /// What identifies a person is taken out of these lines.
    PersonErased {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
        lines: Vec<Lines>,
    },
    /// Blocks are signed with a key from here on.
    AuditKey {
        kid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
}

/// What was decided about one message of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Its method and target.
    pub message: String,
    /// Why it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// SHA-256 of its arguments, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which chain.
    pub chain: Uuid,
    /// Number of its last block.
    pub number: i64,
    /// Its hash, in hex.
    pub hash: String,
}

/// Up to where a chain is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trim {
    /// Which chain.
    pub chain: Uuid,
    /// Number of the last block that goes, or went before.
    pub through: i64,
    /// Its hash, in hex.
    pub hash: String,
}

/// Some lines of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The block's chain.
    pub chain: Uuid,
    /// Its number.
    pub number: i64,
    /// Which lines, from 0.
    pub lines: Vec<usize>,
}
