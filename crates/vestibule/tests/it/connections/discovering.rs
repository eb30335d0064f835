//! Connecting at the authorization server of an MCP server, found from the server itself: another Vestibule, and one that
//! says whatever a test wants.

use std::sync::Arc;
use std::time::Duration;

use keys::Algorithm;
use protocol::Params;
use serde_json::json;

use super::client_key::key;
use super::oauth::leave;
use super::{call_own, said};
use crate::rig::app::{Tokens, code_of, query_of};
use crate::rig::documents::DocumentsOf;
use crate::rig::door::call;
use crate::rig::guarded::{Guarded, plan};
use crate::rig::{Ask, Browser, Door, Plan, Reply};

/// All the way, at the authorization server `name`.
async fn connect(browser: &mut Browser<'_>, guarded: &Guarded, door: &Door, name: &str) -> Reply {
    let away = leave(browser).await;
    let back = guarded.approve(&away, &door.url, name);
    browser.get(&back).await
}

fn is_connected(reply: &Reply) -> bool {
    reply.status == 200 && reply.body.contains("You are connected.")
}

fn one<'p>(params: &'p Params, name: &str) -> &'p str {
    params.one(name).unwrap().unwrap_or_default()
}

/// MA-39, MA-61, MA-109, CC-106: behind this door stands another Vestibule. From the yes to a program the browser goes
/// there, where Ana is somebody else, and back to the program in one trip; calls are made as whom she is there, also after
/// the token has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_vestibule_is_connected_in_one_trip() {
    let there = Door::open().await;
    for here in Door::each(plan(&there.endpoint(), "")).await {
        let engine = here.engine();
        let mut app = here.app().await;
        app.resource = format!("{}/mcp/own", here.url);
        let mut browser = here.browser();
        browser.authorize(&app.authorize(&[]), "ana").await;
        let reply = browser.answer("approve").await;
        let away = reply.location().to_owned();
        assert!(
            away.starts_with(&format!("{}/authorize?", there.url)),
            "{engine}: {away}"
        );
        let query = query_of(&away);
        assert_eq!(query["resource"], json!(there.endpoint()), "{engine}");
        assert_eq!(query["code_challenge_method"], "S256", "{engine}");
        assert_eq!(query["scope"], "mcp offline_access", "{engine}");
        let target = away.strip_prefix(&there.url).unwrap();
        let back = there.browser().approve(target, "ben").await;
        let reply = browser.get(back.strip_prefix(&here.url).unwrap()).await;
        assert_eq!(reply.status, 303, "{engine}: {}", reply.body);
        let token = Tokens::of(&app.redeem(&code_of(reply.location())).await).access;

        let (text, is_error) = said(&call_own(&here, &token).await);
        assert!(!is_error && !text.contains(&token), "{engine}: {text}");
        for door in [&here, &there] {
            door.advance(Duration::from_secs(3570));
        }
        let token = app.sign_in(&here, "ana").await.access;
        let (text, is_error) = said(&call_own(&here, &token).await);
        assert!(!is_error, "{engine}: {text}");
        let calls = there
            .calls_recorded(|rows| rows.iter().filter(|row| row["username"] == "ben").count() >= 2)
            .await;
        assert!(calls.iter().all(|row| row["username"] != "ana"), "{engine}");
        assert_eq!(here.audit("upstream_client").await.len(), 1, "{engine}");
        browser.get("/connections").await;
        assert!(
            browser.page.contains("connected</span>"),
            "{engine}: {}",
            browser.page
        );

        let form = browser.form("/connections/disconnect");
        let reply = browser.submit(&form).await;
        assert!(
            reply.body.contains("was told that it does not count any more"),
            "{engine}: {}",
            reply.body
        );
        assert!(said(&call_own(&here, &token).await).1, "{engine}");
    }
}

