//! DEC-3, item 12 of the main job: whatever was granted can be taken back, with effect on the next request and,
//! for what is open, within a second.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{App, Ask, Door, Plan, Tokens, door};

const SECOND: Duration = Duration::from_secs(1);

/// What is open at the moment when it is taken back: a stream, a call that waits for its upstream.
async fn ends_at_once(name: &str, how: impl AsyncFn(&mut Door, &App, &Tokens), refused: u16) {
    for mut door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let (app, tokens) = door.signed_in("ana").await;
        let other = app.sign_in(&door, "ben").await;
        let mut stream = door::call("fixture", "hold", json!({}))
            .bearer(&tokens.access)
            .open(door.address)
            .await;
        let mut others = door::call("fixture", "hold", json!({}))
            .bearer(&other.access)
            .open(door.address)
            .await;
        let slow = door::call("fixture", "slow_json", json!({ "millis": 30_000 })).bearer(&tokens.access);
        let slow = tokio::task::spawn(slow.to(door.address));
        door.upstream
            .until(|seen| seen.holds == 2 && seen.slow_starts == 1)
            .await;
        how(&mut door, &app, &tokens).await;
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(reply.status, refused, "{name} on {engine}: {reply:?}");
        if refused == 200 {
            assert!(
                reply.json()["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("may not"),
                "{name}: {reply:?}"
            );
        }
        assert!(
            stream.ends_within(SECOND).await,
            "{name} on {engine}: the stream goes on"
        );
        let slow = tokio::time::timeout(SECOND, slow).await;
        let slow = slow
            .unwrap_or_else(|_| panic!("{name} on {engine}: the call goes on"))
            .unwrap();
        assert_eq!(slow.status, 401, "{name} on {engine}: {slow:?}");
        if name != "a client removed" && name != "a client disabled" && name != "an allow rule removed" {
            assert!(
                !others.ends_within(Duration::from_millis(100)).await,
                "{name}: somebody else's stream ended"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_its_client_revokes() {
    let how = async |_: &mut Door, app: &App, tokens: &Tokens| {
        assert_eq!(app.revoke(&tokens.refresh).await.status, 200);
    };
    ends_at_once("a refresh token revoked", how, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_that_its_client_revokes() {
    let how = async |door: &mut Door, app: &App, tokens: &Tokens| {
        assert_eq!(app.revoke(&tokens.access).await.status, 200);
        let next = Tokens::of(&app.refresh(&tokens.refresh).await);
        assert_eq!(
            door.call(&next.access, "echo_headers", json!({})).await.status,
            200,
            "DEC-2: that token alone"
        );
    };
    ends_at_once("an access token revoked", how, 401).await;
}

/// OS-43: people end their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_its_owner_revokes() {
    let how = async |door: &mut Door, _: &App, _: &Tokens| {
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/apps").await;
        let form = browser.form("/apps/revoke");
        assert_eq!(browser.submit(&form).await.status, 303);
    };
    ends_at_once("an app revoked on its owner's page", how, 401).await;
}

/// OS-43, TP-44: operators end anybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_an_operator_revokes() {
    let how = async |door: &mut Door, _: &App, tokens: &Tokens| {
        let grant = tokens.claims()["grant"].as_str().unwrap().to_owned();
        door.operate(&["grant", "revoke", &grant]).await.unwrap();
    };
    ends_at_once("a grant revoked by command", how, 401).await;
}

/// CC-86.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_disabled() {
    let how = async |door: &mut Door, app: &App, tokens: &Tokens| {
        door.operate(&["user", "disable", "ana"]).await.unwrap();
        assert_eq!(app.refresh(&tokens.refresh).await.error(), "invalid_grant");
        door.operate(&["user", "enable", "ana"]).await.unwrap();
        assert_eq!(
            app.refresh(&tokens.refresh).await.error(),
            "invalid_grant",
            "and stays so after it is enabled again"
        );
    };
    ends_at_once("an account disabled", how, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_removed() {
    let how = async |door: &mut Door, app: &App, _: &Tokens| {
        door.operate(&["client", "remove", &app.id, "--yes"])
            .await
            .unwrap();
    };
    ends_at_once("a client removed", how, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_disabled() {
    let how = async |door: &mut Door, app: &App, _: &Tokens| {
        door.operate(&["client", "disable", &app.id]).await.unwrap();
    };
    ends_at_once("a client disabled", how, 401).await;
}

/// CC-86, MA-34, MA-35: a good token with its scope is not enough, and that is not told as a missing scope.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_removed() {
    let how = async |door: &mut Door, _: &App, _: &Tokens| {
        door.reconfigure(|text| text.replace("groups: [developers]", "people: [somebody-else]"))
            .await;
    };
    ends_at_once("an allow rule removed", how, 200).await;
}

/// CC-86, MA-34, MA-35.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_membership_that_ends() {
    let how = async |door: &mut Door, app: &App, tokens: &Tokens| {
        door.operate(&["group", "remove-member", "developers", "ana"])
            .await
            .unwrap();
        assert_eq!(app.refresh(&tokens.refresh).await.error(), "invalid_grant");
    };
    ends_at_once("a membership ended", how, 200).await;
}

/// MA-56: a stream does not outlive its token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_runs_out() {
    let config = "lifetimes: { access_token: 2s }\nlimits: { keep_alive: 60s }".to_owned();
    let door = Door::with(Plan {
        config,
        real_clock: true,
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    let mut stream = door::call("fixture", "hold", json!({}))
        .bearer(&tokens.access)
        .open(door.address)
        .await;
    assert_eq!(stream.status(), 200);
    assert!(stream.ends_within(Duration::from_secs(3)).await);
    assert_eq!(
        door.call(&tokens.access, "echo_headers", json!({})).await.status,
        401
    );
}

/// TP-81: the second round of a call that asked for input is judged like a first one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_round_is_a_request_of_its_own() {
    let door = Door::open().await;
    let (app, tokens) = door.signed_in("ana").await;
    let tool = "test_input_required_result_elicitation";
    let ask = |mut params: Value| -> Ask {
        let ask = door::modern("fixture", "tools/call", params.clone()).bearer(&tokens.access);
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        });
        ask.body(json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }).to_string())
    };
    let first = door.ask(ask(json!({ "name": tool, "arguments": {} }))).await;
    let result = &first.json()["result"];
    assert_eq!(result["resultType"], "input_required", "{first:?}");
    let answers: serde_json::Map<String, Value> = result["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .map(|key| {
            (
                key.clone(),
                json!({ "action": "accept", "content": { "name": "Ana" } }),
            )
        })
        .collect();
    let mut params = json!({ "name": tool, "arguments": {}, "inputResponses": answers });
    if let Some(state) = result.get("requestState") {
        params["requestState"] = state.clone();
    }
    assert_eq!(
        door.ask(ask(params.clone())).await.json()["result"]["resultType"],
        "complete"
    );
    app.revoke(&tokens.refresh).await;
    assert_eq!(door.ask(ask(params)).await.status, 401);
}
