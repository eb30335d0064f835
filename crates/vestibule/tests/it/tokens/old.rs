//! Tokens of the time before: accepted until a day, for accounts, counted, and never sent on.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule::operator::Answer;

use crate::rig::foreign::WhoAmI;
use crate::rig::{Ask, Door, Plan, Reply, door, eventually};

const STATIC: &str = "0123456789abcdef0123456789abcdef-static";
const PERSONAL: &str = "89abcdef0123456789abcdef0123456789abcdef";
const MINUTE: Duration = Duration::from_mins(1);

/// The clock of tests begins on 2026-11-20.
fn plan(who: &WhoAmI) -> Plan {
    Plan {
        server: format!(
            "    accept: [jwt, service_token, legacy]
    legacy:
      until: 2026-12-01
      static:
        - {{ name: nightly, token_file: old-token, account: ana }}
      upstream_check:
        url: {}
        header: 'Authorization: token {{token}}'
        accounts: {{ benny: ben }}
      schemes: [token]
      headers: [Private-Token]",
            who.url
        ),
        files: vec![("old-token", format!("{STATIC}\n"))],
        ..Plan::default()
    }
}

fn ask() -> Ask {
    door::call("fixture", "echo_headers", json!({})).with("user-agent", "old-job/1")
}

async fn call(door: &Door, token: &str) -> Reply {
    door.ask(ask().bearer(token)).await
}

