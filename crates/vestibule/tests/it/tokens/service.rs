//! Service tokens: made by command, bound to an owner and to servers, taken back with effect on the next request.

use std::time::Duration;

use data_encoding::BASE32;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule::operator::{Answer, Failure};

use crate::rig::{Ask, Door, Plan, Reply, door, eventually};

const OTHER: &str = "
  other:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
  closed:
    upstream: {upstream}
    accept: [jwt]
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }";

fn plan() -> Plan {
    Plan {
        servers: OTHER.to_owned(),
        ..Plan::default()
    }
}

/// What a command did, for programs.
fn done(answer: Answer) -> Value {
    match answer {
        Answer::Done { item, .. } => item,
        other => panic!("{other:?}"),
    }
}

async fn create(door: &Door, owner: &str) -> (String, String) {
    let words = [
        "token",
        "create",
        "--owner",
        owner,
        "--server",
        "fixture",
        "--name",
        "nightly job",
        "--expires",
        "30d",
    ];
    let item = done(door.operate(&words).await.unwrap());
    let text = |member: &str| item[member].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

async fn call(door: &Door, server: &str, token: &str) -> Reply {
    door.ask(door::call(server, "echo_headers", json!({})).bearer(token))
        .await
}

async fn listed(door: &Door, words: &[&str]) -> Vec<Value> {
    match door
        .operate(&[&["token", "list"][..], words].concat())
        .await
        .unwrap()
    {
        Answer::List { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

/// MA-50, DEC-4, DEC-22: it acts as its owner, at its servers, and the record says with what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_acts_as_its_owner_where_it_is_for() {
    for door in Door::each(plan()).await {
        let (id, token) = create(&door, "ana").await;
        let engine = door.engine();
        let reply = call(&door, "fixture", &token).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
        assert!(!reply.body.contains(&token), "{engine}: it is never forwarded");
        assert!(
            reply.body.contains("service-token") && reply.body.contains(&id),
            "{engine}: {reply:?}"
        );
        let other = call(&door, "other", &token).await;
        assert_eq!(other.status, 401, "{engine}");
        assert!(
            other
                .header("www-authenticate")
                .unwrap()
                .contains("another server"),
            "{other:?}"
        );
        assert_eq!(
            call(&door, "closed", &token).await.status,
            401,
            "{engine}: it takes no service tokens"
        );

        let calls = door.calls_recorded(|rows| !rows.is_empty()).await;
        assert_eq!(
            calls[0]["proof"]["service_token"],
            json!(id),
            "{engine}: {calls:?}"
        );
        assert_eq!(
            (&calls[0]["username"], &calls[0]["client"]),
            (&json!("ana"), &json!("service-token"))
        );
        let used = eventually(async || {
            let rows = listed(&door, &[]).await;
            if rows[0]["last_used_at"].is_null() {
                Err(format!("{rows:?}"))
            } else {
                Ok(rows)
            }
        })
        .await;
        assert_eq!(used.len(), 1);
        assert_eq!(
            (&used[0]["name"], &used[0]["owner"]),
            (&json!("nightly job"), &json!("ana"))
        );
        let made = door.audit("service_token_created").await;
        assert_eq!(
            (&made[0]["service_token"], &made[0]["operator"]),
            (&json!(id), &json!("test"))
        );
        let refused = door.audit("service_token_refused").await;
        assert_eq!(refused.len(), 1, "{engine}: one a minute: {refused:?}");
        assert!(!format!("{made:?}{refused:?}{calls:?}{used:?}").contains(&token));
        let Answer::Item(item) = door.operate(&["user", "show", "ana"]).await.unwrap() else {
            panic!()
        };
        assert_eq!(item["service_tokens"], json!(1));
    }
}

/// CC-80, OS-111: showing it is enough, it counts no more at once, and the record says that nobody of the house did it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_ends_when_its_holder_shows_it_to_be_revoked() {
    for door in Door::each(plan()).await {
        let engine = door.engine();
        let (id, token) = create(&door, "ana").await;
        let (_, lasting) = create(&door, "ana").await;
        let show = async |token: &str| {
            let form = [("token", token), ("token_type_hint", "access_token")];
            let reply = door.ask(Ask::form("/revoke", &form)).await;
            (reply.status, reply.body)
        };
        let mut stream = door::call("fixture", "hold", json!({}))
            .bearer(&token)
            .open(door.address)
            .await;
        door.upstream.until(|seen| seen.holds == 1).await;
        let known = show(&token).await;
        assert_eq!(known, (200, String::new()), "{engine}");
        assert_eq!(call(&door, "fixture", &token).await.status, 401, "{engine}");
        assert!(
            stream.ends_within(Duration::from_secs(1)).await,
            "{engine}: the stream goes on"
        );
        let unknown = model::OpaqueToken::from_random(model::TokenKind::Service, &[7; 32]);
        assert_eq!(
            show(unknown.expose()).await,
            known,
            "{engine}: nobody learns what there is"
        );
        assert_eq!(show(&token).await, known, "{engine}");
        assert_eq!(call(&door, "fixture", &lasting).await.status, 200, "{engine}");
        let revoked = door.audit("service_token_revoked").await;
        assert_eq!(revoked.len(), 1, "{engine}: {revoked:?}");
        assert_eq!(
            (&revoked[0]["service_token"], &revoked[0]["operator"]),
            (&json!(id), &Value::Null)
        );
        assert_eq!(revoked[0]["address"], "127.0.0.1", "{engine}: {revoked:?}");
        assert!(!format!("{revoked:?}").contains(&token));
    }
}

/// DEC-3, CC-86: revoked, owner disabled, owner no longer allowed, run out; and what is open ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_is_taken_back_on_the_next_request() {
    for mut door in Door::each(plan()).await {
        let engine = door.engine();
        let (id, token) = create(&door, "ana").await;
        let (_, of_ben) = create(&door, "ben").await;
        let (_, lasting) = create(&door, "ben").await;
        let mut stream = door::call("fixture", "hold", json!({}))
            .bearer(&token)
            .open(door.address)
            .await;
        door.upstream.until(|seen| seen.holds == 1).await;
        door.operate(&["token", "revoke", &id]).await.unwrap();
        let reply = call(&door, "fixture", &token).await;
        assert_eq!(reply.status, 401, "{engine}");
        assert!(
            reply
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token"),
            "{reply:?}"
        );
        assert!(
            stream.ends_within(Duration::from_secs(1)).await,
            "{engine}: the stream goes on"
        );
        assert!(matches!(
            door.operate(&["token", "revoke", &id]).await,
            Err(Failure::Conflict(_))
        ));
        assert_eq!(
            door.audit("service_token_revoked").await[0]["service_token"],
            json!(id)
        );
        assert_eq!(
            (
                listed(&door, &[]).await.len(),
                listed(&door, &["--all"]).await.len()
            ),
            (2, 3)
        );

        // A rule that the owner no longer fits is no bad token (CC-5).
        assert_eq!(call(&door, "fixture", &of_ben).await.status, 200);
        door.operate(&["group", "remove-member", "developers", "ben"])
            .await
            .unwrap();
        let reply = call(&door, "fixture", &of_ben).await;
        assert_eq!(reply.status, 200);
        assert!(
            reply.body.contains("may not use this server"),
            "{engine}: {reply:?}"
        );
        door.operate(&["group", "add-member", "developers", "ben"])
            .await
            .unwrap();
        assert!(
            !call(&door, "fixture", &of_ben).await.body.contains("may not"),
            "{engine}"
        );

        door.restart().await;
        assert_eq!(
            call(&door, "fixture", &token).await.status,
            401,
            "{engine}: after a restart too"
        );
        door.advance(Duration::from_hours(31 * 24));
        assert_eq!(
            call(&door, "fixture", &lasting).await.status,
            401,
            "{engine}: it has run out"
        );
        assert!(listed(&door, &[]).await.is_empty());

        let (_, new) = create(&door, "ben").await;
        assert_eq!(call(&door, "fixture", &new).await.status, 200);
        door.operate(&["user", "disable", "ben"]).await.unwrap();
        assert_eq!(
            call(&door, "fixture", &new).await.status,
            401,
            "{engine}: its owner is disabled"
        );
        door.operate(&["user", "enable", "ben"]).await.unwrap();
        assert_eq!(
            call(&door, "fixture", &new).await.status,
            401,
            "{engine}: and stays so"
        );
    }
}

/// Everything that is wrong with an order for one is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_for_a_service_token_that_cannot_be_filled() {
    let door = Door::with(Plan {
        config: "service_tokens: { longest: 90d }".to_owned(),
        ..Plan::default()
    })
    .await;
    let order = async |owner: &str, server: &str, expires: &str| {
        let words = [
            "token",
            "create",
            "--owner",
            owner,
            "--server",
            server,
            "--expires",
            expires,
        ];
        door.operate(&words).await
    };
    assert!(matches!(
        order("nobody", "fixture", "1d").await,
        Err(Failure::NotFound(_))
    ));
    assert!(matches!(
        order("ana", "nowhere", "1d").await,
        Err(Failure::NotFound(_))
    ));
    assert!(matches!(
        order("ana", "fixture", "91d").await,
        Err(Failure::Usage(_))
    ));
    assert!(matches!(
        order("ana", "fixture", "0s").await,
        Err(Failure::Usage(_))
    ));
    assert!(order("ana", "fixture", "90d").await.is_ok());
    door.operate(&["user", "add", "zoe"]).await.unwrap();
    assert!(matches!(
        order("zoe", "fixture", "1d").await,
        Err(Failure::Conflict(_))
    ));
    door.operate(&["user", "disable", "ana"]).await.unwrap();
    assert!(matches!(
        order("ana", "fixture", "1d").await,
        Err(Failure::Conflict(_))
    ));
}

