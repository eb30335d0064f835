//! What providers gave to be asked again about people: kept sealed, shown to that provider alone, and replaced when it gives
//! something new.
//!
//! ```text
//! claim the lease ─▶ ask the provider ─▶ something new: written down, then who that is now is looked at
//!                                      ├▶ the grant does not count any more ─▶ gone; forgotten once that is noted
//!                                      ├▶ trouble ─▶ the lease is given back; nobody knows
//!                                      └▶ nothing, or death ─▶ the lease runs out, and nobody gave it back
//! ```
//!
//! A provider that rotates has put another grant in the place of one whose answer was lost, and refuses that one from then on as
//! it refuses somebody who was removed. So the lease is the note that it was asked: where nobody gave it back, a refusal says
//! nothing of the person, who has to sign in there anew.
//!
//! An envelope opens for one account at one provider and one version: moved to another row it is worth nothing. It goes on if
//! whoever asked hangs up, because what a provider that rotates has answered lies nowhere else.

use std::sync::Arc;
use std::time::Duration;

use keys::Sealer;
use keys::seal::{Purpose, Sealed};
use model::{AccountId, EventId, ExposeSecret as _, World};
use net::Tasks;
use relying::{Kept, Profile, ProviderError, Upstream};
use store::{Asked, ForeignName, ProviderGrant, Store, StoreError};
use tokio::sync::oneshot;
use tracing::warn;

/// How long a lease is held at most: longer than a provider may take.
const LEASE: Duration = Duration::from_secs(90);
/// How long the provider may take in all.
const ASKING: Duration = Duration::from_secs(40);
/// How often, and how far apart, what it gave is written while the database does not take it.
const WRITES: u32 = 8;
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What is known after asking.
#[derive(Debug)]
pub(crate) enum Again {
    /// Who they are now.
    Known(Box<Profile>),
    /// They are not let in there any more. What it was asked with, if that does not count any more: to be
    /// forgotten once it is noted that they are gone.
    Gone(Option<ProviderGrant>),
    /// What it was asked with does not count, and that may be because an answer before was lost.
    Lost,
    /// There is nothing to ask with.
    Nothing,
    /// Nobody knows, and whether that is because nobody answers.
    Silent {
        /// Why.
        why: String,
        /// Whether it is the provider's trouble and not about one person.
        is_down: bool,
    },
}

/// The grants.
#[derive(Debug)]
pub struct ProviderGrants {
    world: World,
    store: Arc<dyn Store>,
    sealer: Sealer,
    tasks: Tasks,
}

fn owner(name: &ForeignName, account: AccountId, version: EventId) -> String {
    format!("{account}\0{}\0{}\0{version}", name.issuer, name.subject)
}

fn purpose(owner: &str) -> Purpose<'_> {
    Purpose {
        purpose: "provider grant",
        owner,
    }
}

