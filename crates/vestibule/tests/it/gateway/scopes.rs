//! Scopes per tool: what rules ask for on top of `mcp`, how a person grants it, and what tokens from before make of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::streams::next;
use crate::rig::{Ask, Browser, Door, Plan, Reply, app, door};

const SERVER: &str = r#"
  gitea:
    title: Gitea
    upstream: {upstream}
    scopes:
      write: { title: Change issues and files }
      admin: { title: Delete whole repositories, includes: [write] }
    allow:
      - groups: [developers]
        tools: [echo_headers]
      - groups: [developers]
        scope: write
        tools: ["test_simple_*"]
        prompts: [test_simple_prompt]
      - people: [ben]
        scope: admin
        tools: [test_image_content]
    credential: { headers: { Authorization: "Bearer ${file:credential}" } }
"#;

fn plan() -> Plan {
    Plan {
        servers: SERVER.to_owned(),
        ..Plan::default()
    }
}

const WRITING: &str = "test_simple_text";

async fn call(door: &Door, token: &str, tool: &str) -> Reply {
    door.ask(door::call("gitea", tool, json!({})).bearer(token)).await
}

fn text(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    let answer = reply.json();
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

async fn tools(door: &Door, token: &str) -> Vec<String> {
    let ask = door::modern("gitea", "tools/list", json!({})).bearer(token);
    let answer = door.ask(ask).await.json();
    let tools = answer["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// The page that a refusal names, as a path of the door.
fn page_in(door: &Door, text: &str) -> String {
    let url = text
        .split(' ')
        .find(|word| word.starts_with(&door.url))
        .unwrap_or_else(|| panic!("no address in {text}"));
    url[door.url.len()..].to_owned()
}

/// Opens the page and allows what is chosen there.
async fn allow<'d>(door: &'d Door, page: &str, username: &str) -> (Browser<'d>, Reply) {
    let mut browser = door.browser();
    let reply = browser.authorize(page, username).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let form = browser.form("/apps/scopes");
    let reply = browser.submit(&form).await;
    (browser, reply)
}

/// CC-75, CC-76, CC-77, DEC-12, MA-36: on both databases, and after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_names_a_page_and_what_is_allowed_there_counts_for_the_same_token() {
    for mut door in Door::each(plan()).await {
        let engine = door.engine();
        let (app, tokens) = door.granted("gitea", "mcp offline_access").await;
        let token = tokens.access.as_str();
        assert_eq!(text_of_tools(&door, token).await, "echo_headers", "{engine}");

        let refused = call(&door, token, WRITING).await;
        assert_eq!(refused.json()["result"]["isError"], true);
        let said = text(&refused);
        assert!(said.contains("Change issues and files (gitea:write)"), "{said}");
        assert!(!said.contains("gitea:admin"), "the narrowest: {said}");
        let page = page_in(&door, &said);
        {
            let (browser, reply) = allow(&door, &page, "ana").await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert!(
                browser.page.contains("Change issues and files"),
                "{}",
                browser.page
            );
        }
        let listed = tools(&door, token).await;
        assert!(listed.contains(&WRITING.to_owned()), "{engine}: {listed:?}");
        assert!(!text(&call(&door, token, WRITING).await).contains("permission"));

        // A client that repeats what it asked for before does not lose it.
        let refreshed = app.refresh_with(&tokens.refresh, &[("scope", "mcp offline_access")]);
        let refreshed = crate::rig::Tokens::of(&door.ask(refreshed).await);
        assert_eq!(
            refreshed.all["scope"], "mcp offline_access gitea:write",
            "{engine}"
        );
        assert!(
            tools(&door, &refreshed.access)
                .await
                .contains(&WRITING.to_owned())
        );

        door.restart().await;
        assert!(
            tools(&door, token).await.contains(&WRITING.to_owned()),
            "{engine}"
        );

        let events = door.audit("grant_widened").await;
        assert_eq!(events.len(), 1, "{engine}: {events:?}");
        assert_eq!(
            (&events[0]["asked"], &events[0]["scopes"]),
            (&json!("gitea:write"), &json!("gitea:write"))
        );
        let refusals = door
            .calls_recorded(|rows| {
                rows.iter()
                    .any(|row| row["reason"] == "insufficient_scope: gitea:write")
            })
            .await;
        assert!(!refusals.is_empty());
    }
}

async fn text_of_tools(door: &Door, token: &str) -> String {
    tools(door, token).await.join(" ")
}

/// MA-34, MA-35, MA-62: a scope is no right, and the page is for the person alone whose program it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_gives_nobody_what_the_rules_do_not() {
    let door = Door::with(plan()).await;
    let (_, tokens) = door.granted("gitea", "mcp").await;
    let token = tokens.access.as_str();
    let page = page_in(&door, &text(&call(&door, token, WRITING).await));

    let unknown = call(&door, token, "test_image_content").await.json();
    assert_eq!(
        unknown["error"]["code"], -32602,
        "no scope would help Ana: {unknown}"
    );

    for stranger in ["ben", "eve"] {
        let mut browser = door.browser();
        let reply = browser.authorize(&page, stranger).await;
        assert_eq!(reply.status, 404, "{stranger}: {reply:?}");
    }
    let mut browser = door.browser();
    browser.authorize(&page, "ana").await;
    assert!(!browser.page.contains("gitea:admin"), "{}", browser.page);
    let form = browser.form("/apps/scopes");
    let by_hand = form.clone().set("scope", "gitea:admin openid fixture:all");
    let reply = browser.submit(&by_hand).await;
    assert_eq!(reply.status, 303, "nothing was added: {reply:?}");
    browser.get(reply.location()).await;
    assert!(
        browser.page.contains("What Test program may do"),
        "{}",
        browser.page
    );
    let stale = form.clone().set("token", "x");
    assert_eq!(browser.submit(&stale).await.status, 403);
    let reply = door
        .ask(Ask::form("/apps/scopes", &[("scope", "gitea:write")]))
        .await;
    assert!(matches!(reply.status, 303 | 403), "{reply:?}");
    assert_eq!(text_of_tools(&door, token).await, "echo_headers");
    assert!(door.audit("grant_widened").await.is_empty());

    // A grant that has ended cannot be widened any more.
    let grant = form.field("grant").unwrap().to_owned();
    door.operate(&["grant", "revoke", &grant]).await.unwrap();
    assert_eq!(browser.submit(&form).await.status, 404);
}