/// MA-74, MA-76, MA-100: a Vestibule reads the documents of clients, so nothing is registered there. The door is known there by
/// its own, and proves with the key that the document holds that it is the one whom it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_100_the_door_is_known_by_its_document_and_a_key() {
    let documents = DocumentsOf::nobody();
    let there = Door::with(Plan {
        documents: Some(Arc::clone(&documents)),
        ..Plan::default()
    })
    .await;
    let (pem, jwks) = key(Algorithm::Es256);
    let (hour, mut passed) = (Duration::from_secs(3570), Duration::ZERO);
    for with_key in [true, false] {
        let plan = Plan {
            public_url: Some("https://door.example".to_owned()),
            files: vec![("door-key", pem.clone())],
            ..plan(
                &there.endpoint(),
                if with_key {
                    ", client_key_file: door-key"
                } else {
                    ""
                },
            )
        };
        for here in Door::each(plan).await {
            let engine = here.engine();
            documents.are_of(here.address);
            // An assertion is of a minute, which both have to be in.
            here.advance(passed);
            // The dice of both engines fall alike, and an assertion that came from the one would not count from the other.
            if !passed.is_zero() {
                here.world.random::<4096>();
            }
            let address = format!("{}/connect/client/forge", here.url);
            let ask = |ask: Ask| here.ask(ask.with("host", here.host()));
            let document = ask(Ask::get("/connect/client/forge")).await.json();
            let proof = if with_key { "private_key_jwt" } else { "none" };
            assert_eq!(document["token_endpoint_auth_method"], proof, "{engine}");
            assert_eq!(
                document["jwks"],
                if with_key { jwks.clone() } else { json!(null) },
                "{engine}"
            );
            assert!(
                !document.to_string().contains("\"d\""),
                "{engine}: a private half"
            );

            let mut ana = here.browser();
            ana.sign_in("ana").await;
            let away = leave(&mut ana).await;
            assert_eq!(query_of(&away)["client_id"], json!(address), "{engine}");
            let target = away.strip_prefix(&there.url).unwrap();
            let back = there.browser().approve(target, "ben").await;
            let reply = ana.get(back.strip_prefix(&here.url).unwrap()).await;
            assert!(is_connected(&reply), "{engine}: {}", reply.body);
            let token = here.token_for("own").await;
            for door in [&here, &there] {
                door.advance(hour);
            }
            passed += hour;
            let call = call("own", "echo_headers", json!({})).bearer(&token);
            let (text, is_error) = said(&ask(call).await);
            assert!(!is_error, "{engine}: {text}");
            assert!(here.audit("upstream_client").await.is_empty(), "{engine}");
        }
    }
}

/// MA-39, MA-123, MA-132: what tokens are for is said to the page, with the code and with each refresh token; what is asked
/// for is what the challenge says, and to renew; what the operator writes stands over it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_39_the_resource_is_said_each_time() {
    let guarded = Guarded::start().await;
    let resource = format!("{}/mcp", guarded.url);
    for (oauth, scope) in [("", "read offline_access"), (", scopes: [write]", "write")] {
        for door in Door::each(guarded.plan(oauth)).await {
            let engine = door.engine();
            let mut ana = door.browser();
            ana.sign_in("ana").await;
            let away = leave(&mut ana).await;
            let query = query_of(&away);
            assert_eq!(query["resource"], json!(resource), "{engine}");
            assert_eq!(query["scope"], scope, "{engine}");
            guarded.says(|state| state.asked.clear());
            let reply = ana.get(&guarded.approve(&away, &door.url, "a")).await;
            assert!(is_connected(&reply), "{engine}: {}", reply.body);
            door.advance(Duration::from_secs(3570));
            let token = door.token_for("own").await;
            let (text, is_error) = said(&call_own(&door, &token).await);
            assert!(!is_error && text == "hello", "{engine}: {text}");
            let asked = guarded.says(|state| state.asked.clone());
            let grants: Vec<_> = asked
                .iter()
                .map(|(name, params)| {
                    assert_eq!(one(params, "resource"), resource, "{engine}");
                    (name.as_str(), one(params, "grant_type"))
                })
                .collect();
            assert_eq!(
                grants,
                [("a", "authorization_code"), ("a", "refresh_token")],
                "{engine}"
            );
        }
    }
}

