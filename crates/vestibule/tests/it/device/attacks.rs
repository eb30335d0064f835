//! What somebody tries who wants another person's program, or another program's person.

use std::time::Duration;

use super::{Codes, Tool, answered, type_in};
use crate::rig::{Ask, Door, Plan, Reply, Tokens};

/// OS-94: who guesses is stopped after five, and nobody else with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_94_the_sixth_guess_is_not_looked_at() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut guesser = door.browser();
        guesser.sign_in("ben").await;
        guesser.get("/device").await;
        for _ in 0..5 {
            assert_eq!(type_in(&mut guesser, "ZZZZ-ZZZZ").await.status, 400, "{engine}");
        }
        let blocked = type_in(&mut guesser, &codes.user).await;
        assert_eq!(blocked.status, 429, "{engine}");
        assert_eq!(blocked.header("retry-after"), Some("900"));
        assert!(guesser.page.contains("Wait 15 minutes"), "{}", guesser.page);
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/device").await;
        assert_eq!(
            type_in(&mut ana, &codes.user).await.status,
            200,
            "{engine}: {}",
            ana.page
        );
    }
}

/// OS-39: neither a code nor an answer comes from another site, and opening a link looks at nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_39_another_site_neither_types_nor_answers() {
    for door in Door::each(Plan::default()).await {
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/device").await;
        let token = browser.form("/device").field("token").unwrap().to_owned();
        let foreign = Ask::form("/device", &[("user_code", &codes.user), ("token", &token)])
            .with("origin", "https://evil.test")
            .with("sec-fetch-site", "cross-site");
        assert_eq!(browser.send(foreign).await.status, 403);
        let tokenless = Ask::form("/device", &[("user_code", &codes.user)]);
        assert_eq!(browser.send(tokenless).await.status, 403);
        for _ in 0..8 {
            browser.get("/device?user_code=ZZZZ-ZZZZ").await;
        }
        browser.get("/device").await;
        assert_eq!(
            type_in(&mut browser, &codes.user).await.status,
            200,
            "links cost no guess"
        );
        for typed in [
            "/device?user_code=%3Cscript%3E",
            "/device?user_code=a&user_code=b",
            "/device?%ff",
        ] {
            let page = browser.get(typed).await;
            assert!(
                page.status == 200 && !page.body.contains("<script>"),
                "{typed}: {}",
                page.body
            );
        }
    }
}

/// A ticket of one person is of no use to another, whoever follows the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_for_whoever_typed_the_code() {
    for door in Door::each(Plan::default()).await {
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        ben.get("/device").await;
        let form = ben.form("/device").set("user_code", &codes.user);
        let ticket = ben.submit(&form).await.location().to_owned();
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        assert_eq!(ana.get(&ticket).await.status, 400);
        assert!(
            ana.page.contains("No program waits for this answer"),
            "{}",
            ana.page
        );
        assert!(ana.page.contains("href=\"/device\"") && ana.page.contains("no_device"));
        // Two have the question open: one answers it.
        ben.get(&ticket).await;
        ana.get("/device").await;
        type_in(&mut ana, &codes.user).await;
        assert_eq!(ana.answer("approve").await.status, 303);
        assert_eq!(ben.answer("approve").await.status, 400);
        assert!(ben.page.contains("no longer open"), "{}", ben.page);
        let tokens = Tokens::of(&tool.poll(&door, &codes).await);
        let account = door.account("ana").await.to_string();
        assert_eq!(crate::rig::app::claims(&tokens.access)["sub"], account);
    }
}

/// Nobody gets more by a device than by a browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_use_the_server_cannot_allow_it() {
    for mut door in Door::each(Plan::default()).await {
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        eve.get("/device").await;
        assert_eq!(type_in(&mut eve, &codes.user).await.status, 403, "{}", eve.page);
        assert!(
            !eve.page.contains("/device/done"),
            "the program waits for somebody who may"
        );
        // Who loses the right while the question stands, or before the program comes, gives nothing.
        for when in ["asked", "answered"] {
            let codes = tool.ask(&door).await;
            let mut ana = door.browser();
            ana.sign_in("ana").await;
            ana.get("/device").await;
            type_in(&mut ana, &codes.user).await;
            if when == "asked" {
                door.operate(&["group", "remove-member", "developers", "ana"])
                    .await
                    .unwrap();
                let end = ana.answer("approve").await;
                assert!(
                    end.location().ends_with("outcome=access_denied"),
                    "{}",
                    end.location()
                );
                assert_eq!(tool.poll(&door, &codes).await.error(), "access_denied");
            } else {
                ana.answer("approve").await;
                door.operate(&["group", "remove-member", "developers", "ana"])
                    .await
                    .unwrap();
                assert_eq!(tool.poll(&door, &codes).await.error(), "invalid_grant");
            }
            door.operate(&["group", "add-member", "developers", "ana"])
                .await
                .unwrap();
        }
        // The grant is turned off while the question stands.
        let codes = tool.ask(&door).await;
        let cookies = {
            let mut ana = door.browser();
            ana.sign_in("ana").await;
            ana.get("/device").await;
            type_in(&mut ana, &codes.user).await;
            (ana.cookies.clone(), ana.page.clone())
        };
        door.reconfigure(|text| format!("device_authorization: false\n{text}"))
            .await;
        let mut ana = door.browser();
        (ana.cookies, ana.page) = cookies;
        assert_eq!(ana.answer("approve").await.status, 400);
    }
}