/// The challenge of an answer, and the scopes in it.
fn challenged(reply: &Reply) -> String {
    assert_eq!(reply.status, 403, "{reply:?}");
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("resource_metadata=\""), "{challenge}");
    let scope = challenge.split("scope=\"").nth(1).unwrap();
    scope.split('"').next().unwrap().to_owned()
}

/// DEC-17, MA-30, MA-31, MA-32, MA-35: once for each tool, with all that is granted and needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_steps_up_is_challenged_once() {
    let door = Door::with(plan()).await;
    let metadata = json!({ "client_name": "Codex", "redirect_uris": [app::App::CALLBACK] });
    let mut codex = app::App::register(&door, &metadata).await;
    codex.resource = format!("{}/mcp/gitea", door.url);
    let tokens = codex.sign_in(&door, "ana").await;
    let token = tokens.access.as_str();
    let unknown = call(&door, token, "test_image_content").await;
    assert_eq!(
        unknown.status, 200,
        "no challenge for what the rules refuse: {unknown:?}"
    );
    let scope = challenged(&call(&door, token, WRITING).await);
    assert_eq!(scope, "mcp offline_access gitea:write");
    let said = text(&call(&door, token, WRITING).await);
    assert!(
        said.contains("/apps/scopes?"),
        "the second time it is told: {said}"
    );
    challenged(&call(&door, token, "test_simple_other").await);

    // It asks for what the challenge names, and has it.
    let target = codex.authorize(&[("scope", &scope)]);
    let mut browser = door.browser();
    browser.authorize(&target, "ana").await;
    assert!(
        browser.page.contains("Change issues and files"),
        "{}",
        browser.page
    );
    let back = browser.answer("approve").await.location().to_owned();
    let tokens = app::Tokens::of(&codex.redeem(&app::code_of(&back)).await);
    assert_eq!(tokens.all["scope"], scope.as_str());
    let listed = tools(&door, &tokens.access).await;
    assert!(listed.contains(&WRITING.to_owned()) && listed.contains(&"echo_headers".to_owned()));
}