/// MA-19, MA-20, MA-67, MA-73, MA-147: metadata of another server or another issuer, no S256, addresses that a stranger may
/// not send us to, a server that takes everybody: nobody leaves, and nothing is registered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_19_ma_67_ma_73_who_does_not_guard_it_as_the_standard_has_it_is_not_gone_to() {
    let guarded = Guarded::start().await;
    let door = Door::with(guarded.plan("")).await;
    let mut ana = door.browser();
    ana.sign_in("ana").await;
    let good = guarded.says(|state| state.resource.clone());
    let url = guarded.url.clone();
    for (member, value) in [
        ("resource", json!("https://mcp.example/mcp")),
        ("resource", json!(format!("{url}/mcp/other"))),
        ("resource", json!(null)),
        ("authorization_servers", json!(["http://192.0.2.1/a"])),
        ("authorization_servers", json!(["https://192.0.2.1/a"])),
        ("authorization_servers", json!(["https://10.0.0.1/a"])),
        ("authorization_servers", json!([format!("{url}/nobody")])),
    ] {
        guarded.says(|state| {
            state.resource = good.clone();
            state.resource[member] = value.clone();
        });
        refused(&mut ana, &guarded, &format!("{member} {value}")).await;
    }
    guarded.says(|state| state.resource = good.clone());
    for (member, value) in [
        ("issuer", json!(format!("{url}/b"))),
        ("issuer", json!(format!("{url}/a/"))),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("code_challenge_methods_supported", json!(null)),
        ("registration_endpoint", json!("http://192.0.2.1/register")),
        ("registration_endpoint", json!("https://10.0.0.1/register")),
        ("token_endpoint", json!(null)),
        ("registration_endpoint", json!(null)),
    ] {
        guarded.says(|state| state.metadata = [(member, value.clone())].into());
        refused(&mut ana, &guarded, &format!("{member} {value}")).await;
    }
    guarded.says(|state| {
        state.metadata.clear();
        state.open = true;
        state.resource["authorization_servers"] = json!([]);
    });
    refused(&mut ana, &guarded, "everybody").await;
    guarded.says(|state| {
        state.open = false;
        state.resource = good;
    });
    assert!(is_connected(&connect(&mut ana, &guarded, &door, "a").await));
}

async fn refused(ana: &mut Browser<'_>, guarded: &Guarded, why: &str) {
    ana.get("/connect?to=forge").await;
    let form = ana.form("/connect/leave");
    let reply = ana.submit(&form).await;
    assert_eq!(reply.status, 502, "{why}: {}", reply.body);
    assert!(guarded.says(|state| state.registered.is_empty()), "{why}");
}

/// MA-107, MA-108, MA-109, OS-46: a server that comes to name another authorization server takes nobody along. A code goes
/// to the one that was left for, and so does the refresh token; the connection ends, and its owner is asked to connect
/// again, there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_107_what_one_gave_goes_to_no_other() {
    let guarded = Guarded::start().await;
    for door in Door::each(guarded.plan("")).await {
        let engine = door.engine();
        guarded.moves_to("a");
        guarded.says(|state| {
            state.asked.clear();
            state.registered.clear();
        });
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        // It moves while Ana is away, and back.
        let away = leave(&mut ana).await;
        guarded.moves_to("b");
        let back = guarded.approve(&away, &door.url, "a");
        guarded.says(|state| state.takes = "a");
        assert!(is_connected(&ana.get(&back).await), "{engine}: {}", ana.page);
        assert_eq!(guarded.says(|state| state.asked[0].0.clone()), "a", "{engine}");
        let token = door.token_for("own").await;
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");

        guarded.moves_to("b");
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("is not connected any more"),
            "{engine}: {text}"
        );
        assert_eq!(
            door.audit("connection_ended").await[0]["reason"],
            "moved",
            "{engine}"
        );
        let only_a = guarded.says(|state| state.asked.iter().all(|(name, _)| name == "a"));
        assert!(only_a, "{engine}");
        assert!(
            is_connected(&connect(&mut ana, &guarded, &door, "b").await),
            "{engine}: {}",
            ana.page
        );
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");
        let registered: Vec<_> = guarded.says(|state| {
            let names = state.registered.iter().map(|(name, _)| name.clone());
            names.collect()
        });
        assert_eq!(registered, ["a", "b"], "{engine}");
    }
}

