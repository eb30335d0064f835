//! Who acts without a person being there: programs with an account of their own, and what they may be given.
//!
//! Their tokens are access tokens like others: for one server, short, checked on every call. They stand on no grant in the
//! database, so that issuing one writes nothing; what ends them is their own end, their revocation, the end of the client, or
//! of the account, whose groups decide as anybody's do. No refresh token and no ID token comes with them (OS-71), and nobody
//! signed in for them, which they say by having no `auth_time`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use audit::{Issue, Person};
use model::{Assurance, ClientId, ServerName, Username};
use protocol::metadata::grants;
use protocol::{ErrorCode, OAuthError, Params, Scopes, scope};
use relying::{ClaimPath, TrustedIssuer};
use store::AccountView;

use crate::code::single;
use crate::issue::{Holder, IssueError, Standpoint, TokenResponse};
use crate::server::AuthorizationServer;
use crate::settings::Resource;
use crate::subject_pattern::SubjectPattern;
use crate::token_exchange::Exchange;
use crate::verify::Access;

/// Scopes that only a person can grant: to know who they are, and to come back without them.
const OF_PEOPLE: [&str; 5] = [
    scope::OPENID,
    scope::PROFILE,
    scope::EMAIL,
    scope::GROUPS,
    scope::OFFLINE_ACCESS,
];

/// All that the configuration allows.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    /// Clients that act as an account of their own (OAuth 2.1 section 4.2).
    pub clients: HashMap<ClientId, Machine>,
    /// Workloads that their platform vouches for (RFC 7523), in the order in which they are tried.
    pub workloads: Vec<Workload>,
    /// Clients that may exchange tokens (RFC 8693).
    pub exchanges: HashMap<ClientId, Exchange>,
}

/// As whom a program acts, and for what.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The account.
    pub account: Username,
    /// The servers it may have tokens for.
    pub servers: Vec<ServerName>,
    /// The most it may be granted.
    pub scope: Scopes,
    /// How long its tokens live, at most.
    pub lifetime: Duration,
}

/// A workload: whoever comes with a token of this issuer that says all of this.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name in the configuration.
    pub name: String,
    /// Who vouches for it.
    pub issuer: Arc<TrustedIssuer>,
    /// An audience of its tokens that stands for this door, beside the issuer and its token endpoint.
    pub audience: Option<String>,
    /// Which `sub` it has.
    pub subjects: Vec<SubjectPattern>,
    /// What else its tokens must say.
    pub claims: Vec<(ClaimPath, SubjectPattern)>,
    /// As whom it acts.
    pub machine: Machine,
}

/// The programs that may hold a token for one server without a person having allowed it in a browser. Asked on each call, so
/// that what is not in the configuration any more ends at once.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    as_account: HashMap<ClientId, Username>,
    exchanging: HashSet<ClientId>,
    all: Arc<AllPrograms>,
}

/// The same for whichever server.
#[derive(Debug, Default)]
pub struct AllPrograms {
    as_account: HashMap<ClientId, Username>,
    exchanging: HashSet<ClientId>,
}

impl Programs {
    /// Whether a token may still be used that one of them was given; those of people are not its business.
    pub fn still_have(&self, access: &Access, account: &AccountView) -> bool {
        let acts = |programs: &HashMap<ClientId, Username>, client: &ClientId| {
            programs.get(client) == Some(&account.username)
        };
        match (&access.actor, access.auth_time) {
            (Some(actor), of_a_person) => {
                let mut chain = actor.chain().peekable();
                let mut all = self.exchanging.contains(&access.client);
                while let Some(client) = chain.next() {
                    all &= if chain.peek().is_some() {
                        self.all.exchanging.contains(client)
                    } else {
                        // Whoever was given the first of these tokens, perhaps for another server.
                        of_a_person.is_some() || acts(&self.all.as_account, client)
                    };
                }
                all
            }
            (None, None) => acts(&self.as_account, &access.client),
            (None, Some(_)) => true,
        }
    }
}

impl Machines {
    fn each(&self) -> impl Iterator<Item = (ClientId, &Machine)> {
        let workloads = self
            .workloads
            .iter()
            .filter_map(|workload| Some((workload.id()?, &workload.machine)));
        let clients = self.clients.iter().map(|(id, machine)| (id.clone(), machine));
        clients.chain(workloads)
    }

    /// Those of all servers together, which [`Machines::of`] wants.
    pub fn all(&self) -> Arc<AllPrograms> {
        Arc::new(AllPrograms {
            as_account: self
                .each()
                .map(|(id, machine)| (id, machine.account.clone()))
                .collect(),
            exchanging: self.exchanges.keys().cloned().collect(),
        })
    }

