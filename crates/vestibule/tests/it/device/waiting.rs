//! Programs that say how long they would rather wait (`Prefer: wait`, RFC 7240 section 4.3).

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Codes, Tool, type_in};
use crate::rig::{Ask, Door, Plan, Tokens};

const PROXIED: &str = "trusted_proxies: [127.0.0.0/8]";

fn waiting(tool: &Tool, codes: &Codes, seconds: u32) -> Ask {
    tool.polling(codes).with("prefer", format!("wait={seconds}"))
}

/// The person decides, and whoever waits has the answer; its pause counts from when it asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_waits_has_the_answer_when_the_person_decides() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let nothing = door.ask(waiting(&tool, &codes, 1)).await;
        assert_eq!(nothing.error(), "authorization_pending", "{engine}");
        assert_eq!(nothing.header("preference-applied"), Some("wait=1"));
        door.advance(Duration::from_secs(5));
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/device").await;
        type_in(&mut browser, &codes.user).await;
        let answering = async {
            door.until_waiting(1).await;
            browser.answer("approve").await
        };
        let (polled, _) = tokio::join!(door.ask(waiting(&tool, &codes, 600)), answering);
        assert_eq!(
            polled.header("preference-applied"),
            Some("wait=25"),
            "{engine}: {polled:?}"
        );
        let tokens = Tokens::of(&polled);
        assert_eq!(
            door.call(&tokens.access, "echo_headers", serde_json::json!({}))
                .await
                .status,
            200
        );
        let late = door.ask(waiting(&tool, &codes, 600)).await;
        assert_eq!(late.error(), "invalid_grant", "nothing to wait for");
    }
}

/// The answer may be given at another replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_waits_here_has_the_answer_that_was_given_there() {
    let mut doors = Door::each(Plan::default()).await;
    if doors.len() < 2 {
        return;
    }
    let first = doors.pop().unwrap();
    let second = first.replica().await;
    let tool = Tool::register(&first).await;
    let codes = tool.ask(&first).await;
    let mut browser = first.browser();
    browser.sign_in("ana").await;
    browser.get("/device").await;
    type_in(&mut browser, &codes.user).await;
    let answering = async {
        second.until_waiting(1).await;
        browser.answer("approve").await
    };
    let polling = waiting(&tool, &codes, 20).to(second.address);
    let (polled, _) = tokio::join!(tokio::time::timeout(Duration::from_secs(15), polling), answering);
    assert!(!Tokens::of(&polled.unwrap()).access.is_empty());
}

/// Two hundred who wait are two hundred requests in 20 s or more, hold nothing of the database, and are answered when the server
/// stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_may_wait_and_others_are_served_meanwhile() {
    let plan = Plan {
        config: PROXIED.to_owned(),
        ..Plan::default()
    };
    for mut door in Door::each(plan).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let mut waits = JoinSet::new();
        for at in 0..200_u32 {
            let address = format!("10.{}.{}.1", at / 200, at % 200);
            let asking = tool.asking(&[]).with("x-forwarded-for", address.as_str());
            let codes = Codes::of(&door.ask(asking.with("x-forwarded-proto", "https")).await);
            let polling = waiting(&tool, &codes, 25)
                .with("x-forwarded-for", address)
                .with("x-forwarded-proto", "https");
            let to = door.address;
            waits.spawn(async move { polling.to(to).await });
        }
        door.until_waiting(200).await;
        let (_, tokens) = door.signed_in("ana").await;
        let called = door
            .call(&tokens.access, "echo_headers", serde_json::json!({}))
            .await;
        assert_eq!(called.status, 200, "{engine}");
        let stopped = tokio::time::timeout(Duration::from_secs(15), door.stop()).await;
        assert!(stopped.is_ok(), "{engine}: who waits holds up no stop");
        while let Some(reply) = waits.join_next().await {
            assert_eq!(reply.unwrap().error(), "authorization_pending", "{engine}");
        }
    }
}
