//! Renewing: once for many, durable before it is used, with whatever providers do (CC-105, CC-110).

use std::time::Duration;

use serde_json::json;

use super::oauth::connect;
use super::{call_own, said};
use crate::rig::accounts::{Accounts, Refreshing};
use crate::rig::door::call;
use crate::rig::{Door, Plan, Reply};

/// Makes the credential run out, and calls that come from now on find it so.
fn run_out(door: &Door) {
    door.advance(Duration::from_secs(3570));
}

async fn several(doors: &[&Door], token: &str) -> Vec<Reply> {
    let mut calls = tokio::task::JoinSet::new();
    for count in 0..64 {
        let door = doors[count % doors.len()];
        let public = door.url.strip_prefix("http://").unwrap().to_owned();
        let ask = call("own", "echo_headers", json!({}))
            .bearer(token)
            .with("host", public);
        calls.spawn(ask.to(door.address));
    }
    calls.join_all().await
}

/// CC-110: 64 calls with a credential that runs out are one request to the provider, also at two replicas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_calls_renew_once() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.oauth_plan()).await {
        let engine = door.engine();
        connect(&door, &accounts, "ana").await;
        let replica = if engine == "postgres" {
            Some(door.replica().await)
        } else {
            None
        };
        run_out(&door);
        // Its own access token must not have run out.
        let token = door.token_for("own").await;
        accounts.token_requests();
        door.upstream.take_requests();
        let mut doors = vec![&door];
        doors.extend(&replica);
        for reply in several(&doors, &token).await {
            assert!(!said(&reply).1, "{engine}: {reply:?}");
        }
        let asked = accounts.token_requests();
        assert_eq!(asked.len(), 1, "{engine}: {asked:?}");
        let sent = door.upstream.take_requests();
        let mut shown: Vec<_> = sent
            .iter()
            .map(|request| request.headers["authorization"].to_str().unwrap().to_owned())
            .collect();
        shown.dedup();
        assert_eq!(shown.len(), 1, "{engine}: an old token was used: {shown:?}");
    }
}

/// CC-110: providers that rotate, that do not, and that lose their answer are survived; one that then refuses ends the
/// connection, which says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_provider_does() {
    let accounts = Accounts::start().await;
    for how in [
        Refreshing::Rotates,
        Refreshing::Keeps,
        Refreshing::LosesWithLeeway,
        Refreshing::Loses,
        Refreshing::None,
    ] {
        for door in Door::each(accounts.oauth_plan()).await {
            let engine = door.engine();
            accounts.refreshes(how);
            connect(&door, &accounts, "ana").await;
            for _ in 0..2 {
                run_out(&door);
                let token = door.token_for("own").await;
                let (text, is_error) = said(&call_own(&door, &token).await);
                assert!(!is_error, "{how:?} on {engine}: {text}");
                // An answer that was lost is asked for again, once that may help.
                door.advance(Duration::from_mins(1));
                let token = door.token_for("own").await;
                let (text, is_error) = said(&call_own(&door, &token).await);
                let ends = [Refreshing::Loses, Refreshing::None].contains(&how);
                assert_eq!(is_error, ends, "{how:?} on {engine}: {text}");
                if ends {
                    assert!(text.contains("/connect?to=forge"), "{how:?} on {engine}: {text}");
                    break;
                }
            }
            let ended = door.audit("connection_ended").await;
            assert_eq!(
                ended.len(),
                usize::from([Refreshing::Loses, Refreshing::None].contains(&how)),
                "{how:?} on {engine}: {ended:?}"
            );
        }
    }
}

/// A provider that is down is no end: the old credential is used while it lives, then calls say to try again, and when it
/// is back they work. What it refuses is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_is_no_end() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.oauth_plan()).await {
        let engine = door.engine();
        connect(&door, &accounts, "ana").await;
        run_out(&door);
        let token = door.token_for("own").await;
        accounts.says(Some((500, "")));
        accounts.token_requests();
        assert!(
            !said(&call_own(&door, &token).await).1,
            "{engine}: it lives half a minute more"
        );
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");
        assert_eq!(
            accounts.token_requests().len(),
            1,
            "{engine}: it is not asked again at once"
        );
        door.advance(Duration::from_mins(1));
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(is_error && text.contains("try again later"), "{engine}: {text}");
        accounts.says(None);
        door.advance(Duration::from_secs(10));
        assert!(!said(&call_own(&door, &token).await).1, "{engine}: it is back");

        accounts.end_refresh_tokens();
        run_out(&door);
        let token = door.token_for("own").await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("not connected any more"),
            "{engine}: {text}"
        );
        let ended = door.audit("connection_ended").await;
        assert_eq!(ended[0]["reason"], "not_renewed", "{engine}");
        accounts.token_requests();
        said(&call_own(&door, &token).await);
        assert!(
            accounts.token_requests().is_empty(),
            "{engine}: one that has ended is not renewed"
        );
    }
}