impl ProviderGrants {
    /// The parts it needs.
    pub fn new(world: World, store: Arc<dyn Store>, sealer: Sealer, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self {
            world,
            store,
            sealer,
            tasks,
        })
    }

    fn sealed(&self, name: ForeignName, account: AccountId, kept: &Kept) -> ProviderGrant {
        let version = self.world.new_id::<EventId>();
        let bound = owner(&name, account, version);
        let written = kept.write();
        let sealed = self
            .sealer
            .seal(&purpose(&bound), written.expose_secret().as_bytes());
        ProviderGrant {
            name,
            account,
            sealed: sealed.as_bytes().to_vec(),
            version,
        }
    }

    fn open(&self, grant: &ProviderGrant) -> Option<Kept> {
        let bound = owner(&grant.name, grant.account, grant.version);
        let sealed = Sealed::from_bytes(grant.sealed.clone());
        match self.sealer.open(&purpose(&bound), &sealed) {
            Ok(opened) => Kept::read(std::str::from_utf8(opened.expose_secret()).ok()?),
            Err(error) => {
                warn!(%error, account = %grant.account, issuer = grant.name.issuer, "what a provider gave does not open");
                None
            }
        }
    }

    /// Keeps what a provider gave at a sign-in, in place of what it gave before.
    pub(crate) async fn keep(
        &self,
        name: ForeignName,
        account: AccountId,
        kept: &Kept,
    ) -> Result<(), StoreError> {
        let grant = self.sealed(name, account, kept);
        self.store.keep_provider_grant(&grant).await?;
        Ok(())
    }

    /// Asks a provider who somebody is now.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        name: &ForeignName,
    ) -> Result<Again, StoreError> {
        let Some(grant) = self.store.provider_grant(name).await? else {
            return Ok(Again::Nothing);
        };
        let Some(kept) = self.open(&grant) else {
            return Ok(Again::Nothing);
        };
        let (this, upstream) = (Arc::clone(self), Arc::clone(upstream));
        let (answer, asked) = oneshot::channel();
        self.tasks.spawn("provider grant", async move {
            let _ = answer.send(this.with_lease(&upstream, &grant, &kept).await);
        });
        asked.await.unwrap_or_else(|_| Ok(silent("it was given up")))
    }

    async fn with_lease(
        &self,
        upstream: &Upstream,
        grant: &ProviderGrant,
        kept: &Kept,
    ) -> Result<Again, StoreError> {
        let (now, holder) = (self.world.now(), self.world.new_id::<EventId>());
        let until = now + LEASE;
        let Some(before) = self.store.claim_provider_grant(grant, holder, until, now).await? else {
            return Ok(silent("another replica asks at this moment"));
        };
        let asked = tokio::time::timeout(ASKING, upstream.renew(kept, &self.world)).await;
        let lost = || ProviderError::Lost {
            why: "it did not answer in time".to_owned(),
            is_down: true,
        };
        let renewed = match asked.unwrap_or_else(|_| Err(lost())) {
            Ok(renewed) => renewed,
            Err(error) => {
                let asked = match error {
                    ProviderError::Lost { .. } => Asked::Unknown,
                    _ => before,
                };
                self.store.release_provider_grant(grant, holder, asked).await?;
                return self.refused(grant, &error, before).await;
            }
        };
        let now_kept = match &renewed.kept {
            Some(new) => {
                let after = self.sealed(grant.name.clone(), grant.account, new);
                self.write(grant, holder, &after).await?.then_some(after)
            }
            None => {
                self.store
                    .release_provider_grant(grant, holder, Asked::Known)
                    .await?;
                Some(grant.clone())
            }
        };
        let Some(now_kept) = now_kept else {
            // Signed in anew, or taken away, meanwhile: what was asked is of before.
            return Ok(silent("the person signed in there meanwhile"));
        };
        let looked = upstream.look(&renewed, &grant.name.subject, self.world.now());
        let looked = tokio::time::timeout(ASKING, looked).await;
        let late = || ProviderError::Unavailable("it did not answer in time".to_owned());
        match looked.unwrap_or_else(|_| Err(late())) {
            Ok(profile) => Ok(Again::Known(Box::new(profile))),
            Err(error) => self.refused(&now_kept, &error, Asked::Known).await,
        }
    }

    /// Durable before anything else is done with what came beside it.
    async fn write(
        &self,
        before: &ProviderGrant,
        holder: EventId,
        after: &ProviderGrant,
    ) -> Result<bool, StoreError> {
        let mut written = self.store.replace_provider_grant(before, holder, after).await;
        for _ in 1..WRITES {
            if written.is_ok() {
                break;
            }
            tokio::time::sleep(WRITE_AGAIN).await;
            written = self.store.replace_provider_grant(before, holder, after).await;
        }
        written
    }

    /// `before` is what became of the last question that was asked with it.
    async fn refused(
        &self,
        grant: &ProviderGrant,
        error: &ProviderError,
        before: Asked,
    ) -> Result<Again, StoreError> {
        match error {
            ProviderError::Code(_) => {
                let there = self.store.provider_grant(&grant.name).await?;
                Ok(if there.is_none_or(|there| there.version != grant.version) {
                    silent("the person signed in there meanwhile")
                } else if before == Asked::Unknown {
                    Again::Lost
                } else {
                    Again::Gone(Some(grant.clone()))
                })
            }
            ProviderError::Lost { why, is_down } => Ok(Again::Silent {
                why: why.clone(),
                is_down: *is_down,
            }),
            // Not of the organization any more; they may be again.
            ProviderError::HostedDomain(_) => Ok(Again::Gone(None)),
            error => Ok(Again::Silent {
                why: error.to_string(),
                is_down: matches!(error, ProviderError::Unavailable(_)),
            }),
        }
    }

    /// Puts every envelope under the current master key. Gives how many were not.
    pub async fn reseal(store: &dyn Store, sealer: &Sealer) -> Result<usize, StoreError> {
        let mut count = 0;
        for grant in store.provider_grants().await? {
            let bound = owner(&grant.name, grant.account, grant.version);
            let sealed = Sealed::from_bytes(grant.sealed.clone());
            match sealer.reseal(&purpose(&bound), &sealed) {
                Ok(None) => {}
                Ok(Some(resealed)) => {
                    if store.reseal_provider_grant(&grant, resealed.as_bytes()).await? {
                        count += 1;
                    }
                }
                // Whoever it is of signs in anew, and that is no reason not to start.
                Err(error) => {
                    warn!(%error, account = %grant.account, "what a provider gave does not open");
                }
            }
        }
        Ok(count)
    }
}

fn silent(why: &str) -> Again {
    Again::Silent {
        why: why.to_owned(),
        is_down: false,
    }
}
