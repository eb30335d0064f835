//! Allowing a program more than before: scopes of a server on top of `mcp` (DEC-12, DEC-17).
//!
//! Almost no client can do it by itself, so the usual way is a page of ours that widens the grant; tokens from before
//! get it too (CC-76, CC-77).

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
        let settings = self.settings();
        let resource = grant.server.as_ref().and_then(|name| settings.resource(name));
        let Some(resource) = resource.filter(|resource| resource.allows(account)) else {
            return Ok(None);
        };
        let resolved = self
            .resolve_client(grant.client.as_str(), Some(account.id))
            .await?;
        let Resolution::Known(client) = resolved else {
            return Ok(None);
        };
        let face = self.face(&client);
        let offered = resource.scopes_for(account);
        let offered = offered.filter(|scope| client_may_have(&face, &client, &scope.name));
        let scopes = offered.map(|scope| Offered {
            name: scope.name.to_string(),
            title: scope.title.to_string(),
            held: grant.scopes.contains(&scope.name),
        });
        Ok(Some(Widenable {
            scopes: scopes.collect(),
            server: resource.title.clone(),
            face,
            grant,
        }))
    }

    /// Adds those of the scopes to the grant that it may have and lacks. Gives what was added: nothing if the grant is
    /// not what it was, or has them all.
    pub async fn widen(
        &self,
        widenable: &Widenable,
        asked: &Scopes,
        person: &Person,
    ) -> Result<Scopes, StoreError> {
        let grant = &widenable.grant;
        let added = asked.filtered(|scope| {
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

    /// Whether a client is known to ask for more by itself when it is told what it lacks, and may have that.
    pub async fn steps_up(
        &self,
        id: &ClientId,
        lacking: &[impl AsRef<str> + Sync],
    ) -> Result<bool, StoreError> {
        let Some(client) = self.store.client(id).await? else {
            return Ok(false);
        };
        let face = self.face(&client);
        let may_have = |scope: &str| client_may_have(&face, &client, scope);
        let able = self.known_client(&client).is_some_and(|known| known.steps_up);
        Ok(able && lacking.iter().all(|scope| may_have(scope.as_ref())))
    }
}
