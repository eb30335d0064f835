//! Who is calling, and by what they proved it.
//!
//! There are several kinds of proof, and the steps after authentication want the same few things of each: under
//! which client rules know it, how far it reaches, how long it lives, what the record says of it. They ask here
//! and never look which kind it is.

use std::sync::Arc;

use audit::Proof as Recorded;
use audit::event::Voucher;
use issuer::service_tokens::{self, ServiceAccess};
use issuer::{Access, Resource};
use model::id::Id as _;
use model::{AccountStatus, Assurance, ClientId, Demand, GrantId, GroupName, Timestamp, TokenId};
use protocol::{Issuer, scope};
use relying::ForeignAccess;
use store::AccountView;

use crate::gateway::Gateway;
use crate::old_tokens::{self, OldToken};

/// A caller whose proof counts for the server that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) proof: Proof,
    pub(crate) account: Arc<AccountView>,
}

/// By what a caller proved who they are.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// An access token of ours.
    Access(Arc<Access>),
    /// A service token.
    Service(Arc<ServiceAccess>),
    /// An access token of an issuer that the operator trusts.
    Foreign(Arc<ForeignAccess>),
    /// A token of the time before.
    Legacy(Arc<OldToken>),
}

impl Caller {
    /// With what the proof itself says of the person: their groups at an issuer that the operator trusts with them.
    pub(crate) fn new(proof: Proof, account: Arc<AccountView>) -> Self {
        let account = match &proof {
            Proof::Foreign(access) => with_groups(account, &access.groups),
            Proof::Access(_) | Proof::Service(_) | Proof::Legacy(_) => account,
        };
        Self { proof, account }
    }

    /// The same caller as they are at this moment, as far as that is in memory: their account, and what the person
    /// added to the grant.
    pub(crate) fn as_now(&self, gateway: &Gateway) -> Self {
        let account = gateway.directory.remembered(self.account.id);
        let proof = match &self.proof {
            Proof::Access(access) => gateway.verifier.widened(access).map(Proof::Access),
            Proof::Service(_) | Proof::Foreign(_) | Proof::Legacy(_) => None,
        };
        let proof = proof.unwrap_or_else(|| self.proof.clone());
        Self::new(proof, account.unwrap_or_else(|| Arc::clone(&self.account)))
    }

    /// What of what is demanded of them for this server they have not proved, or not lately enough (RFC 9470). From
    /// memory alone.
    pub(crate) fn unmet(&self, resource: &Resource, now: Timestamp) -> Option<Demand> {
        let proof = &self.proof;
        let demand = resource.demand(&self.account, proof.of_a_sign_in());
        (!demand.is_met(proof.assurance(), proof.authenticated_at(), now)).then_some(demand)
    }

    /// The same caller, as the account is now.
    pub(crate) fn with(&self, account: Arc<AccountView>) -> Self {
        Self::new(self.proof.clone(), account)
    }
}

/// An account that is in these groups too.
fn with_groups(account: Arc<AccountView>, groups: &[GroupName]) -> Arc<AccountView> {
    if groups.iter().all(|group| account.groups.contains(group)) {
        return account;
    }
    let mut all = account.groups.clone();
    all.extend_from_slice(groups);
    all.sort();
    all.dedup();
    Arc::new(AccountView {
        groups: all,
        ..AccountView::clone(&account)
    })
}

impl Proof {
    /// Whether the person may still use it: the account is active, and what is proved by was made after the account
    /// was last disabled.
    pub(crate) fn is_current(&self, account: &AccountView) -> bool {
        let made_at = match self {
            Self::Access(access) => access.grant.made_at(),
            Self::Service(token) => token.id.made_at(),
            Self::Foreign(access) => access.issued_at,
            // Nobody knows; it is the account's state alone that counts.
            Self::Legacy(_) => Timestamp::NEVER,
        };
        account.status == AccountStatus::Active && made_at > account.grants_end_before
    }

    /// Under which id rules know the program that calls.
    pub(crate) fn client(&self) -> &str {
        match self {
            Self::Access(access) => access.client.as_str(),
            Self::Service(_) => service_tokens::CLIENT,
            Self::Foreign(access) => &access.client,
            Self::Legacy(_) => old_tokens::CLIENT,
        }
    }

    /// What was granted, separated by spaces.
    pub(crate) fn scope(&self) -> &str {
        match self {
            Self::Access(access) => &access.scope,
            Self::Service(token) => &token.scope,
            // They are for servers, and for nothing else.
            Self::Legacy(_) => scope::MCP,
            Self::Foreign(access) => &access.scope,
        }
    }

