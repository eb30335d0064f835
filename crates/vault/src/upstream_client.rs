//! This door as a client that makes itself known at a provider: by a document of its own that the provider reads, or by
//! registering (RFC 7591), once for all replicas.
//!
//! ```text
//! what is kept counts ─▶ it
//!       └▶ claim the right ─▶ register ─▶ write it down, guarded by the right ─▶ it
//!                           └▶ trouble ─▶ give the right back
//! ```
//!
//! What is kept is of one connector, one issuer and one address to come back to: where one of them changes, the door is
//! another client. A provider that does not know it any more (`invalid_client`) ends it, and the next one who asks registers
//! anew; what was given to the client before is then asked for in vain, and its owners connect again.

use std::time::Duration;

use audit::{Person, What};
use keys::{Purpose, Sealed, Sealer};
use model::{EventId, ExposeSecret as _, Timestamp};
use relying::OAuthClient;
use relying::client_registration::Registered;
use relying::oauth_client::{Authentication, ClientError, Endpoints, Identity};
use serde::{Deserialize, Serialize};
use store::{Store, StoreError, UpstreamClient, UpstreamPlace};
use tracing::{info, warn};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::connections::Connections;
use crate::connector::{Connector, OAuth, Registering, Who};

/// How long a provider may take.
const ASKING: Duration = Duration::from_secs(15);
/// How long the right to register is held at most: longer than that.
const LEASE: Duration = Duration::from_secs(20);
/// How long somebody waits for another one's registration, which may have gone away with it, and how often they look.
const PATIENCE: Duration = Duration::from_secs(25);
const LOOK: Duration = Duration::from_millis(100);
/// What ends so soon is not left with: a person may be at the provider for as long, and comes back as the same client.
const AHEAD: Duration = Duration::from_mins(15);

/// What the door is to be known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Somebody leaves for the provider, and comes back after a while.
    Leaving,
    /// With what somebody was given as the client that the door was: whatever became of that, another one is given nothing
    /// for it.
    Back,
    /// To renew what was given: where the client has ended that is refused, which ends the connection, and its owner makes
    /// it anew.
    Renewing,
}

impl Errand {
    fn can_use(self, kept: &UpstreamClient, now: Timestamp) -> bool {
        let until = |ahead: Duration| kept.expires_at.is_none_or(|at| now + ahead < at);
        match self {
            Self::Leaving => until(AHEAD),
            Self::Back => true,
            Self::Renewing => until(Duration::ZERO),
        }
    }
}

/// What the door is at a provider at this moment.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    /// Which registration it is, if it is one.
    registration: Option<(UpstreamPlace, EventId)>,
}

/// What is in the envelope.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Proof {
    /// As in metadata: `client_secret_basic`, `client_secret_post`, `none`.
    method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Proof {
    fn of(authentication: &Authentication) -> Self {
        let secret = authentication.secret();
        Self {
            method: authentication.method().to_owned(),
            secret: secret.map(|secret| secret.expose_secret().to_owned()),
        }
    }

    fn authentication(mut self) -> Option<Authentication> {
        Authentication::of(&self.method, self.secret.take().map(Into::into))
    }
}

fn purpose(owner: &str) -> Purpose<'_> {
    Purpose {
        purpose: "upstream client",
        owner,
    }
}

/// What binds an envelope to its place: which registration of which client.
fn owner(place: &UpstreamPlace, version: EventId) -> String {
    let UpstreamPlace {
        connector,
        issuer,
        redirect_uri,
    } = place;
    format!("{connector}\0{issuer}\0{redirect_uri}\0{version}")
}

impl Connections {
    /// Who the door is at a provider; made known there first if it has to be.
    pub(crate) async fn known_as(
        &self,
        connector: &Connector,
        (oauth, client): (&OAuth, &OAuthClient),
        errand: Errand,
    ) -> Result<Known, ClientError> {
        let how = match &oauth.who {
            Who::Known(identity) => {
                return Ok(Known {
                    identity: identity.clone(),
                    registration: None,
                });
            }
            Who::Registers(how) => how,
        };
        let endpoints = client.endpoints(self.world.now()).await?;
        let proof = how.proof();
        let takes = |method: &str| endpoints.methods.iter().any(|known| known == method);
        if let Some(document) = &how.document
            && endpoints.client_documents
            && (endpoints.methods.is_empty() || takes(proof.method()))
        {
            return Ok(Known {
                identity: Identity {
                    client_id: document.clone(),
                    authentication: proof,
                },
                registration: None,
            });
        }
        let place = UpstreamPlace {
            connector: connector.name.clone(),
            issuer: endpoints.issuer.clone(),
            redirect_uri: how.face.redirect_uri.clone(),
        };
        self.registered((client, how, errand), &endpoints, place).await
    }

    /// Notes that the provider does not know the door any more, if that is what it said.
    pub(crate) async fn unless_known(&self, known: &Known, error: &ClientError) {
        let (Some((place, version)), ClientError::Client(_)) = (&known.registration, error) else {
            return;
        };
        match self
            .store
            .end_upstream_client(place, *version, self.world.now())
            .await
        {
            Ok(true) => {
                self.note_upstream(place, &known.identity.client_id, "ended");
                warn!(connector = %place.connector, issuer = place.issuer, "the provider does not know this door any more; it is registered anew");
            }
            Ok(false) => {}
            Err(error) => {
                warn!(%error, connector = %place.connector, "a registration that does not count is still kept");
            }
        }
    }

