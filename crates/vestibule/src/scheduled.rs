//! Work that nobody asks for: following the change log, writing behind the calls, cleaning up, rotating
//! keys. One replica does what one is enough for; a lease says which.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use audit::What;
use issuer::verify::Use;
use model::id::Id as _;
use model::{Change, GrantId, ServiceTokenId, Timestamp};
use store::OldTokenUses;
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};
use uuid::Uuid;

use crate::health::Health;
use crate::house::House;

/// A lost notification is made good this soon (DEC-3: one second for everything).
const FOLLOW: Duration = Duration::from_millis(500);
/// Uses of grants are written together.
const WRITE_USES: Duration = Duration::from_millis(250);
const CLEAN_UP: Duration = Duration::from_mins(10);
const LOOK_AT_KEYS: Duration = Duration::from_hours(1);
const SWEEP: Duration = Duration::from_mins(5);
/// Servers are asked what they have: soon after the start, and then so often.
const FIRST_LISTS: Duration = Duration::from_secs(15);
const LISTS: Duration = Duration::from_mins(15);

/// Starts all of it.
pub fn start(house: &Arc<House>, health: &Health, uses: mpsc::UnboundedReceiver<Use>) {
    follow_changes(house, health);
    follow_keys(house);
    follow_catalogue(house);
    ask_for_lists(house);
    write_uses(house, uses);
    write_connection_uses(house);
    let holder = house.foundation.world.new_id::<model::EventId>().uuid();
    every(house, "clean up", CLEAN_UP, move |house| clean_up(house, holder));
    every(house, "look at keys", LOOK_AT_KEYS, move |house| {
        look_at_keys(house, holder)
    });
    every(house, "sweep", SWEEP, |house| async move {
        house.standing.sweep();
        house.gateway.sweep();
    });
}

fn every<F: Future<Output = ()> + Send>(
    house: &Arc<House>,
    name: &'static str,
    pause: Duration,
    work: impl Fn(Arc<House>) -> F + Send + 'static,
) {
    let this = Arc::clone(house);
    house.tasks.every(name, pause, move || work(Arc::clone(&this)));
}

/// Brings in what other replicas changed, and notes whether the database answers.
fn follow_changes(house: &Arc<House>, health: &Health) {
    let (this, health) = (Arc::clone(house), health.clone());
    house.tasks.spawn("changes", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        let store = &this.foundation.store;
        loop {
            let outcome = match store.follow_changes().await {
                Ok(_) => store.ping().await,
                Err(error) => Err(error),
            };
            if let Err(error) = &outcome {
                warn!(%error, "the database does not answer");
            }
            health.note_database(outcome.is_ok());
            tokio::select! {
                () = &mut stop => return,
                () = store.await_change() => {}
                () = tokio::time::sleep(FOLLOW) => {}
            }
        }
    });
}

/// Reads the signing keys again whenever they change, here or elsewhere.
fn follow_keys(house: &Arc<House>) {
    let changed = Arc::new(Notify::new());
    let heard = Arc::clone(&changed);
    house.foundation.store.listen(Arc::new(move |change| {
        if *change == Change::KeysChanged {
            heard.notify_one();
        }
    }));
    let this = Arc::clone(house);
    house.tasks.spawn("keys", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = changed.notified() => {}
            }
            match this.foundation.key_ring.reload().await {
                Ok(()) => this.verifier.forget_signatures(),
                Err(error) => warn!(%error, "signing keys not read again"),
            }
        }
    });
}

/// Reads a server's catalogue again when it changed, here or elsewhere. Open streams are not told: what they show
/// is asked for again by whoever looks.
fn follow_catalogue(house: &Arc<House>) {
    let (changed, mut heard) = mpsc::unbounded_channel();
    house.foundation.store.listen(Arc::new(move |change| {
        if let Change::CatalogueChanged { server } = change {
            let _ = changed.send(server.clone());
        }
    }));
    let this = Arc::clone(house);
    house.tasks.spawn("catalogue changes", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        let mut servers = Vec::new();
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = heard.recv_many(&mut servers, 1000) => {}
            }
            servers.sort();
            servers.dedup();
            for server in servers.drain(..) {
                let routes = this.gateway.routes();
                // What is not configured is read when it is.
                let Some(route) = routes.servers.get(&server) else {
                    continue;
                };
                if let Err(error) = this.catalogue.load(&server, route.credential_class()).await {
                    warn!(%server, %error, "a catalogue was not read again");
                }
            }
        }
    });
}

/// Asks servers what they have.
fn ask_for_lists(house: &Arc<House>) {
    let this = Arc::clone(house);
    house.tasks.spawn("lists", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        let mut pause = FIRST_LISTS;
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = LISTS;
            tokio::select! {
                () = &mut stop => return,
                () = this.gateway.ask_for_lists() => {}
            }
        }
    });
}

/// Writes which grants and service tokens were used, behind the calls (DEC-1: that a successor was used shortens how long its
/// predecessor is good for).
fn write_uses(house: &Arc<House>, mut uses: mpsc::UnboundedReceiver<Use>) {
    let this = Arc::clone(house);
    house.tasks.spawn("uses", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        let mut stopping = false;
        while !stopping {
            let first = tokio::select! {
                () = &mut stop => None,
                first = uses.recv() => first,
            };
            stopping = first.is_none();
            if !stopping {
                tokio::time::sleep(WRITE_USES).await;
            }
            let mut batch: Vec<Use> = first.into_iter().collect();
            while let Ok(next) = uses.try_recv() {
                batch.push(next);
            }
            write(&this, &batch).await;
        }
    });
}

