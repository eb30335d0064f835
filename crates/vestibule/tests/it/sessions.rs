//! "Where I am signed in": names that people give their sessions, and the operator's view of them.

use std::time::Duration;

use serde_json::Value;
use vestibule::operator::{Answer, Failure};

use crate::rig::{Ask, Browser, Door, Plan};

async fn listed(door: &Door, words: &[&str]) -> Vec<Value> {
    let answer = door.operate(words).await.unwrap();
    let answer = serde_json::to_value(&answer).unwrap();
    answer["list"]["rows"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .clone()
}

async fn names(door: &Door, user: &str) -> Vec<Option<String>> {
    let rows = listed(door, &["session", "list", "--user", user]).await;
    rows.iter()
        .map(|row| row["name"].as_str().map(str::to_owned))
        .collect()
}

async fn name(browser: &mut Browser<'_>, text: &str) {
    browser.get("/sessions").await;
    let form = browser.form("/sessions/name").set("name", text);
    let reply = browser.submit(&form).await;
    assert_eq!((reply.status, reply.location()), (303, "/sessions"), "{reply:?}");
    browser.get("/sessions").await;
}

/// A name is shown in place of what the browser says, stays with the browser, and is plain, short text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_the_name_that_its_owner_gives_it() {
    for door in Door::each(Plan::default()).await {
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/sessions").await;
        assert!(browser.page.contains("<h2>Linux <span"), "{}", browser.page);
        name(&mut browser, "  Laptop\u{202e} <b>at</b>\nwork ").await;
        assert!(
            browser
                .page
                .contains("<h2>Laptop &#60;b&#62;at&#60;/b&#62; work <span"),
            "{}",
            browser.page
        );
        assert!(browser.page.contains("Linux · 127.0.0.1"), "{}", browser.page);
        assert_eq!(
            names(&door, "ana").await,
            [Some("Laptop <b>at</b> work".to_owned())]
        );

        // It is of the browser, and of the person in it.
        browser.get("/").await;
        let out = browser.form("/sign-out");
        browser.submit(&out).await;
        door.advance(Duration::from_hours(48));
        browser.sign_in("ana").await;
        assert_eq!(
            names(&door, "ana").await,
            [Some("Laptop <b>at</b> work".to_owned())]
        );
        browser.get("/").await;
        let out = browser.form("/sign-out");
        browser.submit(&out).await;
        browser.sign_in("ben").await;
        assert_eq!(names(&door, "ben").await, [None]);

        name(&mut browser, &"長".repeat(100)).await;
        let [Some(long)] = &names(&door, "ben").await[..] else {
            panic!("one session")
        };
        assert_eq!(long.chars().count(), 60, "{long}");
        name(&mut browser, " \u{200b} ").await;
        assert_eq!(names(&door, "ben").await, [None], "nothing to be seen is no name");
        let page = Ask::get("/sessions").with("accept-language", "zh-TW");
        let page = browser.send(page).await;
        assert!(page.body.contains("您對它的稱呼"), "{}", page.body);
    }
}

/// OS-39: nobody names, or ends, what is not theirs, and no other site does it for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_names_the_session_of_somebody_else() {
    for door in Door::each(Plan::default()).await {
        let (mut anas, mut eves) = (door.browser(), door.browser());
        anas.sign_in("ana").await;
        eves.sign_in("eve").await;
        anas.get("/sessions").await;
        eves.get("/sessions").await;
        let own = anas.form("/sessions/name").set("name", "chosen elsewhere");
        let id = anas.form("/sessions/name").field("session").unwrap().to_owned();
        let theirs = eves
            .form("/sessions/name")
            .set("session", &id)
            .set("name", "mine now");
        assert_eq!(eves.submit(&theirs).await.status, 303);
        for session in ["", "x", "00000000-0000-0000-0000-000000000000"] {
            let wrong = theirs.clone().set("session", session);
            assert_eq!(eves.submit(&wrong).await.status, 303);
        }
        let bare = own.clone().set("token", "0");
        assert_eq!(anas.submit(&bare).await.status, 403);
        let fields: Vec<_> = own
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let foreign = Ask::form(&own.action, &fields)
            .with("origin", "https://evil.example")
            .with("sec-fetch-site", "cross-site");
        assert_eq!(anas.send(foreign).await.status, 403);
        assert_eq!(names(&door, "ana").await, [None]);
        assert_eq!(names(&door, "eve").await, [None]);
    }
}

/// An operator sees every session, and ends one; its browser is signed out on its next request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_lists_sessions_and_ends_one() {
    for door in Door::each(Plan::default()).await {
        let (mut anas, mut bens) = (door.browser(), door.browser());
        anas.sign_in("ana").await;
        door.advance(Duration::from_mins(2));
        bens.sign_in("ben").await;
        name(&mut bens, "Kiosk").await;
        let rows = listed(&door, &["session", "list"]).await;
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row["user"].as_str().unwrap(), row["name"].as_str()))
            .collect();
        assert_eq!(seen, [("ben", Some("Kiosk")), ("ana", None)]);
        let id = rows[0]["id"].as_str().unwrap();
        let ended = door.operate(&["session", "revoke", id]).await.unwrap();
        assert!(matches!(ended, Answer::Done { .. }), "{ended:?}");
        assert_eq!(bens.get("/sessions").await.status, 303, "signed out");
        assert_eq!(anas.get("/sessions").await.status, 200);
        let again = door.operate(&["session", "revoke", id]).await.unwrap_err();
        assert!(matches!(again, Failure::NotFound(_)), "{again:?}");
        let events = listed(&door, &["audit", "list", "--event", "signed_out"]).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(listed(&door, &["session", "list"]).await.len(), 1);
    }
}
