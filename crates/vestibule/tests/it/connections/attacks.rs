//! Whoever tries to act as somebody else (MA-62, proof of identity).

use std::time::Duration;

use serde_json::json;

use super::{ANAS, BENS, call_own, connect, link, said, type_in};
use crate::rig::accounts::Accounts;
use crate::rig::{Ask, Door};

/// MA-62: a link works for the person it was made for; what is altered or too old works for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_for_the_person_it_was_made_for() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let token = door.token_for("own").await;
        let (text, _) = said(&call_own(&door, &token).await);
        let anas = link(&door, &text);
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        let reply = ben.get(&anas).await;
        assert_eq!(reply.status, 403, "{engine}");
        assert!(
            reply.body.contains("connect_link_foreign"),
            "{engine}: {}",
            reply.body
        );
        assert!(!reply.body.contains("credential"), "{engine}: there is a form");

        let mut ana = door.browser();
        ana.sign_in("ana").await;
        assert_eq!(ana.get(&anas).await.status, 200, "{engine}");
        let (address, ticket) = anas.split_once("for=").unwrap();
        let altered = format!("{address}for={}A", &ticket[..ticket.len() - 1]);
        for odd in [
            altered,
            format!("{address}for="),
            format!("{address}for=nonsense"),
        ] {
            let reply = ana.get(&odd).await;
            assert_eq!(reply.status, 400, "{engine}: {odd}");
            assert!(reply.body.contains("connect_link_gone"), "{engine}");
        }
        door.advance(Duration::from_hours(25));
        ana.get(&anas).await;
        assert!(
            !ana.page.contains("name=\"credential\""),
            "{engine}: {}",
            ana.page
        );
    }
}

/// Proof of identity: somebody else's token is refused and recorded; nothing is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_token_is_refused_and_recorded() {
    let accounts = Accounts::start().await;
    accounts.give(BENS, "ben");
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let token = door.token_for("own").await;
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/connect?to=forge").await;
        let reply = type_in(&mut ana, BENS).await;
        assert_eq!(reply.status, 403, "{engine}");
        assert!(
            reply.body.contains("belongs to ben at Forge"),
            "{engine}: {}",
            reply.body
        );
        let refused = door.audit("connection_refused").await;
        assert_eq!(refused[0]["reason"], "identity_mismatch", "{engine}: {refused:?}");
        assert_eq!(refused[0]["upstream_account"], "ben", "{engine}");
        assert_eq!(refused[0]["username"], "ana", "{engine}");
        let (_, is_error) = said(&call_own(&door, &token).await);
        assert!(is_error, "{engine}: it was kept");
    }
}

/// What the provider does not take, or says nothing about, is not kept; and nobody tries tokens by the dozen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_count_nowhere_are_not_kept() {
    let accounts = Accounts::start().await;
    let door = Door::with(accounts.plan()).await;
    let mut ana = door.browser();
    ana.sign_in("ana").await;
    ana.get("/connect?to=forge").await;
    let ask = async |ana: &mut crate::rig::Browser<'_>, says: Option<(u16, &str)>, token: &str| {
        accounts.says(says);
        let reply = type_in(ana, token).await;
        (reply.status, reply.body)
    };
    let (status, page) = ask(&mut ana, None, "wrong-token-0").await;
    assert_eq!(status, 400);
    assert!(page.contains("does not take this token"), "{page}");
    let (status, page) = ask(&mut ana, Some((200, r#"{"ok":false}"#)), "wrong-token-1").await;
    assert_eq!(status, 400, "CC-111: {page}");
    let (status, page) = ask(&mut ana, Some((200, "[]")), "wrong-token-2").await;
    assert_eq!(status, 502);
    assert!(page.contains("not expected"), "{page}");
    let (status, _) = ask(&mut ana, Some((500, "")), "wrong-token-3").await;
    assert_eq!(status, 502);
    let asked = accounts.asked();
    for odd in ["two words", "line\nbreak", "umläut"] {
        let (status, page) = ask(&mut ana, None, odd).await;
        assert_eq!(status, 400, "{odd}");
        assert!(page.contains("cannot be a token"), "{odd}: {page}");
    }
    assert_eq!(accounts.asked(), asked, "what is no token goes nowhere");
    for _ in 0..3 {
        ask(&mut ana, None, "wrong-token-4").await;
    }
    let (status, page) = ask(&mut ana, None, "wrong-token-5").await;
    assert_eq!(status, 429, "{page}");
    assert!(
        door.running()
            .house
            .foundation
            .store
            .connections()
            .await
            .unwrap()
            .is_empty()
    );
}

/// A form that another page sends connects nothing; nor does one of somebody who is not signed in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_sites_form_connects_nothing() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let door = Door::with(accounts.plan()).await;
    let mut ana = door.browser();
    ana.sign_in("ana").await;
    ana.get("/connect?to=forge").await;
    let token = ana.form("/connect").field("token").unwrap().to_owned();
    let form = |token: &str| {
        Ask::form(
            "/connect",
            &[("token", token), ("to", "forge"), ("credential", ANAS)],
        )
    };
    let reply = ana
        .send(
            form(&token)
                .with("origin", "https://evil.example")
                .with("sec-fetch-site", "cross-site"),
        )
        .await;
    assert_eq!(reply.status, 403, "{reply:?}");
    let reply = ana
        .send(
            form("guessed")
                .with("origin", door.url.clone())
                .with("sec-fetch-site", "same-origin"),
        )
        .await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(door.ask(form(&token)).await.status, 303);
    assert_eq!(accounts.asked(), 0);
}

/// An envelope that somebody with the database moves to another person opens for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_is_moved_does_not_open() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    accounts.give(BENS, "ben");
    for mut door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let [ben] = door.tokens_for("own", ["ben"]).await;
        connect(&door, "ana", ANAS).await;
        connect(&door, "ben", BENS).await;
        door.sql(
            "UPDATE connections SET sealed = (SELECT sealed FROM connections AS other WHERE other.upstream_name = 'ana'),
                 version = (SELECT version FROM connections AS other WHERE other.upstream_name = 'ana')
             WHERE upstream_name = 'ben'",
        )
        .await;
        door.restart().await;
        let reply = door
            .ask(crate::rig::door::call("own", "echo_headers", json!({})).bearer(&ben))
            .await;
        let (text, is_error) = said(&reply);
        assert!(
            is_error && text.contains("Connect it again at"),
            "{engine}: {text}"
        );
        assert!(door.upstream.take_requests().is_empty(), "{engine}");
    }
}