/// CC-72, CC-73: granted is what was asked for and is of use; the page says what is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_no_use_to_the_person_is_shown_and_not_granted() {
    let door = Door::with(plan()).await;
    let mut app = door.app().await;
    app.resource = format!("{}/mcp/gitea", door.url);
    let scope = "mcp gitea:admin gitea:write gitea:nonsense fixture:write";
    let target = app.authorize(&[("scope", scope)]);
    let mut browser = door.browser();
    browser.authorize(&target, "ana").await;
    let (allowed, withheld) = browser.page.split_once("of no use to you").unwrap();
    assert!(allowed.contains("Change issues and files") && withheld.contains("Delete whole repositories"));
    let back = browser.answer("approve").await.location().to_owned();
    let tokens = app::Tokens::of(&app.redeem(&app::code_of(&back)).await);
    assert_eq!(tokens.all["scope"], "mcp gitea:write");

    // Without naming a server, the one that is chosen counts.
    let target = app.authorize(&[("scope", scope), ("resource", "")]);
    let mut browser = door.browser();
    browser.authorize(&target, "ana").await;
    assert!(
        browser.page.contains("Change issues and files (Gitea)"),
        "{}",
        browser.page
    );
    let form = browser
        .form("/consent")
        .set("server", "fixture")
        .set("answer", "approve");
    let back = browser.submit(&form).await.location().to_owned();
    let tokens = app::Tokens::of(&app.redeem(&app::code_of(&back)).await);
    assert_eq!(tokens.all["scope"], "mcp");
}

/// MA-33: a broad scope stands for the narrow one; and a service token has what its maker gave it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_has_the_scopes_that_it_was_made_with() {
    for door in Door::each(plan()).await {
        let create = async |scopes: &[&str]| {
            let mut words = vec![
                "token",
                "create",
                "--owner",
                "ben",
                "--server",
                "gitea",
                "--expires",
                "1d",
            ];
            words.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
            door.operate(&words).await
        };
        let token = async |scopes: &[&str]| match create(scopes).await.unwrap() {
            vestibule::operator::Answer::Done { item, .. } => item["token"].as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert!(create(&["gitea:nonsense"]).await.is_err());
        assert!(create(&["fixture:write"]).await.is_err());
        let plain = token(&[]).await;
        let said = text(&call(&door, &plain, WRITING).await);
        assert!(said.contains("has to be issued with that scope"), "{said}");
        let admin = token(&["gitea:admin"]).await;
        let listed = tools(&door, &admin).await;
        for tool in ["echo_headers", WRITING, "test_image_content"] {
            assert!(listed.contains(&tool.to_owned()), "{listed:?}");
        }
    }
}

/// DEC-16, TP-26: others than tool calls are told in an error of the protocol, and a batch one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_and_batches_are_told_too() {
    let door = Door::with(plan()).await;
    let (_, tokens) = door.granted("gitea", "mcp").await;
    let token = tokens.access.as_str();
    let ask = door::modern("gitea", "prompts/get", json!({ "name": "test_simple_prompt" }));
    let answer = door.ask(ask.bearer(token)).await.json();
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(
        said.contains("/apps/scopes?") && said.contains("gitea%3Awrite"),
        "{said}"
    );

    let session = super::sessions::begin_in(&door, token, "gitea", "2025-03-26").await;
    let call = |id: u8, tool: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {} } });
    let batch = json!([call(1, "echo_headers"), call(2, WRITING)]);
    let ask = Ask::json("/mcp/gitea", &batch)
        .bearer(token)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-session-id", session)
        .with("mcp-protocol-version", "2025-03-26");
    let reply = door.ask(ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.contains("/apps/scopes?"), "{}", reply.body);
}

/// TP-79: whoever listens is told that there is more now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_hear_of_a_widened_grant() {
    let door = Door::with(plan()).await;
    let (_, tokens) = door.granted("gitea", "mcp").await;
    let token = tokens.access.as_str();
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let listen = door::modern("gitea", "subscriptions/listen", filter).bearer(token);
    let mut stream = listen.open(door.address).await;
    let _acknowledged = next(&mut stream).await;
    let page = page_in(&door, &text(&call(&door, token, WRITING).await));
    allow(&door, &page, "ana").await;
    let told = next(&mut stream).await;
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
}