    /// Those of one server.
    pub fn of(&self, server: &ServerName, all: &Arc<AllPrograms>) -> Programs {
        let has = |(_, machine): &(ClientId, &Machine)| machine.servers.contains(server);
        let exchanging = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.to.contains(server));
        Programs {
            as_account: self
                .each()
                .filter(has)
                .map(|(id, machine)| (id, machine.account.clone()))
                .collect(),
            exchanging: exchanging.map(|(id, _)| id.clone()).collect(),
            all: Arc::clone(all),
        }
    }

    /// The grant types that somebody may use.
    pub fn grant_types(&self) -> Vec<&'static str> {
        let offered = [
            (!self.clients.is_empty(), grants::CLIENT_CREDENTIALS),
            (!self.workloads.is_empty(), grants::JWT_BEARER),
            (!self.exchanges.is_empty(), grants::TOKEN_EXCHANGE),
        ];
        let offered = offered.into_iter().filter(|(is_offered, _)| *is_offered);
        offered.map(|(_, grant)| grant).collect()
    }
}

impl AuthorizationServer {
    /// The server that a machine wants a token for: the one that it names, or the only one there is (MA-163, MA-193).
    pub(crate) fn machine_target(
        &self,
        form: &Params,
        allowed: &[ServerName],
    ) -> Result<Arc<Resource>, IssueError> {
        let mut named = self.fold_resources(form.all("resource"))?.into_iter();
        let invalid = |text: &str| IssueError::from(OAuthError::invalid_target(text));
        let name = match (named.next(), named.next(), allowed) {
            (Some(one), None, _) => one,
            (Some(_), Some(_), _) => return Err(invalid("a token is for one server; send one resource")),
            (None, _, [only]) => only.clone(),
            (None, _, _) => return Err(invalid("say with resource which server the token is for")),
        };
        let settings = self.settings();
        let resource = settings.resource(&name).filter(|_| allowed.contains(&name));
        Ok(Arc::clone(resource.ok_or_else(|| {
            invalid("this program may have no token for this server")
        })?))
    }

    /// What of what is asked for it may have: all of it if nothing is asked for.
    pub(crate) fn machine_scopes(
        form: &Params,
        most: &Scopes,
        resource: &Resource,
        account: &AccountView,
    ) -> Result<Scopes, IssueError> {
        let of_server: Vec<_> = resource
            .scopes_for(account)
            .map(|scope| scope.name.to_string())
            .collect();
        let most = most.filtered(|name| name == scope::MCP || of_server.iter().any(|scope| scope == name));
        let granted = match single(form, "scope")?.map(str::trim) {
            None | Some("") => most,
            Some(asked) => Scopes::parse(asked)
                .filtered(|name| !OF_PEOPLE.contains(&name))
                .intersection(&most),
        };
        if granted.is_empty() {
            let text = "nothing of this scope may be granted to this program";
            return Err(OAuthError::new(ErrorCode::InvalidScope, text).into());
        }
        Ok(granted)
    }

    /// Gives a machine a token, once it is known who it is.
    pub(crate) async fn issue_to_machine(
        &self,
        machine: &Machine,
        holder: Holder<'_>,
        form: &Params,
        by: Issue,
        person: &Person,
    ) -> Result<TokenResponse, IssueError> {
        let resource = self.machine_target(form, &machine.servers)?;
        let account = match self.store.account_by_username(&machine.account).await? {
            Some(account) => self.store.account_view(account.id).await?,
            None => None,
        };
        let Some(account) = account else {
            tracing::warn!(account = %machine.account, "the account that a program acts as is gone");
            return Err(unauthorized("the account that this program acts as is gone"));
        };
        let grant = self.world.new_id();
        self.still_upheld(holder.id(), (account.id, grant), person)
            .await?;
        let scopes = Self::machine_scopes(form, &machine.scope, &resource, &account)?;
        let standpoint = Standpoint {
            account: account.id,
            grant,
            server: Some(resource.name.clone()),
            resource: resource.uri.clone(),
            session: None,
            nonce: None,
            auth_time: None,
            assurance: Assurance::OneFactor,
            amr: Vec::new(),
            actor: None,
        };
        let permit = self
            .permit(standpoint, account, holder)
            .inspect_err(|error| self.note_not_permitted(holder.id(), grant, error, person))?
            .at_most(machine.lifetime);
        let minted = self.mint(&permit, 0, &scopes)?;
        self.note_issue(&permit, &minted, by, person);
        Ok(self.response(&minted, None))
    }
}

/// A client that may not do this at all.
pub(crate) fn unauthorized(text: &str) -> IssueError {
    OAuthError::new(ErrorCode::UnauthorizedClient, text).into()
}
