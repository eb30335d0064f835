//! Renewing: ahead of the end, or because an upstream refused; one at a time for each connection, in this process by a
//! lock of that connection alone, among replicas by a lease in its row (CC-110).
//!
//! ```text
//! claim the lease ─▶ ask the provider ─▶ tokens ─▶ write them, guarded by version and lease ─▶ use them
//!                                      └▶ refused ─▶ the connection has ended, guarded by version
//!                                      └▶ trouble ─▶ give the lease back; the old token is used while it lives
//! ```
//!
//! An answer that was lost, or a death between the provider's answer and our write, leaves the row as it was: the next one
//! shows the same refresh token again, which providers with leeway take. If the provider does not, the connection has ended.

use std::sync::Arc;
use std::time::Duration;

use audit::Person;
use model::id::Id as _;
use model::{EventId, ExposeSecret as _, Timestamp};
use relying::oauth_client::{ClientError, Tokens};
use store::{Renewed, StoreError};
use tokio::sync::{Mutex, oneshot};
use tracing::warn;

use crate::connections::{Connections, Held, Key};
use crate::connector::{Connector, OAuth};
use crate::credential::Secrets;
use crate::upstream_client::Errand;

/// How long a lease is held at most: longer than a provider may take.
const LEASE: Duration = Duration::from_secs(90);
/// How long the provider may take in all, discovery included.
const ASKING: Duration = Duration::from_secs(40);
/// How often, and how far apart, the write is tried while the lease is held: what a provider that rotates has answered is
/// nowhere else.
const WRITES: u32 = 8;
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// How long a call waits for somebody else's renewal.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// A provider that could not be asked is not asked again sooner for the same connection.
const AGAIN: Duration = Duration::from_secs(5);
/// A credential that is as young as this is not renewed because an upstream refuses it: one that refuses everything would
/// otherwise make each call a question to the provider.
const YOUNG: Duration = Duration::from_secs(30);
/// A token is renewed so long before its end, or when a tenth of its life is left.
const AHEAD: Duration = Duration::from_mins(1);
/// Why a connection does not count any more: its refresh token was not taken.
const NOT_RENEWED: &str = "not_renewed";

/// What became of it.
#[derive(Debug)]
pub enum Renewal {
    /// There is a new credential.
    Renewed(Arc<Held>),
    /// There is nothing to renew it with.
    Fixed,
    /// The connection has ended.
    Ended,
    /// Not at this moment.
    Unavailable,
}

