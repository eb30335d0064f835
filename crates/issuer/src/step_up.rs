//! Allowing a program more than before: scopes of a server on top of `mcp` (DEC-12, DEC-17).
//!
//! Almost no client can do it by itself, so the usual way is a page of ours that widens the grant; tokens from before
//! get it too (CC-76, CC-77).

use std::sync::Arc;

use audit::{Person, What};
use model::{ClientId, GrantId};
use protocol::Scopes;
use store::{AccountView, Client, Grant, StoreError};

use crate::clients::{ClientFace, Resolution, Vouching};
use crate::server::AuthorizationServer;
use crate::settings::{Resource, Settings, Target};

/// A scope of a server, as a person is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// As tokens carry it.
    pub name: String,
    /// What it allows, in the operator's words.
    pub title: String,
    /// Whether the grant has it.
    pub held: bool,
}

/// A grant that can be widened.
#[derive(Debug)]
pub struct Widenable {
    /// The grant.
    pub grant: Grant,
    /// To whom it was given.
    pub face: ClientFace,
    /// What people call the server.
    pub server: String,
    /// The scopes that can change anything for this person, and those that it has.
    pub scopes: Vec<Offered>,
}

/// How the holder of a token can get a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayToScope {
    /// Not with this program: the operator keeps it from it.
    None,
    /// On the page.
    Page,
    /// The program asks for it by itself when it is told what it lacks (CC-76).
    Challenge,
}

impl Settings {
    /// Whether a server has this scope; if a target is named, whether that one has.
    pub(crate) fn is_server_scope(&self, scope: &str, target: Option<&Target>) -> bool {
        let resource = scope.split_once(':').and_then(|(server, _)| {
            let server = server.parse().ok()?;
            match target {
                Some(Target::UserInfo) => None,
                Some(Target::Server(named)) if *named != server => None,
                Some(Target::Server(_)) | None => self.resource(&server),
            }
        });
        resource.is_some_and(|resource| resource.policy.scope(scope).is_some())
    }

    /// What of these scopes a person can be granted for a target (CC-73). Of a server's, those that can change
    /// anything for them.
    pub(crate) fn grantable(&self, scopes: &Scopes, target: &Target, account: &AccountView) -> Scopes {
        let of_server = |resource: &Resource, scope: &str| {
            resource
                .scopes_for(account)
                .any(|offered| &*offered.name == scope)
        };
        scopes.filtered(|scope| match (scope.contains(':'), target) {
            (false, _) => true,
            (true, Target::UserInfo) => false,
            (true, Target::Server(name)) => self
                .resource(name)
                .is_some_and(|resource| of_server(resource, scope)),
        })
    }
}

/// Whether a client may have a scope of a server. An operator's list is a rule; what a program said of itself before
/// it knew of the scope is not.
pub(crate) fn client_may_have(face: &ClientFace, client: &Client, scope: &str) -> bool {
    let ceiling = client.metadata.scope.as_ref();
    face.vouching != Vouching::Operator || ceiling.is_none_or(|ceiling| ceiling.contains(scope))
}

impl AuthorizationServer {
    /// A living grant of this person, with what may be added to it. Nothing if it is somebody else's, has ended, or is
    /// for no server that they may use.
    pub async fn widenable(
        &self,
        id: GrantId,
        account: &AccountView,
    ) -> Result<Option<Widenable>, StoreError> {
        let alive = |grant: &Grant| {
            grant.account == account.id && grant.ended.is_none() && grant.expires_at > self.world.now()
        };
        let Some(grant) = self.store.grant(id).await?.filter(alive) else {
            return Ok(None);
        };
        let Some(resource) = self.usable(&grant, account) else {
            return Ok(None);
        };
        let resolved = self
            .resolve_client(grant.client.as_str(), Some(account.id))
            .await?;
        let Resolution::Known(client) = resolved else {
            return Ok(None);
        };
        let face = self.face(&client);
        Ok(Some(Widenable {
            scopes: self.offered(&grant, account, &client),
            server: resource.title.clone(),
            face,
            grant,
        }))
    }

    /// Adds those of the chosen scopes to the grant that it may have and lacks. Gives what was added: nothing if the
    /// grant is not what it was, or has them all. What the program `asked` for is only recorded (MA-36).
    pub async fn widen(
        &self,
        widenable: &Widenable,
        chosen: &Scopes,
        asked: &Scopes,
        person: &Person,
    ) -> Result<Scopes, StoreError> {
        let grant = &widenable.grant;
        let added = chosen.filtered(|scope| {
            let mut offered = widenable.scopes.iter();
            offered.any(|offered| offered.name == scope && !offered.held)
        });
        if added.is_empty() || !self.store.widen_grant(grant, &added, self.world.now()).await? {
            return Ok(Scopes::default());
        }
        let what = What::GrantWidened {
            grant: grant.id,
            account: grant.account,
            client: grant.client.clone(),
            server: grant.server.clone(),
            asked: asked.to_string(),
            scopes: added.to_string(),
        };
        self.recorder.record(what, person.clone());
        Ok(added)
    }

    /// The scopes of a grant's server that can change anything for this person with this client, and whether the grant
    /// has them, by themselves or by what they stand for.
    pub fn offered(&self, grant: &Grant, account: &AccountView, client: &Client) -> Vec<Offered> {
        let Some(resource) = self.usable(grant, account) else {
            return Vec::new();
        };
        let (face, granted) = (self.face(client), grant.scopes.to_string());
        let held = resource.policy.stands_for(&granted);
        let offered = resource.scopes_for(account);
        let offered = offered.filter(|scope| client_may_have(&face, client, &scope.name));
        let offered = offered.map(|scope| Offered {
            name: scope.name.to_string(),
            title: scope.title.to_string(),
            held: held.contains(&*scope.name),
        });
        offered.collect()
    }

    /// A grant's server, if its person may use it.
    fn usable(&self, grant: &Grant, account: &AccountView) -> Option<Arc<Resource>> {
        let settings = self.settings();
        let resource = settings.resource(grant.server.as_ref()?)?;
        resource.allows(account).then(|| Arc::clone(resource))
    }

    /// How whoever holds a client's token can get the scopes that it lacks.
    pub async fn way_to(
        &self,
        id: &ClientId,
        lacking: &[impl AsRef<str> + Sync],
    ) -> Result<WayToScope, StoreError> {
        let Some(client) = self.store.client(id).await? else {
            return Ok(WayToScope::None);
        };
        let face = self.face(&client);
        let may_have = |scope: &str| client_may_have(&face, &client, scope);
        if !lacking.iter().all(|scope| may_have(scope.as_ref())) {
            return Ok(WayToScope::None);
        }
        let asks = self.known_client(&client).is_some_and(|known| known.steps_up);
        Ok(if asks {
            WayToScope::Challenge
        } else {
            WayToScope::Page
        })
    }
}