/// OS-73, OS-95: what is shown to everybody is of no use at the token endpoint, and a code is its program's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_73_no_other_code_and_no_other_program() {
    for door in Door::each(Plan::default()).await {
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let as_code = |device: &str| Codes {
            device: device.to_owned(),
            ..codes.clone()
        };
        for other in [
            codes.user.as_str(),
            "vst_dc_x",
            "\u{0}",
            &codes.device.to_uppercase(),
        ] {
            assert_eq!(
                tool.poll(&door, &as_code(other)).await.error(),
                "invalid_grant",
                "{other}"
            );
        }
        let thief = Tool {
            id: door.app().await.id,
            ..tool.clone()
        };
        assert_eq!(thief.poll(&door, &codes).await.error(), "unauthorized_client");
        let twice: Reply = door
            .ask(
                Ask::form(
                    "/token",
                    &[
                        ("grant_type", protocol::metadata::grants::DEVICE_CODE),
                        ("device_code", &codes.device),
                        ("device_code", "another"),
                        ("client_id", &tool.id),
                    ],
                )
                .with("host", door.host()),
            )
            .await;
        assert_eq!(twice.error(), "invalid_request");
        // OS-141: who tries many is stopped.
        let mut stopped = 0;
        for at in 0..120 {
            let guess = door.world.new_token(model::TokenKind::Device);
            let reply = tool.poll(&door, &as_code(guess.expose())).await;
            stopped += u32::from(reply.status == 429);
            assert!(reply.status == 400 || at >= 90, "{at}: {reply:?}");
        }
        assert!(stopped > 0);
        door.advance(Duration::from_secs(5));
        assert_eq!(
            tool.poll(&door, &codes).await.error(),
            "authorization_pending",
            "its own code it may use"
        );
    }
}

/// Whoever was talked into allowing something, and ends the session, has ended that too, as long as nobody fetched it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_fetched_ends_with_its_session() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/device").await;
        assert_eq!(type_in(&mut ana, &codes.user).await.status, 200);
        answered(&mut ana, "approve").await;
        let sessions = door.operate(&["session", "list", "--user", "ana"]).await.unwrap();
        let vestibule::operator::Answer::List { rows, .. } = sessions else {
            panic!("{sessions:?}")
        };
        let id = rows[0]["id"].as_str().unwrap();
        door.operate(&["session", "revoke", id]).await.unwrap();
        let reply = tool.poll(&door, &codes).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "invalid_grant"),
            "{engine}: {reply:?}"
        );
    }
}

/// Whoever was talked into allowing something finds it among the apps, and takes it back before it is fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_fetched_yet_is_shown_and_can_be_taken_back() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/device").await;
        assert_eq!(type_in(&mut ana, &codes.user).await.status, 200);
        answered(&mut ana, "approve").await;
        ana.get("/apps").await;
        for shown in [
            "Allowed, waiting to be fetched",
            "Tool",
            "Test fixture",
            "Unverified program",
            "asks from 127.0.0.1",
            "tool/1.0 (build-7)",
            "Allowed 2026-11-20 12:00 UTC, can be fetched until 2026-11-20 12:15 UTC",
            "Take back what Tool was allowed on Test fixture",
        ] {
            assert!(ana.page.contains(shown), "{engine}: no {shown} in {}", ana.page);
        }
        let grant = ana.form("/apps/revoke").field("grant").unwrap().to_owned();
        // Neither another person nor another site takes it back.
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        ben.get("/apps").await;
        assert!(!ben.page.contains(&grant), "{}", ben.page);
        let token = ben.form("/sign-out").field("token").unwrap().to_owned();
        let theirs = Ask::form("/apps/revoke", &[("grant", &grant), ("token", &token)]);
        assert_eq!(ben.send(theirs).await.status, 303);
        let form = ana.form("/apps/revoke");
        let token = form.field("token").unwrap();
        let foreign = Ask::form("/apps/revoke", &[("grant", &grant), ("token", token)])
            .with("origin", "https://evil.test")
            .with("sec-fetch-site", "cross-site");
        assert_eq!(ana.send(foreign).await.status, 403);
        ana.get("/apps").await;
        assert!(ana.page.contains(&grant), "{engine}: {}", ana.page);

        assert_eq!(ana.submit(&form).await.location(), "/apps");
        assert_eq!(
            tool.poll(&door, &codes).await.error(),
            "access_denied",
            "{engine}"
        );
        ana.get("/apps").await;
        assert!(
            ana.page.contains("No program can act as you at this moment.")
                && !ana.page.contains("waiting to be fetched"),
            "{engine}: {}",
            ana.page
        );
        let taken = door.audit("approval_taken_back").await;
        assert_eq!(
            (taken.len(), &taken[0]["client"], &taken[0]["grant"]),
            (1, &tool.id.clone().into(), &grant.into()),
            "{engine}"
        );
        assert!(door.audit("tokens_issued").await.is_empty(), "{engine}");
    }
}

/// Who takes back what was fetched meanwhile ends what came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_fetched_before_it_was_taken_back_ends() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/device").await;
        type_in(&mut ana, &codes.user).await;
        answered(&mut ana, "approve").await;
        ana.get("/apps").await;
        let form = ana.form("/apps/revoke");
        let tokens = Tokens::of(&tool.poll(&door, &codes).await);
        let call = async || {
            door.call(&tokens.access, "echo_headers", serde_json::json!({}))
                .await
        };
        assert_eq!(call().await.status, 200, "{engine}");
        assert_eq!(ana.submit(&form).await.location(), "/apps");
        assert_eq!(call().await.status, 401, "{engine}");
        assert_eq!(door.audit("grant_ended").await.len(), 1, "{engine}");
        assert!(door.audit("approval_taken_back").await.is_empty(), "{engine}");
    }
}