async fn report(door: &Door) -> Vec<Value> {
    match door.operate(&["migrate", "report"]).await.unwrap() {
        Answer::List { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

/// MA-51 and its dated exception; MA-58: the caller's token never goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_token_counts_until_the_day() {
    let who = WhoAmI::start(&[(PERSONAL, "benny")]).await;
    for door in Door::each(plan(&who)).await {
        let engine = door.engine();
        let places = [
            ask().bearer(STATIC),
            ask().bearer(PERSONAL),
            ask().with("authorization", format!("token {PERSONAL}")),
            ask().with("private-token", PERSONAL),
        ];
        for ask in &places {
            let reply = door.ask(ask.clone()).await;
            assert_eq!(reply.status, 200, "{engine}: {ask:?} {reply:?}");
            assert!(
                !reply.body.contains(STATIC) && !reply.body.contains(PERSONAL),
                "{engine}: {reply:?}"
            );
            assert!(!reply.body.contains("private-token"), "{engine}: {reply:?}");
        }
        let calls = door.calls_recorded(|rows| rows.len() == 4).await;
        let said = |member: &str| calls.iter().map(|row| row[member].clone()).collect::<Vec<_>>();
        assert_eq!(
            said("username"),
            [json!("ben"), json!("ben"), json!("ben"), json!("ana")],
            "{engine}"
        );
        assert_eq!(said("client"), vec![json!("legacy"); 4]);
        assert_eq!(calls[3]["proof"]["legacy"], json!("nightly"));
        assert!(!format!("{calls:?}").contains(PERSONAL));

        let rows = eventually(async || {
            let rows = report(&door).await;
            let uses: i64 = rows.iter().filter_map(|row| row["uses"].as_i64()).sum();
            if uses == 4 {
                Ok(rows)
            } else {
                Err(format!("{rows:?}"))
            }
        })
        .await;
        assert_eq!(rows.len(), 2, "{engine}: {rows:?}");
        let of_ana = rows.iter().find(|row| row["user"] == json!("ana")).unwrap();
        assert_eq!(
            (
                &of_ana["token"],
                &of_ana["from"],
                &of_ana["program"],
                &of_ana["until"]
            ),
            (
                &json!("nightly"),
                &json!("127.0.0.1"),
                &json!("old-job/1"),
                &json!("2026-12-01")
            )
        );

        // One token, in one place.
        let twice = door
            .ask(ask().bearer(STATIC).with("private-token", PERSONAL))
            .await;
        assert_eq!(twice.status, 400, "{engine}: MA-26");
        // The day.
        door.advance(Duration::from_hours(11 * 24));
        for ask in &places {
            let reply = door.ask(ask.clone()).await;
            assert_eq!(reply.status, 401, "{engine}: {ask:?}");
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(
                challenge.contains("not accepted any more") && challenge.contains("resource_metadata"),
                "{challenge}"
            );
        }
        assert_eq!(report(&door).await.len(), 2, "{engine}: what was counted stays");
    }
}

/// MA-51: tokens that count elsewhere are never shown to the server that is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_to_the_server_that_is_asked() {
    let who = WhoAmI::start(&[(PERSONAL, "benny")]).await;
    let door = Door::with(plan(&who)).await;
    let (app, tokens) = door.signed_in("ana").await;
    assert_eq!(
        call(&door, &tokens.access).await.status,
        200,
        "ours count beside them"
    );
    app.revoke(&tokens.refresh).await;
    let service = model::OpaqueToken::from_random(model::TokenKind::Service, &[9; 32]);
    for token in [
        tokens.access.as_str(),
        tokens.refresh.as_str(),
        service.expose(),
        "eyJh.eyJh.c2ln",
    ] {
        assert_eq!(call(&door, token).await.status, 401);
        assert_eq!(door.ask(ask().with("private-token", token)).await.status, 401);
    }
    assert!(who.heads().is_empty(), "{:?}", who.heads());
    assert_eq!(call(&door, PERSONAL).await.status, 200);
    assert_eq!(who.heads().len(), 1);
}

/// The answer counts for a minute; a token that its owner withdrew stops counting then, on open streams too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_token_is_asked_about_once_a_minute() {
    let who = WhoAmI::start(&[(PERSONAL, "benny")]).await;
    let mut plan = plan(&who);
    plan.config = "limits: { keep_alive: 100ms }".to_owned();
    let door = Door::with(plan).await;
    for _ in 0..20 {
        assert_eq!(call(&door, PERSONAL).await.status, 200);
    }
    assert_eq!(who.heads().len(), 1);
    let mut stream = door::call("fixture", "hold", json!({}))
        .bearer(PERSONAL)
        .open(door.address)
        .await;
    door.upstream.until(|seen| seen.holds == 1).await;
    who.is_down(true);
    door.advance(MINUTE / 2);
    assert_eq!(call(&door, PERSONAL).await.status, 200, "still remembered");
    who.is_down(false);
    who.forget(PERSONAL);
    door.advance(MINUTE);
    assert_eq!(call(&door, PERSONAL).await.status, 401);
    assert!(
        stream.ends_within(Duration::from_secs(2)).await,
        "the stream goes on"
    );
    let asked = who.heads().len();
    for _ in 0..20 {
        assert_eq!(call(&door, PERSONAL).await.status, 401);
    }
    assert_eq!(who.heads().len(), asked, "a refusal is remembered too");
    who.is_down(true);
    let reply = call(&door, "another-token-that-nobody-knows").await;
    assert_eq!(reply.status, 503, "nobody can say");
    assert!(reply.header("retry-after").is_some());
}

/// OS-141: guessing is limited by network; tokens of people who have no account here count for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessed_old_tokens_are_limited() {
    let who = WhoAmI::start(&[(PERSONAL, "benny"), ("token-of-a-stranger-0001", "zed")]).await;
    let door = Door::with(plan(&who)).await;
    assert_eq!(
        call(&door, "token-of-a-stranger-0001").await.status,
        401,
        "no account is theirs"
    );
    for n in 1..20 {
        assert_eq!(
            call(&door, &format!("guessed-token-number-{n:04}")).await.status,
            401
        );
    }
    assert_eq!(who.heads().len(), 20);
    let reply = call(&door, "guessed-token-number-9999").await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(who.heads().len(), 20, "the server is not asked");
    door.operate(&["user", "disable", "ana"]).await.unwrap();
    door.advance(Duration::from_mins(10));
    assert_eq!(call(&door, STATIC).await.status, 401, "its owner is disabled");
    assert_eq!(call(&door, PERSONAL).await.status, 200);
}