/// The same form 64 times at once adds once; two forms at once lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_widened_once_however_often_the_form_comes() {
    let door = Arc::new(Door::with(plan()).await);
    let (_, tokens) = door.granted("gitea", "mcp").await;
    let page = page_in(&door, &text(&call(&door, &tokens.access, WRITING).await));
    let (cookies, form) = {
        let mut browser = door.browser();
        browser.authorize(&page, "ana").await;
        (browser.cookies.clone(), browser.form("/apps/scopes"))
    };
    let mut at_once = JoinSet::new();
    for _ in 0..64 {
        let (door, cookies, form) = (Arc::clone(&door), cookies.clone(), form.clone());
        at_once.spawn(async move {
            let mut browser = door.browser();
            browser.cookies = cookies;
            browser.submit(&form).await.status
        });
    }
    let statuses = at_once.join_all().await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    let events = door.audit("grant_widened").await;
    assert_eq!(events.len(), 1, "{events:?}");
    let grants: Value = match door.operate(&["grant", "list"]).await.unwrap() {
        vestibule::operator::Answer::List { rows, .. } => rows.into(),
        other => panic!("{other:?}"),
    };
    assert_eq!(grants[0]["scope"], "mcp gitea:write");
}

/// What was allowed is shown where it can be taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_what_is_held_and_the_list_of_apps_too() {
    let door = Door::with(plan()).await;
    let (_, tokens) = door.granted("gitea", "mcp gitea:write").await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.get("/apps").await;
    assert!(
        browser.page.contains("May also: Change issues and files"),
        "{}",
        browser.page
    );
    assert!(
        !browser.page.contains("/apps/scopes?"),
        "there is nothing more for her: {}",
        browser.page
    );
    let grant = browser.form("/apps/revoke").field("grant").unwrap().to_owned();
    browser.get(&format!("/apps/scopes?grant={grant}")).await;
    assert!(browser.page.contains("nothing more"), "{}", browser.page);
    door.advance(Duration::from_mins(5));
    assert!(tools(&door, &tokens.access).await.contains(&WRITING.to_owned()));
}

/// CC-77, DEC-1: a pair that is delivered again after the widening, with an access token that had nearly run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_is_delivered_again_has_what_was_added_meanwhile() {
    let door = Door::with(plan()).await;
    let (app, tokens) = door.granted("gitea", "mcp offline_access").await;
    let lost = app.refresh(&tokens.refresh).await;
    assert_eq!(lost.status, 200);
    let page = page_in(&door, &text(&call(&door, &tokens.access, WRITING).await));
    allow(&door, &page, "ana").await;
    door.advance(Duration::from_mins(59) + Duration::from_secs(30));
    let again = app::Tokens::of(&app.refresh(&tokens.refresh).await);
    assert_ne!(again.all["access_token"], lost.json()["access_token"]);
    assert!(tools(&door, &again.access).await.contains(&WRITING.to_owned()));
}

/// DEC-17, CC-76: a client that asks for no more than before is not sent to its person again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_ignores_the_challenge_is_told_like_all_others() {
    let door = Door::with(plan()).await;
    let metadata = json!({ "client_name": "Codex", "redirect_uris": [app::App::CALLBACK] });
    let mut codex = app::App::register(&door, &metadata).await;
    codex.resource = format!("{}/mcp/gitea", door.url);
    let tokens = codex.sign_in(&door, "ana").await;
    challenged(&call(&door, &tokens.access, WRITING).await);
    let tokens = codex.sign_in(&door, "ana").await;
    let said = text(&call(&door, &tokens.access, WRITING).await);
    assert!(said.contains("/apps/scopes?"), "{said}");
    door.advance(Duration::from_mins(61));
    let tokens = codex.sign_in(&door, "ana").await;
    challenged(&call(&door, &tokens.access, WRITING).await);
}

/// MA-35: nobody is sent to a page that cannot help, and the tool is not there for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_may_not_have_the_scope_is_answered_as_if_there_were_none() {
    let clients = format!(
        "clients:\n  portal: {{ name: Portal, scope: mcp offline_access, redirect_uris: [\"{}\"] }}",
        app::App::CALLBACK
    );
    let door = Door::with(Plan {
        config: clients,
        ..plan()
    })
    .await;
    let portal = app::App {
        id: "portal".to_owned(),
        redirect_uri: app::App::CALLBACK.to_owned(),
        secret: None,
        resource: format!("{}/mcp/gitea", door.url),
        address: door.address,
        host: door.host().to_owned(),
    };
    let target = portal.authorize(&[("scope", "mcp gitea:write")]);
    let back = door.browser().approve(&target, "ana").await;
    let tokens = app::Tokens::of(&portal.redeem(&app::code_of(&back)).await);
    assert_eq!(tokens.all["scope"], "mcp", "CC-73");
    let answer = call(&door, &tokens.access, WRITING).await.json();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.get("/apps").await;
    assert!(!browser.page.contains("/apps/scopes?"), "{}", browser.page);
}
