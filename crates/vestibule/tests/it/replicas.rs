//! Several replicas on one PostgreSQL: what one takes back the others refuse within a second.

use std::time::Duration;

use serde_json::json;

use crate::rig::{Ask, Door, Plan, Tokens, door};

async fn two() -> Option<(Door, Door)> {
    two_with(Plan::default()).await
}

async fn two_with(plan: Plan) -> Option<(Door, Door)> {
    let mut doors = Door::each(plan).await;
    if doors.len() < 2 {
        return None;
    }
    let first = doors.pop()?;
    let second = first.replica().await;
    Some((first, second))
}

/// A request to the second replica under the address that both are known by.
fn under(door: &Door, ask: Ask) -> Ask {
    ask.with("host", door.address.to_string())
}

/// DEC-3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_takes_back_the_other_refuses_within_a_second() {
    let Some((first, second)) = two().await else {
        return;
    };
    for how in ["grant", "account", "client"] {
        let app = crate::rig::App::register(
            &first,
            &json!({ "client_name": how, "redirect_uris": [format!("http://127.0.0.1/{how}")] }),
        )
        .await;
        let person = if how == "account" { "ben" } else { "ana" };
        let tokens = app.sign_in(&first, person).await;
        let call = || {
            under(
                &first,
                door::call("fixture", "hold", json!({})).bearer(&tokens.access),
            )
        };
        let mut stream = call().open(second.address).await;
        assert_eq!(stream.status(), 200, "a token of one counts at the other");
        match how {
            "grant" => assert_eq!(app.revoke(&tokens.refresh).await.status, 200),
            "account" => drop(first.operate(&["user", "disable", "ben"]).await.unwrap()),
            _ => drop(first.operate(&["client", "disable", &app.id]).await.unwrap()),
        }
        assert!(
            stream.ends_within(Duration::from_secs(1)).await,
            "{how}: the stream goes on at the other replica"
        );
        assert_eq!(call().open(second.address).await.status(), 401, "{how}");
    }
}

/// A client that one replica has never heard of is called by its name in its part of the record too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_of_a_replica_knows_the_clients_of_the_other() {
    let Some((first, second)) = two().await else {
        return;
    };
    let (_, tokens) = first.signed_in("ana").await;
    let call = door::call("fixture", "echo_headers", json!({})).bearer(&tokens.access);
    assert_eq!(under(&first, call).to(second.address).await.status, 200);
    let rows = second.calls_recorded(|rows| !rows.is_empty()).await;
    assert_eq!(
        (&rows[0]["client_name"], &rows[0]["client_vouched_by"]),
        (&json!("Test program"), &json!("nobody"))
    );
}

/// A code of one replica is redeemed at the other, once; a session of one is a session of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_may_begin_here_and_end_there() {
    let Some((first, second)) = two().await else {
        return;
    };
    let app = first.app().await;
    let code = app.code(&first, "ana").await;
    let redeem = || under(&first, app.redeem_with(&code, &[]));
    let (one, two) = tokio::join!(redeem().to(second.address), redeem().to(first.address));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{one:?} {two:?}");
    let tokens = app.sign_in(&first, "ana").await;
    let refresh = || under(&first, app.refresh_with(&tokens.refresh, &[]));
    let (one, two) = tokio::join!(refresh().to(second.address), refresh().to(first.address));
    assert_eq!(Tokens::of(&one), Tokens::of(&two), "DEC-1 across replicas");
}

/// Item 18 of the main job: migrations run at the start, and two that start at once do not fall over each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_replicas_may_start_on_an_empty_database_at_once() {
    let Some(url) = testkit::databases::postgres_url().await else {
        return;
    };
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        starting.spawn(async move { store_postgres::PostgresStore::open(&url, 2).await.map(drop) });
    }
    for outcome in starting.join_all().await {
        outcome.unwrap();
    }
}

/// CC-77: what a person allows at one replica counts at the other within a second, for the token that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_allowed_at_one_replica_counts_at_the_other() {
    let servers = r#"
  gitea:
    upstream: {upstream}
    scopes: { write: { title: Change issues } }
    allow: [{ groups: [developers], tools: [test_simple_text], scope: write }]
    credential: { headers: { Authorization: "Bearer ${file:credential}" } }
"#;
    let plan = Plan {
        servers: servers.to_owned(),
        ..Plan::default()
    };
    let Some((first, second)) = two_with(plan).await else {
        return;
    };
    let (_, tokens) = first.granted("gitea", "mcp").await;
    let call = || {
        let ask = door::call("gitea", "test_simple_text", json!({})).bearer(&tokens.access);
        under(&first, ask).to(second.address)
    };
    let said = call().await.body;
    let page = said
        .split("/apps/scopes")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let mut browser = first.browser();
    browser.authorize(&format!("/apps/scopes{page}"), "ana").await;
    let form = browser.form("/apps/scopes");
    assert_eq!(browser.submit(&form).await.status, 200);
    crate::rig::eventually(async || {
        let body = call().await.body;
        if body.contains("isError") {
            Err(body)
        } else {
            Ok(())
        }
    })
    .await;
}