/// A process that died between the provider's answer and its write left a lease; when that has run out, the same refresh
/// token is shown again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_of_the_dead_runs_out() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.oauth_plan()).await {
        let engine = door.engine();
        accounts.refreshes(Refreshing::LosesWithLeeway);
        connect(&door, &accounts, "ana").await;
        run_out(&door);
        let token = door.token_for("own").await;
        let store = &door.running().house.foundation.store;
        let (account, forge) = (door.account("ana").await, "forge".parse().unwrap());
        let known = store.connection(account, &forge).await.unwrap().unwrap();
        let (now, dead) = (door.world.now(), door.world.new_id());
        let claim = async |holder| {
            let until = now + Duration::from_secs(30);
            store
                .claim_renewal(account, &forge, known.version, holder, until, now)
                .await
                .unwrap()
        };
        assert!(claim(dead).await, "{engine}");
        assert!(!claim(door.world.new_id()).await, "{engine}: two hold it");
        door.advance(Duration::from_mins(2));
        // The first answer of this provider is lost.
        said(&call_own(&door, &token).await);
        door.advance(Duration::from_mins(1));
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");
        // Whoever comes back from the dead writes nothing.
        let late = store::Renewed {
            account,
            connector: forge.clone(),
            before: known.version,
            holder: dead,
            sealed: vec![1],
            version: door.world.new_id(),
            expires_at: None,
            renew_at: None,
        };
        assert!(
            !store.finish_renewal(&late, door.world.now()).await.unwrap(),
            "{engine}"
        );
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");
    }
}

/// Two hundred deaths between the provider's answer and our write: what was given is lost, and the lease of the dead is there.
/// When that is over the link goes on where the provider lets it, and elsewhere it ends, says so, and is there again once its
/// owner has connected. It is never lost without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_death_loses_a_link_without_a_word() {
    let accounts = Accounts::start().await;
    let plan = accounts.oauth_plan();
    let config = format!("lifetimes: {{ access_token: 24h }}\n{}", plan.config);
    for mut door in Door::each(Plan { config, ..plan }).await {
        let engine = door.engine();
        let (account, forge) = (door.account("ana").await, "forge".parse().unwrap());
        accounts.refreshes(Refreshing::Rotates);
        connect(&door, &accounts, "ana").await;
        let mut token = String::new();
        for round in 0..100 {
            if round % 20 == 0 {
                door.restart().await;
                token = door.token_for("own").await;
            }
            let lasts = round % 2 == 0;
            accounts.refreshes(if lasts {
                Refreshing::LosesWithLeeway
            } else {
                Refreshing::Loses
            });
            run_out(&door);
            accounts.token_requests();
            // The provider has answered, and nobody has heard it.
            said(&call_own(&door, &token).await);
            assert_eq!(accounts.token_requests().len(), 1, "{engine}: {round}");
            {
                let store = &door.running().house.foundation.store;
                let known = store.connection(account, &forge).await.unwrap().unwrap();
                let (now, dead) = (door.world.now() + Duration::from_secs(10), door.world.new_id());
                let until = now + Duration::from_secs(30);
                let claimed = store
                    .claim_renewal(account, &forge, known.version, dead, until, now)
                    .await;
                assert!(claimed.unwrap(), "{engine}: {round}");
            }
            // Until the lease of the dead is over; then the provider is asked again, once that may help.
            door.advance(Duration::from_secs(95));
            let (text, is_error) = said(&call_own(&door, &token).await);
            assert_eq!(is_error, !lasts, "{engine}: {round}: {text}");
            if lasts {
                continue;
            }
            assert!(text.contains("/connect?to=forge"), "{engine}: {round}: {text}");
            connect(&door, &accounts, "ana").await;
            assert!(!said(&call_own(&door, &token).await).1, "{engine}: {round}");
        }
        let ended = door.audit("connection_ended").await;
        assert!(
            ended.iter().all(|event| event["reason"] == "not_renewed"),
            "{engine}: {ended:?}"
        );
    }
}

/// CC-105: an upstream that refuses a credential before its time gets the next one, and the caller notices nothing; it is
/// tried once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_the_upstream_refuses_is_renewed_once() {
    let accounts = Accounts::start().await;
    let plan = accounts.oauth_plan();
    let servers = plan
        .servers
        .replace("token ${connection}", "Bearer ${connection}");
    // Codes and tokens are counted together: code 1, first token 2, next token 3.
    let upstream = fixture::Options::new()
        .demanding_bearer("access-s3cret-3")
        .with_extra_tools();
    let door = Door::with(Plan {
        servers,
        upstream,
        ..plan
    })
    .await;
    connect(&door, &accounts, "ana").await;
    let token = door.token_for("own").await;
    accounts.token_requests();
    // A provider in trouble is no reason to end what can be renewed.
    door.advance(Duration::from_secs(31));
    accounts.says(Some((500, "{}")));
    let (text, is_error) = said(&call_own(&door, &token).await);
    assert!(
        is_error && text.contains("cannot be used at this moment"),
        "{text}"
    );
    assert!(door.audit("connection_ended").await.is_empty());
    accounts.says(None);
    door.advance(Duration::from_secs(6));
    accounts.token_requests();
    let reply = call_own(&door, &token).await;
    assert!(!said(&reply).1, "{reply:?}");
    assert_eq!(accounts.token_requests().len(), 1);
    // The next one is refused for good; a brand-new one is not renewed at all.
    connect(&door, &accounts, "ana").await;
    accounts.token_requests();
    let (text, is_error) = said(&call_own(&door, &token).await);
    assert!(
        is_error && text.contains("refused this to your account"),
        "{text}"
    );
    assert!(accounts.token_requests().is_empty());
    door.advance(Duration::from_secs(31));
    let (text, is_error) = said(&call_own(&door, &token).await);
    assert!(
        is_error && text.contains("refused this to your account"),
        "{text}"
    );
    assert_eq!(accounts.token_requests().len(), 1, "once");
}