/// When a credential was made: its version says so (RFC 9562 section 5.7).
fn made_at(held: &Held) -> Timestamp {
    let (seconds, nanoseconds) = held
        .version
        .uuid()
        .get_timestamp()
        .map_or((0, 0), |made| made.to_unix());
    let millis = seconds
        .saturating_mul(1000)
        .saturating_add(u64::from(nanoseconds) / 1_000_000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// When a token that lives so long from now is to be renewed.
pub(crate) fn renew_at(now: Timestamp, lives: Duration) -> Timestamp {
    let ahead = AHEAD.max(lives / 10).min(lives / 2);
    now + lives.saturating_sub(ahead)
}

impl Connections {
    /// Renews a credential that an upstream refused, if it is not brand-new.
    pub async fn renew_refused(
        self: &Arc<Self>,
        connector: &Arc<Connector>,
        held: &Arc<Held>,
        person: &Person,
    ) -> Renewal {
        if self.world.now() < made_at(held) + YOUNG {
            return Renewal::Fixed;
        }
        self.renew(connector, held, person).await
    }

    /// Renews a credential, if it is still the one in its row. It goes on if whoever asked hangs up: what a provider that
    /// rotates has answered must be written down.
    pub async fn renew(
        self: &Arc<Self>,
        connector: &Arc<Connector>,
        held: &Arc<Held>,
        person: &Person,
    ) -> Renewal {
        let (this, connector, held) = (Arc::clone(self), Arc::clone(connector), Arc::clone(held));
        let (answer, renewal) = oneshot::channel();
        let person = person.clone();
        self.tasks.spawn("connection renewal", async move {
            let _ = answer.send(this.renew_alone(&connector, &held, &person).await);
        });
        renewal.await.unwrap_or(Renewal::Unavailable)
    }

    async fn renew_alone(&self, connector: &Connector, held: &Held, person: &Person) -> Renewal {
        let Some(oauth) = &connector.oauth else {
            return Renewal::Fixed;
        };
        let key: Key = (held.account, held.connector.clone());
        if self
            .trouble
            .get(&key)
            .is_some_and(|until| self.world.elapsed() < until)
        {
            return Renewal::Unavailable;
        }
        let flight = Arc::clone(
            self.flights
                .pin()
                .get_or_insert_with(key.clone(), || Arc::new(Mutex::new(()))),
        );
        let renewal = match tokio::time::timeout(PATIENCE, flight.lock()).await {
            Ok(_turn) => self
                .in_turn((connector, oauth), held, person)
                .await
                .unwrap_or_else(|error| {
                    warn!(%error, connector = %connector.name, "a connection cannot be renewed");
                    Renewal::Unavailable
                }),
            Err(_) => Renewal::Unavailable,
        };
        // Whoever waits holds it on; the next ones make another.
        let _ = self
            .flights
            .pin()
            .remove_if(&key, |_, known| Arc::strong_count(known) <= 2);
        renewal
    }

    async fn in_turn(
        &self,
        (connector, oauth): (&Connector, &OAuth),
        held: &Held,
        person: &Person,
    ) -> Result<Renewal, StoreError> {
        let key: Key = (held.account, held.connector.clone());
        let begun = self.world.elapsed();
        let started = tokio::time::Instant::now();
        loop {
            // Somebody before us may have done it, or tried in vain.
            if self.trouble.get(&key).is_some_and(|until| begun < until) {
                return Ok(Renewal::Unavailable);
            }
            let known = self.look(held).await?;
            match known {
                None => return Ok(Renewal::Ended),
                Some(known) if known.ended.is_some() => return Ok(Renewal::Ended),
                Some(known) if known.version != held.version => return Ok(Renewal::Renewed(known)),
                Some(_) => {}
            }
            let Some(secrets) = self.secrets(connector, held) else {
                return Ok(Renewal::Unavailable);
            };
            if secrets.refresh_token.is_none() {
                if held.is_over(self.world.now()) {
                    self.end(held, NOT_RENEWED, person).await?;
                    return Ok(Renewal::Ended);
                }
                return Ok(Renewal::Fixed);
            }
            let (now, holder) = (self.world.now(), self.world.new_id::<EventId>());
            let claimed = self
                .store
                .claim_renewal(
                    held.account,
                    &held.connector,
                    held.version,
                    holder,
                    now + LEASE,
                    now,
                )
                .await?;
            if claimed {
                return self.ask((connector, oauth), held, &secrets, holder, person).await;
            }
            if started.elapsed() > PATIENCE {
                return Ok(Renewal::Unavailable);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The row as it is, past the memory.
    async fn look(&self, held: &Held) -> Result<Option<Arc<Held>>, StoreError> {
        let row = self.store.connection(held.account, &held.connector).await?;
        Ok(row.map(|row| Arc::new(Held::of(row))))
    }

    /// With the lease.
    async fn ask(
        &self,
        (connector, oauth): (&Connector, &OAuth),
        held: &Held,
        secrets: &Secrets,
        holder: EventId,
        person: &Person,
    ) -> Result<Renewal, StoreError> {
        let refresh_token = secrets.refresh_token.as_deref().unwrap_or_default();
        let asked = async {
            let client = oauth.known(secrets.guard.as_ref())?;
            let known = self
                .known_as(connector, (oauth, &client), Errand::Renewing)
                .await?;
            let answer = client.refresh(&known.identity, refresh_token, &self.world).await;
            if let Err(error) = &answer {
                self.unless_known(&known, error).await;
            }
            answer
        };
        let answered = tokio::time::timeout(ASKING, asked).await;
        let late = || ClientError::Unavailable("it did not answer in time".to_owned());
        match answered.unwrap_or_else(|_| Err(late())) {
            Ok(tokens) => self.write(connector, held, (secrets, &tokens), holder).await,
            Err(ClientError::Refused(_)) => {
                self.end(held, NOT_RENEWED, person).await?;
                Ok(Renewal::Ended)
            }
            Err(error) => {
                let (account, name) = (held.account, &held.connector);
                warn!(%error, connector = %name, "a provider did not renew a connection");
                let key = (account, name.clone());
                self.trouble.insert(key, self.world.elapsed() + AGAIN);
                self.store
                    .give_up_renewal(account, name, held.version, holder)
                    .await?;
                Ok(Renewal::Unavailable)
            }
        }
    }

    /// Durable before it is used.
    async fn write(
        &self,
        connector: &Connector,
        held: &Held,
        (before, tokens): (&Secrets, &Tokens),
        holder: EventId,
    ) -> Result<Renewal, StoreError> {
        let now = self.world.now();
        let new = tokens
            .refresh_token
            .as_ref()
            .map(|token| token.expose_secret().to_owned());
        let secrets = Secrets {
            token: tokens.access_token.expose_secret().to_owned(),
            // A provider that does not rotate gives none, and the one before stays good.
            refresh_token: new.or_else(|| before.refresh_token.clone()),
            place: before.place.clone(),
            guard: before.guard.clone(),
        };
        let version = self.world.new_id::<EventId>();
        let renewed = Renewed {
            account: held.account,
            connector: held.connector.clone(),
            before: held.version,
            holder,
            sealed: self.seal(held.account, &held.connector, version, &secrets),
            version,
            expires_at: tokens.lives.map(|lives| now + lives),
            renew_at: tokens.lives.map(|lives| renew_at(now, lives)),
        };
        let mut written = self.store.finish_renewal(&renewed, now).await;
        for _ in 1..WRITES {
            if written.is_ok() {
                break;
            }
            tokio::time::sleep(WRITE_AGAIN).await;
            written = self.store.finish_renewal(&renewed, now).await;
        }
        if !written? {
            // Taken away, or made anew by its owner, meanwhile: what the provider gave is nobody's.
            warn!(connector = %held.connector, "a connection changed while it was renewed");
        }
        Ok(match self.look(held).await? {
            Some(known) if known.version == held.version => Renewal::Unavailable,
            Some(known) if known.ended.is_none() => Renewal::Renewed(known),
            Some(_) => Renewal::Ended,
            // Its owner disconnected meanwhile, and revoked what there was.
            None => {
                self.revoke_secrets(connector, &secrets).await;
                Renewal::Ended
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_while_a_tenth_or_a_minute_of_it_is_left() {
        let now = Timestamp::EPOCH;
        let after = |lives: Duration| renew_at(now, lives).since(now);
        assert_eq!(after(Duration::from_hours(10)), Duration::from_hours(9));
        assert_eq!(after(Duration::from_mins(5)), Duration::from_mins(4));
        assert_eq!(after(Duration::from_mins(1)), Duration::from_secs(30));
    }
}
