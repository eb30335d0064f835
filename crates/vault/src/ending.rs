//! The end of a connection: doubted because an upstream refused it, or taken away by its owner, at the provider too where
//! that is possible (RFC 7009).

use std::sync::Arc;
use std::time::Duration;

use audit::{Person, What};
use model::ServerName;
use store::{ConnectionKind, StoreError};
use tracing::warn;

use crate::connections::{Connections, Held};
use crate::connector::{Connector, Provider};
use crate::credential::{Credential, Secrets};
use crate::linking::Owner;
use crate::upstream_client::Errand;
use crate::who_am_i::{WhoError, Whose};

/// Why a connection does not count any more: the provider does not take it.
const REFUSED: &str = "refused";
/// The same: its server names another authorization server than the one that gave it.
const MOVED: &str = "moved";
/// A credential with which calls fail is not looked into again sooner: calls fail for many reasons.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What became of a credential that an upstream refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The provider does not take it either: it does not count any more.
    Ended,
    /// The provider does not take it either, and there is something to renew it with.
    Refused,
    /// Another one is in its place by now.
    Replaced,
    /// The provider takes it: the server itself refuses its owner.
    Good,
    /// Nobody can say at this moment.
    Unknown,
}

impl Connections {
    /// An upstream refused a credential with 401: asks the provider what it thinks of it, and ends the connection if it does
    /// not take it either. Only if that credential is still the one in there, and nothing is there to renew it with: of one that
    /// can be renewed, the provider's answer to that decides. Where nobody says whose it is, the upstream that refused it is the
    /// one that would be asked, and some take anything at `initialize`: its word stands.
    pub async fn doubt(&self, connector: &Connector, held: &Held, person: &Person) -> Checked {
        let said = match &connector.whose {
            Whose::Taken(_) => Some(WhoError::Refused),
            Whose::Said(_) => None,
        };
        self.weigh(connector, held, said, person).await
    }

    /// What the provider thinks of a credential, or has `said` of it already, if it cannot be renewed.
    async fn weigh(
        &self,
        connector: &Connector,
        held: &Held,
        said: Option<WhoError>,
        person: &Person,
    ) -> Checked {
        let Some(secrets) = self.secrets(connector, held) else {
            return Checked::Unknown;
        };
        let can_be_renewed = connector.oauth.is_some() && secrets.refresh_token.is_some();
        let credential = Credential::new(secrets.token.clone().into(), held.name.clone());
        let says = match said.filter(|_| !can_be_renewed) {
            Some(said) => Err(said),
            None => connector.whose.ask(&connector.client, &credential).await,
        };
        match says {
            Ok(_) | Err(WhoError::Refused) if self.has_moved(connector, &secrets).await => {
                return self.ended(connector, held, MOVED, person).await;
            }
            Ok(_) => return Checked::Good,
            Err(WhoError::Refused) if !can_be_renewed => {}
            Err(WhoError::Refused) => return Checked::Refused,
            Err(error) => {
                warn!(%error, connector = %connector.name, "a refused credential cannot be checked");
                return Checked::Unknown;
            }
        }
        self.ended(connector, held, REFUSED, person).await
    }

    /// Whether the server does not name the authorization server any more that gave this: what that one renews is refused too,
    /// and its owner has to be asked whether they want to connect at another one.
    async fn has_moved(&self, connector: &Connector, secrets: &Secrets) -> bool {
        let provider = connector.oauth.as_ref().map(|oauth| &oauth.provider);
        let (Some(Provider::Guards(server)), Some(guard)) = (provider, &secrets.guard) else {
            return false;
        };
        server.has_left(guard).await.unwrap_or_else(|error| {
            warn!(%error, connector = %connector.name, "a server does not say who guards it");
            false
        })
    }

    async fn ended(&self, connector: &Connector, held: &Held, reason: &str, person: &Person) -> Checked {
        match self.end(held, reason, person).await {
            Ok(true) => Checked::Ended,
            Ok(false) => Checked::Replaced,
            Err(error) => {
                warn!(%error, connector = %connector.name, "a connection cannot be ended");
                Checked::Unknown
            }
        }
    }

    /// A call failed, as far as its server says: looks behind it whether the provider still takes the credential, and renews
    /// it or ends the connection if it does not. Seldom for one credential, however many calls fail.
    pub fn suspect(self: &Arc<Self>, connector: &Arc<Connector>, held: &Arc<Held>, person: &Person) {
        let now = self.world.elapsed();
        if self.suspected.get(&held.version).is_some_and(|until| now < until) {
            return;
        }
        self.suspected.insert(held.version, now + LOOK_AGAIN);
        let (this, connector, held) = (Arc::clone(self), Arc::clone(connector), Arc::clone(held));
        let person = person.clone();
        self.tasks.spawn("connection doubt", async move {
            if this.weigh(&connector, &held, None, &person).await == Checked::Refused {
                this.renew_refused(&connector, &held, &person).await;
            }
        });
    }

    /// Ends a connection, if this is still the credential in there. `false` if it is not, or has ended.
    pub(crate) async fn end(&self, held: &Held, reason: &str, person: &Person) -> Result<bool, StoreError> {
        let (account, connector) = (held.account, &held.connector);
        let now = self.world.now();
        let ended = self
            .store
            .end_connection(account, connector, held.version, reason, now)
            .await?;
        if ended {
            let what = What::ConnectionEnded {
                account,
                connector: connector.clone(),
                reason: reason.to_owned(),
            };
            self.record(what, person, held.upstream.clone());
        }
        Ok(ended)
    }

    /// Removes a connection, for its owner; at the provider too, where that is possible. `None` if there is none, else
    /// whether the provider revoked it.
    pub async fn disconnect(
        &self,
        by: Owner<'_>,
        connector: &ServerName,
    ) -> Result<Option<bool>, StoreError> {
        let account = by.account.id;
        let Some(known) = self.store.connection(account, connector).await? else {
            return Ok(None);
        };
        let held = Held::of(known);
        if !self
            .store
            .disconnect(account, connector, self.world.now())
            .await?
        {
            return Ok(None);
        }
        let what = What::ConnectionRemoved {
            account,
            connector: connector.clone(),
        };
        self.record(what, by.person, held.upstream.clone());
        Ok(Some(self.revoke(&held).await))
    }

    async fn revoke(&self, held: &Held) -> bool {
        let connectors = self.connectors();
        let connector = connectors.find(held.connector.as_str());
        // A token that its owner typed is not one of this door's as a client.
        let Some(connector) = connector.filter(|_| held.kind == ConnectionKind::OAuth) else {
            return false;
        };
        match self.secrets(connector, held) {
            Some(secrets) => self.revoke_secrets(connector, &secrets).await,
            None => false,
        }
    }

    /// Whether the provider revoked it. The refresh token first: with it the provider ends what came of it (RFC 7009
    /// section 2.1).
    pub(crate) async fn revoke_secrets(&self, connector: &Connector, secrets: &Secrets) -> bool {
        let Some(oauth) = &connector.oauth else {
            return false;
        };
        let token = secrets.refresh_token.as_ref().unwrap_or(&secrets.token);
        let revoked = async {
            let client = oauth.known(secrets.guard.as_ref())?;
            let known = self.known_as(connector, (oauth, &client), Errand::Back).await?;
            client.revoke(&known.identity, token, &self.world).await
        };
        match revoked.await {
            Ok(revoked) => revoked,
            Err(error) => {
                warn!(%error, connector = %connector.name, "a credential was not revoked at its provider");
                false
            }
        }
    }
}