/// Writes what connections were last used for, behind the calls: the last use of each in a while.
fn write_connection_uses(house: &Arc<House>) {
    let taken = house
        .connection_uses
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    let Some(mut uses) = taken else {
        return;
    };
    let this = Arc::clone(house);
    house.tasks.spawn("connection uses", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        let mut stopping = false;
        while !stopping {
            let first = tokio::select! {
                () = &mut stop => None,
                first = uses.recv() => first,
            };
            stopping = first.is_none();
            if !stopping {
                tokio::time::sleep(WRITE_USES).await;
            }
            let mut last = HashMap::new();
            let mut next = first;
            while let Some(used) = next {
                last.insert((used.account, used.connector.clone()), used);
                next = uses.try_recv().ok();
            }
            let mut last: Vec<_> = last.into_iter().collect();
            // Two replicas that write the same rows do it in the same order.
            last.sort_by(|(one, _), (other, _)| one.cmp(other));
            let last: Vec<_> = last.into_iter().map(|(_, used)| used).collect();
            if last.is_empty() {
                continue;
            }
            if let Err(error) = this.foundation.store.touch_connections(&last).await {
                warn!(%error, connections = last.len(), "uses of connections not written");
            }
        }
    });
}

async fn write(house: &House, batch: &[Use]) {
    let mut generations = HashSet::<(GrantId, i64)>::new();
    let mut grants = HashMap::<GrantId, Timestamp>::new();
    let mut tokens = HashMap::<ServiceTokenId, Timestamp>::new();
    let mut old = HashMap::<_, OldTokenUses>::new();
    for used in batch {
        match *used {
            Use::Grant {
                grant,
                generation,
                at,
            } => {
                generations.insert((grant, generation));
                latest(&mut grants, grant, at);
            }
            Use::ServiceToken { token, at } => latest(&mut tokens, token, at),
            Use::OldToken(ref used) => {
                let of = (&used.server, used.account, &used.token, &used.place);
                old.entry(of)
                    .and_modify(|counted| {
                        counted.uses += used.uses;
                        counted.last_at = counted.last_at.max(used.last_at);
                        counted.user_agent.clone_from(&used.user_agent);
                    })
                    .or_insert_with(|| used.clone());
            }
        }
    }
    let (store, now) = (&house.foundation.store, house.foundation.world.now());
    if !grants.is_empty() {
        let generations: Vec<_> = generations.into_iter().collect();
        let grants: Vec<_> = grants.into_iter().collect();
        let marked = store.mark_used(&generations, now).await;
        let touched = store.touch_grants(&grants).await;
        if let Err(error) = marked.and(touched) {
            warn!(%error, grants = grants.len(), "uses of grants not written");
        }
    }
    if !old.is_empty() {
        let old: Vec<_> = old.into_values().collect();
        if let Err(error) = store.add_old_token_uses(&old).await {
            warn!(%error, uses = old.len(), "uses of old tokens not written");
        }
    }
    if !tokens.is_empty() {
        let tokens: Vec<_> = tokens.into_iter().collect();
        if let Err(error) = store.touch_service_tokens(&tokens).await {
            warn!(%error, tokens = tokens.len(), "uses of service tokens not written");
        }
    }
}

fn latest<K: std::hash::Hash + Eq>(uses: &mut HashMap<K, Timestamp>, used: K, at: Timestamp) {
    let latest = uses.entry(used).or_insert(at);
    *latest = (*latest).max(at);
}

/// Whether this replica is the one that does this work now.
async fn is_ours(house: &House, work: &str, holder: Uuid, span: Duration) -> bool {
    let now = house.foundation.world.now();
    let lease = house.foundation.store.take_lease(work, holder, now + span, now);
    lease.await.unwrap_or_else(|error| {
        warn!(%error, work, "lease not taken");
        false
    })
}

async fn clean_up(house: Arc<House>, holder: Uuid) {
    if !is_ours(&house, "clean up", holder, CLEAN_UP * 2).await {
        return;
    }
    let retention = house.current.load().retention;
    let now = house.foundation.world.now();
    match house.foundation.store.clean_up(&retention, now).await {
        Ok(swept) => swept
            .iter()
            .for_each(|swept| info!(table = swept.table, rows = swept.rows, "cleaned up")),
        Err(error) => warn!(%error, "clean-up failed"),
    }
    let foundation = &house.foundation;
    let trimmed = audit::retention::trim(&*foundation.store, &foundation.recorder, retention.audit, now);
    match trimmed.await {
        Ok(0) => {}
        Ok(blocks) => info!(blocks, "old blocks of the audit record deleted"),
        Err(error) => warn!(%error, "old blocks of the audit record not deleted"),
    }
}

async fn look_at_keys(house: Arc<House>, holder: Uuid) {
    if !is_ours(&house, "keys", holder, LOOK_AT_KEYS * 2).await {
        return;
    }
    let age = house.current.load().loaded.config.rotate_keys_every.0;
    match house.foundation.key_ring.rotate_older_than(age).await {
        Ok(made) => {
            for (kid, algorithm) in made {
                info!(%kid, algorithm = algorithm.as_str(), "a new signing key; it signs in a few minutes");
                house.record(What::SigningKey {
                    kid,
                    algorithm: algorithm.as_str().to_owned(),
                    action: "rotated".to_owned(),
                });
            }
        }
        Err(error) => warn!(%error, "signing keys not rotated"),
    }
}