/// A well-formed service token that nobody made.
fn made_up(n: u32) -> String {
    let mut random = [0; 32];
    random[..4].copy_from_slice(&n.to_be_bytes());
    model::OpaqueToken::from_random(model::TokenKind::Service, &random)
        .expose()
        .to_owned()
}

/// OS-141: a stranger who makes tokens up is answered from memory, then not at all; others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_service_tokens_are_limited() {
    let door = Door::open().await;
    let (_, known) = create(&door, "ana").await;
    assert_eq!(call(&door, "fixture", &known).await.status, 200);
    for _ in 0..100 {
        assert_eq!(
            call(&door, "fixture", &made_up(0)).await.status,
            401,
            "the same one again costs nothing"
        );
    }
    let garbage = format!("vst_st_{}", BASE32.encode(&[7; 37]).to_lowercase());
    for _ in 0..100 {
        assert_eq!(
            call(&door, "fixture", &garbage).await.status,
            401,
            "a wrong checksum costs nothing"
        );
    }
    for n in 1..60 {
        assert_eq!(call(&door, "fixture", &made_up(n)).await.status, 401);
    }
    let reply = call(&door, "fixture", &made_up(1000)).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(
        call(&door, "fixture", &known).await.status,
        200,
        "one that is known is not looked up"
    );
    door.advance(Duration::from_mins(10));
    assert_eq!(call(&door, "fixture", &made_up(1000)).await.status, 401);
}

