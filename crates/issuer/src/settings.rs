//! What of the configuration the authorization server decides by; replaced as one.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use keys::Algorithm;
use model::{ClientId, Demand, Requirements, ServerName};
use policy::{Act, Annotations, Principal, ServerPolicy, ServerScope};
use protocol::metadata::paths;
use protocol::{Issuer, Origins};
use serde::{Deserialize, Serialize};
use store::AccountView;

use crate::machine::{Machines, Programs};

/// The settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The public origin and its aliases.
    pub origins: Origins,
    /// The issuer identifier.
    pub issuer: Issuer,
    /// Every configured server, by name.
    pub resources: Vec<Arc<Resource>>,
    /// The server that a request without `resource` means (DEC-11).
    pub default_server: Option<ServerName>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How forgiving refreshing is.
    pub refresh: RefreshRules,
    /// Who may register.
    pub registration: Registration,
    /// Whether programs without a browser may ask (RFC 8628).
    pub device: bool,
    /// Networks whose new registrations are not counted: those of vendors, who share an address (CC-36).
    pub unlimited_registration: Vec<IpNet>,
    /// If set, only clients whose documents or redirects are on these hosts; `loopback` and
    /// `private-scheme` stand for those kinds (CC-48).
    pub allowed_hosts: Option<Vec<String>>,
    /// Keep the names of this machine apart in redirect URIs (DEC-8).
    pub strict_loopback: bool,
    /// The `iss` response parameter (CC-79).
    pub iss: IssFlag,
    /// Whether consent offers to show the callback URL instead of navigating to it (CC-57).
    pub elsewhere: bool,
    /// Whom to ask for access.
    pub contact: Option<String>,
    /// What a sign-in of people of some groups must be, wherever it is for.
    pub require: Requirements,
    /// Who acts without a person being there.
    pub machines: Machines,
}

/// How long things live (DEC-3, DEC-5, client-compatibility section 6).
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// An access token.
    pub access: Duration,
    /// An ID token.
    pub id_token: Duration,
    /// An authorization code.
    pub code: Duration,
    /// A device code and its user code (RFC 8628).
    pub device_code: Duration,
    /// An authorization request that waits for consent.
    pub transaction: Duration,
    /// A refresh token that is not used.
    pub refresh_idle: Duration,
    /// A grant in any case.
    pub refresh_absolute: Duration,
}

/// The longest that an access token may live, whoever configures what (DEC-3).
pub const LONGEST_ACCESS: Duration = Duration::from_hours(24);

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access: Duration::from_hours(1),
            id_token: Duration::from_hours(1),
            code: Duration::from_mins(5),
            device_code: Duration::from_mins(15),
            transaction: Duration::from_mins(30),
            refresh_idle: Duration::from_hours(30 * 24),
            refresh_absolute: Duration::from_hours(180 * 24),
        }
    }
}

/// What happens when a rotated refresh token comes again (DEC-1).
#[derive(Clone, Copy, Debug)]
pub struct RefreshRules {
    /// How long the same pair is given again while the successor is unused.
    pub redelivery: Duration,
    /// How long the head of the chain is given while the successor is in use.
    pub overlap: Duration,
    /// How many such repeats a chain survives.
    pub repeats: i64,
}

impl Default for RefreshRules {
    fn default() -> Self {
        Self {
            redelivery: Duration::from_hours(24),
            overlap: Duration::from_hours(1),
            repeats: 20,
        }
    }
}

/// Who may register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody, as public MCP clients expect.
    Open,
    /// Nobody; clients are configured, or bring a metadata document.
    Closed,
}

/// When the `iss` response parameter is sent and promised (DEC-14, CC-79).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssFlag {
    /// Sent and promised to everybody.
    On,
    /// Sent to everybody; not promised to discovery requests of 2024-11-05.
    Auto,
    /// Neither sent nor promised.
    Off,
}

/// A protected server, as far as tokens are concerned.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name.
    pub name: ServerName,
    /// What people call it.
    pub title: String,
    /// Its canonical URI, the `aud` of its tokens.
    pub uri: String,
    /// Who may use it.
    pub policy: Arc<ServerPolicy>,
    /// What its access tokens are signed with.
    pub algorithm: Algorithm,
    /// Confidential clients that may introspect its tokens.
    pub introspectors: Vec<ClientId>,
    /// Programs that may hold its tokens without a person.
    pub programs: Programs,
    /// What a sign-in must be: for this server, and for people of some groups anywhere.
    pub require: Requirements,
}

impl Resource {
    /// Whether this person may use it.
    pub fn allows(&self, account: &AccountView) -> bool {
        self.policy
            .shows(as_principal(account), Act::Connect, Annotations::default())
    }

    /// What is demanded of this person, who signs in or comes with a token that nobody signed in for.
    pub fn demand(&self, account: &AccountView, signed_in: bool) -> Demand {
        self.require.of(&account.groups, signed_in)
    }

    /// The scopes of it that can change anything for this person.
    pub fn scopes_for<'s>(&'s self, account: &'s AccountView) -> impl Iterator<Item = &'s ServerScope> {
        self.policy.scopes_for(as_principal(account))
    }
}

/// A person, whatever program acts for them.
fn as_principal(account: &AccountView) -> Principal<'_> {
    Principal {
        username: &account.username,
        groups: &account.groups,
        client: None,
    }
}

/// What a grant is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An MCP server.
    Server(ServerName),
    /// Only to know who the person is: OpenID Connect without a server.
    UserInfo,
}

impl Settings {
    /// The server of that name.
    pub fn resource(&self, name: &ServerName) -> Option<&Arc<Resource>> {
        let at = self
            .resources
            .binary_search_by(|resource| resource.name.cmp(name))
            .ok()?;
        self.resources.get(at)
    }

    /// The servers that this person may use.
    pub fn allowed_to<'a>(&'a self, account: &'a AccountView) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.resources.iter().filter(|resource| resource.allows(account))
    }

    /// What a request can be for that names nothing: the default server, or else all that this person may use (DEC-11).
    pub(crate) fn choice(&self, account: &AccountView) -> Vec<Target> {
        let allowed: Vec<_> = self
            .allowed_to(account)
            .map(|resource| resource.name.clone())
            .collect();
        let default = self.default_server.as_ref();
        match default.filter(|name| allowed.contains(name)) {
            Some(default) => vec![Target::Server(default.clone())],
            None => allowed.into_iter().map(Target::Server).collect(),
        }
    }

    /// What a target demands of this person, who signs in or for whom nobody did.
    pub(crate) fn demand(&self, target: &Target, account: &AccountView, signed_in: bool) -> Demand {
        let resource = match target {
            Target::Server(name) => self.resource(name),
            Target::UserInfo => None,
        };
        match resource {
            Some(resource) => resource.demand(account, signed_in),
            None => self.require.of(&account.groups, signed_in),
        }
    }

    /// The `aud` of tokens for this target.
    pub fn audience(&self, target: &Target) -> Option<String> {
        match target {
            Target::Server(name) => self.resource(name).map(|resource| resource.uri.clone()),
            Target::UserInfo => Some(self.user_info()),
        }
    }

    /// The audience of tokens that are for userinfo alone (OS-118).
    pub fn user_info(&self) -> String {
        self.issuer.endpoint(paths::USERINFO)
    }
}
