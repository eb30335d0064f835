//! What real providers and MCP servers do otherwise than the standards say, by the presets that describe them.

use std::time::Duration;

use serde_json::{Value, json};

use super::oauth::{connect, leave};
use super::{ANAS, call_own, said, type_in};
use crate::rig::accounts::{Accounts, Manner};
use crate::rig::app::query_of;
use crate::rig::door::call;
use crate::rig::{Door, Plan};

/// CC-111: `preset: slack`. Scopes with commas, no PKCE, the person's token below the bot's, a renewed one by itself, and
/// `ok: false` with 200 for a code and for a refresh token that do not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_as_it_is() {
    let accounts = Accounts::start().await;
    accounts.has_the_ways_of(Manner::Slack);
    for door in Door::each(accounts.preset_plan("slack", ", scopes: [a, b]")).await {
        let engine = door.engine();
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        let away = leave(&mut browser).await;
        let query = query_of(&away);
        assert_eq!(query["scope"], "a,b", "{engine}");
        assert!(
            query["user_scope"].as_str().unwrap().contains("search:read,"),
            "{engine}"
        );
        assert_eq!(query["code_challenge"], Value::Null, "{engine}");
        let back = accounts.approve(&away, &door.url, "ana");
        let swapped = back.replace("code=code-", "code=other-");
        let reply = browser.get(&swapped).await;
        assert!(
            !reply.body.contains("You are connected"),
            "{engine}: {}",
            reply.body
        );

        let reply = connect(&door, &accounts, "ana").await;
        assert!(
            reply.body.contains("You are connected as ana"),
            "{engine}: {}",
            reply.body
        );
        let token = door.token_for("own").await;
        let shown = async || {
            let (text, is_error) = said(&call_own(&door, &token).await);
            assert!(!is_error, "{engine}: {text}");
            let sent = door.upstream.take_requests();
            sent.last().unwrap().headers["authorization"]
                .to_str()
                .unwrap()
                .to_owned()
        };
        let first = shown().await;
        assert!(
            first.starts_with("token access-s3cret-"),
            "{engine}: the bot's: {first}"
        );

        door.advance(Duration::from_secs(3570));
        let token = door.token_for("own").await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(!is_error, "{engine}: {text}");
        let sent = door.upstream.take_requests();
        let second = sent.last().unwrap().headers["authorization"].to_str().unwrap();
        assert!(
            second.starts_with("token access-s3cret-") && second != first,
            "{engine}: {second}"
        );

        accounts.end_refresh_tokens();
        door.advance(Duration::from_secs(3570));
        let token = door.token_for("own").await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("not connected any more"),
            "{engine}: {text}"
        );
        let ended = door.audit("connection_ended").await;
        assert_eq!(ended[0]["reason"], "not_renewed", "{engine}");
    }
}

/// CC-111: who-am-I that answers 200 with `ok: false` ends what does not count any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ok_false_ends_what_does_not_count_any_more() {
    let accounts = Accounts::start().await;
    accounts.has_the_ways_of(Manner::Slack);
    let plan = accounts.preset_plan("slack", "");
    let typed = plan.config.lines().filter(|line| !line.contains("oauth:"));
    let config = typed.collect::<Vec<_>>().join("\n");
    let servers = plan
        .servers
        .replace("token ${connection}", "Bearer ${connection}");
    let upstream = fixture::Options::new()
        .demanding_bearer("another")
        .with_extra_tools();
    let plan = Plan {
        config,
        servers,
        upstream,
        ..plan
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        accounts.give(ANAS, "ana");
        let token = door.token_for("own").await;
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/connect?to=forge").await;
        let reply = type_in(&mut browser, ANAS).await;
        assert!(reply.body.contains("Slack is connected"), "{engine}: {reply:?}");
        let (text, _) = said(&call_own(&door, &token).await);
        assert!(text.contains("refused this to your account"), "{engine}: {text}");
        accounts.take_back(ANAS);
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("not connected any more"),
            "{engine}: {text}"
        );
    }
}

/// CC-111: `preset: github`. A token without an end is kept as it is, and nobody tries to renew it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_an_end_is_kept() {
    let accounts = Accounts::start().await;
    accounts.has_the_ways_of(Manner::GitHub);
    for door in Door::each(accounts.preset_plan("github", "")).await {
        let engine = door.engine();
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        let away = leave(&mut browser).await;
        let back = accounts
            .approve(&away, &door.url, "ana")
            .replace("code=code-", "code=other-");
        let reply = browser.get(&back).await;
        assert!(
            !reply.body.contains("You are connected"),
            "{engine}: {}",
            reply.body
        );

        connect(&door, &accounts, "ana").await;
        accounts.token_requests();
        door.advance(Duration::from_hours(30 * 24));
        let token = door.token_for("own").await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(!is_error, "{engine}: {text}");
        assert!(accounts.token_requests().is_empty(), "{engine}");
    }
}

/// CC-107, CC-108: `recipe: mcp-grafana`. The credential goes where the server looks for it, and no header of a caller's
/// chooses another place, another person or another token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipe_is_the_doors_alone() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let plan = accounts.plan();
    let (before, _) = plan.servers.split_once("    credential:").unwrap();
    let servers = format!(
        "{before}    credential: {{ connector: forge, recipe: mcp-grafana, headers: {{ X-Grafana-Org-Id: \"7\" }}, strip: [X-Tenant] }}\n"
    );
    let door = Door::with(Plan { servers, ..plan }).await;
    super::connect(&door, "ana", ANAS).await;
    let token = door.token_for("own").await;
    door.upstream.take_requests();
    let mut ask = call("own", "echo_headers", json!({})).bearer(&token);
    for (name, value) in [
        ("x-grafana-url", "https://evil.example"),
        ("X-Grafana-Service-Account-Token", "mine"),
        ("x-grafana-org-id", "8"),
        ("x-grafana-anything", "1"),
        ("x-access-token", "mine"),
        ("x-tenant", "other"),
        ("x-tenants", "kept"),
    ] {
        ask = ask.with(name, value);
    }
    let (text, is_error) = said(&door.ask(ask).await);
    assert!(!is_error, "{text}");
    let sent = door.upstream.take_requests();
    let headers = &sent.last().unwrap().headers;
    let all = |name: &str| -> Vec<_> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(all("x-grafana-service-account-token"), [ANAS]);
    assert_eq!(all("x-grafana-org-id"), ["7"]);
    assert_eq!(all("x-tenants"), ["kept"]);
    for gone in [
        "authorization",
        "x-grafana-url",
        "x-grafana-anything",
        "x-access-token",
        "x-tenant",
    ] {
        assert!(all(gone).is_empty(), "{gone}: {:?}", all(gone));
    }
}