/// MA-116, MA-118: an answer that names another issuer than the one that was left for is of nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_118_an_answer_of_another_issuer_is_of_nobody() {
    let guarded = Guarded::start().await;
    for door in Door::each(guarded.plan("")).await {
        let engine = door.engine();
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        guarded.says(|state| state.asked.clear());
        for other in ["", "&iss=http%3A%2F%2Fevil.example", "&iss="] {
            let away = leave(&mut ana).await;
            let back = guarded.approve(&away, &door.url, "a");
            let (back, _) = back.split_once("&iss=").unwrap();
            let reply = ana.get(&format!("{back}{other}")).await;
            assert!(!is_connected(&reply), "{engine}: {other}");
        }
        assert!(guarded.says(|state| state.asked.is_empty()), "{engine}");
    }
}

/// A token that the server itself does not take is not kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_does_not_take_is_not_kept() {
    let guarded = Guarded::start().await;
    for door in Door::each(guarded.plan("")).await {
        let engine = door.engine();
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        let away = leave(&mut ana).await;
        let back = guarded.approve(&away, &door.url, "a");
        guarded.says(|state| state.takes = "b");
        let reply = ana.get(&back).await;
        assert_eq!(reply.status, 400, "{engine}: {}", reply.body);
        guarded.says(|state| state.takes = "a");
        ana.get("/connections").await;
        assert!(ana.page.contains("Not connected"), "{engine}: {}", ana.page);
    }
}

/// CC-105: many servers look at a token with the first call alone, so that `initialize` says nothing of it. What cannot be
/// renewed and is refused by a call has ended, and its owner is asked to connect again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cc_105_a_server_that_greets_everybody_still_ends_what_it_refuses() {
    let guarded = Guarded::start().await;
    guarded.says(|state| {
        state.greets = true;
        state.gives_once = true;
    });
    for door in Door::each(guarded.plan("")).await {
        let engine = door.engine();
        guarded.says(|state| state.takes = "a");
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        assert!(
            is_connected(&connect(&mut ana, &guarded, &door, "a").await),
            "{engine}"
        );
        let token = door.token_for("own").await;
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");

        guarded.says(|state| state.takes = "nobody");
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("is not connected any more"),
            "{engine}: {text}"
        );
        let ended = door.audit("connection_ended").await;
        assert_eq!(ended[0]["reason"], "refused", "{engine}");
        guarded.says(|state| state.takes = "a");
        assert!(
            is_connected(&connect(&mut ana, &guarded, &door, "a").await),
            "{engine}"
        );
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");
    }
}

/// The operator may say who has to guard it, and a client that was made by hand is shown to that one alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_is_written_is_the_only_one() {
    let guarded = Guarded::start().await;
    let issuer = format!("{}/a", guarded.url);
    let mut door = Door::with(guarded.plan(&format!(", issuer: \"{issuer}\", client_id: door-at-a"))).await;
    {
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        guarded.says(|state| {
            state.resource["authorization_servers"] = json!([format!("{}/b", guarded.url), issuer]);
        });
        assert!(is_connected(&connect(&mut ana, &guarded, &door, "a").await));
        assert!(guarded.says(|state| state.registered.is_empty()));
        guarded.moves_to("b");
        refused(&mut ana, &guarded, "another one").await;
    }
    for (from, to, said) in [
        (
            ", client_id: door-at-a",
            ", client_id: door-at-a, resource: \"https://a.example\"",
            "take the endpoints",
        ),
        (&format!("issuer: \"{issuer}\", "), "", "is of one issuer"),
        (&issuer, "http://id.example", "must be an https URL"),
        (
            "    name: Forge\n",
            "    identity: { match: username }\n",
            "is needed where",
        ),
        (
            "upstream: http://127.0.0.1",
            "upstream: http://192.0.2.1",
            "needs a server at an https URL",
        ),
        (
            "title: Own\n",
            "title: Own\n    kind: api\n",
            "needs one MCP server",
        ),
        (
            "\n  own:",
            "\n  more:\n    upstream: https://more.example\n    allow: [{ groups: [developers] }]\n    credential: { connector: forge }\n  own:",
            "and no other",
        ),
    ] {
        let error = door
            .try_reconfigure(|text| {
                assert!(text.contains(from), "{from}");
                text.replace(from, to)
            })
            .await
            .unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