    /// Whether it is for using the server at all (DEC-12).
    pub(crate) fn reaches(&self) -> bool {
        match self {
            Self::Access(access) => access.scopes.contains(scope::MCP),
            Self::Service(_) | Self::Legacy(_) => true,
            Self::Foreign(access) => access.reaches,
        }
    }

    /// When it runs out.
    pub(crate) fn expires_at(&self) -> Timestamp {
        match self {
            Self::Access(access) => access.expires_at,
            Self::Service(token) => token.expires_at,
            Self::Foreign(access) => access.expires_at,
            Self::Legacy(token) => token.until,
        }
    }

    /// When the person last proved who they are; long ago where nobody knows, so that a rule which asks for a recent
    /// sign-in refuses.
    pub(crate) fn authenticated_at(&self) -> Timestamp {
        match self {
            Self::Access(access) => access.auth_time.unwrap_or(Timestamp::EPOCH),
            Self::Service(_) | Self::Legacy(_) => Timestamp::EPOCH,
            Self::Foreign(access) => access.auth_time.unwrap_or(Timestamp::EPOCH),
        }
    }

    /// How sure it is who they are; what nobody signed in for is sure of one thing at most.
    pub(crate) fn assurance(&self) -> Assurance {
        match self {
            Self::Access(access) => access.assurance,
            Self::Foreign(access) => access.assurance,
            Self::Service(_) | Self::Legacy(_) => Assurance::OneFactor,
        }
    }

    /// Whether somebody signed in for it.
    pub(crate) fn of_a_sign_in(&self) -> bool {
        match self {
            Self::Access(access) => access.auth_time.is_some(),
            Self::Foreign(_) => true,
            Self::Service(_) | Self::Legacy(_) => false,
        }
    }

    /// Whose sessions are whose, beside the account: one program's are not another's.
    pub(crate) fn holder(&self) -> String {
        match self {
            Self::Access(access) => access.client.to_string(),
            Self::Service(token) => format!("{}:{}", service_tokens::CLIENT, token.id),
            Self::Foreign(access) => access.client.clone(),
            Self::Legacy(token) => format!("{}:{}", old_tokens::CLIENT, token.name),
        }
    }

    /// Its name, for an upstream that writes down what it was called with.
    pub(crate) fn token(&self) -> Option<String> {
        match self {
            Self::Access(access) => Some(access.token.to_string()),
            Self::Service(token) => Some(token.id.to_string()),
            Self::Foreign(access) => access.token.clone(),
            Self::Legacy(_) => None,
        }
    }

    /// For whom it was made.
    pub(crate) fn audience<'a>(&'a self, resource: &'a Resource) -> &'a str {
        match self {
            Self::Access(access) => &access.audience,
            Self::Service(_) | Self::Foreign(_) | Self::Legacy(_) => &resource.uri,
        }
    }

    /// Who made it.
    pub(crate) fn issuer<'a>(&'a self, ours: &'a Issuer) -> &'a str {
        match self {
            Self::Access(_) | Self::Service(_) | Self::Legacy(_) => ours.as_str(),
            Self::Foreign(access) => &access.issuer,
        }
    }

    /// How the record names it.
    pub(crate) fn recorded(&self) -> InRecord {
        let with = |proof| InRecord {
            client: self.client().parse().ok(),
            proof: Some(proof),
            ..InRecord::default()
        };
        match self {
            Self::Access(access) => {
                let name = access.client_name();
                InRecord {
                    client: Some(access.client.clone()),
                    client_name: name.and_then(|known| known.name.clone()),
                    client_vouched_by: name.map(|known| known.vouched_by),
                    grant: Some(access.grant),
                    token: Some(access.token),
                    proof: None,
                }
            }
            Self::Service(token) => with(Recorded::ServiceToken(token.id)),
            Self::Foreign(access) => with(Recorded::Issuer(access.trust.clone())),
            Self::Legacy(token) => with(Recorded::Legacy(token.name.clone())),
        }
    }
}

/// What of a proof joins the record of a call.
#[derive(Default)]
pub(crate) struct InRecord {
    pub(crate) client: Option<ClientId>,
    /// What it is called.
    pub(crate) client_name: Option<Arc<str>>,
    /// Who says so.
    pub(crate) client_vouched_by: Option<Voucher>,
    pub(crate) grant: Option<GrantId>,
    pub(crate) token: Option<TokenId>,
    pub(crate) proof: Option<Recorded>,
}