    async fn registered(
        &self,
        (client, how, errand): (&OAuthClient, &Registering, Errand),
        endpoints: &Endpoints,
        place: UpstreamPlace,
    ) -> Result<Known, ClientError> {
        let started = tokio::time::Instant::now();
        loop {
            let now = self.world.now();
            let kept = self.store.upstream_client(&place).await.map_err(unavailable)?;
            if let Some(kept) = &kept
                && errand.can_use(kept, now)
                && let Some(identity) = self.open_upstream(&place, kept)
            {
                return Ok(Known {
                    identity,
                    registration: Some((place, kept.version)),
                });
            }
            if errand == Errand::Back {
                return Err(ClientError::Unavailable(
                    "this door is not known there any more".to_owned(),
                ));
            }
            let (before, holder) = (kept.map(|kept| kept.version), self.world.new_id::<EventId>());
            let claimed = self
                .store
                .claim_upstream_client(&place, before, holder, now + LEASE, now)
                .await
                .map_err(unavailable)?;
            if claimed {
                let asked = client.register(&how.face, endpoints, &self.world);
                let late = || ClientError::Unavailable("it did not register this door in time".to_owned());
                let registered = tokio::time::timeout(ASKING, asked).await;
                return match registered.unwrap_or_else(|_| Err(late())) {
                    Ok(registered) => self.keep_upstream(place, holder, registered).await,
                    Err(error) => {
                        let given_up = self.store.give_up_upstream_client(&place, holder).await;
                        given_up.map_err(unavailable)?;
                        Err(error)
                    }
                };
            }
            if started.elapsed() > PATIENCE {
                return Err(ClientError::Unavailable(
                    "this door is being registered there".to_owned(),
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Durable before it is used.
    async fn keep_upstream(
        &self,
        place: UpstreamPlace,
        holder: EventId,
        registered: Registered,
    ) -> Result<Known, ClientError> {
        let identity = registered.identity;
        let version = self.world.new_id::<EventId>();
        let proof = Proof::of(&identity.authentication);
        let text = Zeroizing::new(serde_json::to_vec(&proof).unwrap_or_default());
        let sealed = self.sealer.seal(&purpose(&owner(&place, version)), &text);
        let client = UpstreamClient {
            version,
            client_id: identity.client_id.clone(),
            sealed: sealed.as_bytes().to_vec(),
            expires_at: registered.expires_at,
        };
        let finished = self
            .store
            .finish_upstream_client(&place, holder, &client, self.world.now());
        if !finished.await.map_err(unavailable)? {
            return Err(ClientError::Unavailable(
                "it took too long to register this door".to_owned(),
            ));
        }
        self.note_upstream(&place, &client.client_id, "registered");
        info!(connector = %place.connector, issuer = place.issuer, client_id = client.client_id, "registered at a provider");
        Ok(Known {
            identity,
            registration: Some((place, version)),
        })
    }

    fn note_upstream(&self, place: &UpstreamPlace, client: &str, action: &str) {
        let what = What::UpstreamClient {
            connector: place.connector.to_string(),
            issuer: place.issuer.clone(),
            client: client.to_owned(),
            action: action.to_owned(),
        };
        self.recorder.record(what, Person::default());
    }

    /// `None` if it does not open: sealed under a master key that is gone.
    fn open_upstream(&self, place: &UpstreamPlace, kept: &UpstreamClient) -> Option<Identity> {
        let sealed = Sealed::from_bytes(kept.sealed.clone());
        match self.sealer.open(&purpose(&owner(place, kept.version)), &sealed) {
            Ok(opened) => {
                let proof: Proof = serde_json::from_slice(opened.expose_secret()).ok()?;
                Some(Identity {
                    client_id: kept.client_id.clone(),
                    authentication: proof.authentication()?,
                })
            }
            Err(error) => {
                warn!(%error, connector = %place.connector, "a registration at a provider does not open");
                None
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(error: StoreError) -> ClientError {
    ClientError::Unavailable(error.to_string())
}

/// Puts every envelope under the current master key. Gives how many were not.
pub(crate) async fn reseal(store: &dyn Store, sealer: &Sealer) -> Result<usize, StoreError> {
    let mut count = 0;
    for (place, kept) in store.upstream_clients().await? {
        let sealed = Sealed::from_bytes(kept.sealed.clone());
        match sealer.reseal(&purpose(&owner(&place, kept.version)), &sealed) {
            Ok(None) => {}
            Ok(Some(resealed)) => {
                let after = resealed.as_bytes();
                if store.reseal_upstream_client(&place, &kept.sealed, after).await? {
                    count += 1;
                }
            }
            // The next one who asks registers anew.
            Err(error) => {
                warn!(%error, connector = %place.connector, "a registration at a provider does not open");
            }
        }
    }
    Ok(count)
}