/// Sixty-four orders and revocations at the same moment: each is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_orders_and_revocations_at_once() {
    for door in Door::each(plan()).await {
        let door = std::sync::Arc::new(door);
        let mut orders = JoinSet::new();
        for _ in 0..64 {
            let door = std::sync::Arc::clone(&door);
            orders.spawn(async move { create(&door, "ana").await });
        }
        let made = orders.join_all().await;
        assert_eq!(listed(&door, &[]).await.len(), 64, "{}", door.engine());
        let mut revocations = JoinSet::new();
        for n in 0..64 {
            let door = std::sync::Arc::clone(&door);
            // Half of them revoke the same one, while it is used.
            let (id, token) = made[if n % 2 == 0 { 0 } else { n }].clone();
            revocations.spawn(async move {
                let words = ["token", "revoke", &id];
                let (done, _) = tokio::join!(door.operate(&words), call(&door, "fixture", &token));
                (n, done.is_ok(), call(&door, "fixture", &token).await.status)
            });
        }
        let outcomes = revocations.join_all().await;
        let of_the_first = outcomes.iter().filter(|(n, done, _)| n % 2 == 0 && *done);
        assert_eq!(of_the_first.count(), 1, "{}", door.engine());
        assert!(
            outcomes.iter().all(|(_, _, after)| *after == 401),
            "{}: {outcomes:?}",
            door.engine()
        );
        assert_eq!(listed(&door, &[]).await.len(), 31);
    }
}

/// DEC-3: what one replica takes back the other refuses within a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_reaches_every_replica() {
    let Some(url) = testkit::databases::postgres_url().await else {
        return;
    };
    let first = Door::with(Plan {
        postgres: Some(url),
        ..Plan::default()
    })
    .await;
    let second = first.replica().await;
    let (id, token) = create(&first, "ana").await;
    for door in [&first, &second] {
        let ask: Ask = door::call("fixture", "echo_headers", json!({})).with("host", host(&first));
        assert_eq!(door.ask(ask.bearer(&token)).await.status, 200);
    }
    first.operate(&["token", "revoke", &id]).await.unwrap();
    eventually(async || {
        let ask = door::call("fixture", "echo_headers", json!({})).with("host", host(&first));
        let status = second.ask(ask.bearer(&token)).await.status;
        if status == 401 {
            Ok(())
        } else {
            Err(format!("{status}"))
        }
    })
    .await;
}

fn host(door: &Door) -> String {
    door.address.to_string()
}
