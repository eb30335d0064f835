//! OS-73 to OS-75, OS-92, OS-95, OS-97, OS-142 on both engines.

use std::sync::Arc;
use std::time::Duration;

use model::{OpaqueToken, TokenKind};
use serde_json::json;
use store::{Added, MostWaiting, NewDeviceAuthorization};
use testkit::databases;

use crate::device_authorization::POLL_EVERY;
use crate::testing::*;
use crate::{Decided, Outcome};

/// OS-7, OS-8, OS-92, OS-95, CC-99.
#[tokio::test]
async fn os_92_what_a_person_allows_a_program_without_a_browser_gets() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev&scope=mcp%20openid")
            .await
            .unwrap();
        assert!(OpaqueToken::parse(TokenKind::Device, &asked.device_code).is_ok());
        assert_eq!((asked.expires_in, asked.interval), (900, 5));
        assert_eq!(asked.verification_uri, "https://gw.test/device");
        assert_eq!(
            asked.verification_uri_complete,
            format!("https://gw.test/device?user_code={}", asked.user_code)
        );
        let pending = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&pending), "authorization_pending");
        let browser = house.sign_in(house.ana, None).await;
        let decided = house.answer_device(&asked.user_code, &browser, true).await;
        let Decided::Return(back) = decided else {
            panic!("{decided:?}")
        };
        assert_eq!(back.url, "https://gw.test/device/done?outcome=allowed");
        let tokens = house.poll(&client, &asked.device_code).await.unwrap();
        assert_eq!(tokens.scope, "mcp openid");
        assert!(is_refresh_token(tokens.refresh_token.as_ref().unwrap()));
        let access = house.server.verifier().verify(&tokens.access_token).unwrap();
        assert_eq!(access.audience, "https://gw.test/mcp/dev");
        assert_eq!(access.account, house.ana);
        let refreshed = house
            .refresh(&client, tokens.refresh_token.as_ref().unwrap())
            .await;
        assert!(house.counts(&refreshed.unwrap().access_token));
        let later = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&later), "invalid_grant", "OS-75: once");
        assert!(
            house.counts(&tokens.access_token),
            "and a late question ends nothing"
        );
    }
}

#[tokio::test]
async fn os_75_sixty_four_at_once_redeem_a_device_code_once() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let browser = house.sign_in(house.ana, None).await;
        house.answer_device(&asked.user_code, &browser, true).await;
        let all = (0..64)
            .map(|_| {
                let (house, client, code) = (Arc::clone(&house), client.clone(), asked.device_code.clone());
                async move { house.poll(&client, &code).await }
            })
            .collect();
        let answers = at_once(all).await;
        let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{}", database.engine);
        assert!(house.counts(&won[0].access_token));
        let lost = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(lost.into_iter().all(|error| oauth_code(error) == "invalid_grant"));
    }
}

/// Sixty-four programs fetch while the person takes it back: one token, or none if the person was told that it is taken back.
#[tokio::test]
async fn what_was_taken_back_is_never_fetched() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.device_client().await;
        let browser = house.sign_in(house.ana, None).await;
        for late in [0, 4, 16, 63] {
            let asked = house
                .ask_device(&client, "resource=https://gw.test/mcp/dev")
                .await
                .unwrap();
            house.answer_device(&asked.user_code, &browser, true).await;
            let grant = house.only_approval().await;
            let all = (0..64).map(|at| {
                let (house, client, code) = (Arc::clone(&house), client.clone(), asked.device_code.clone());
                async move {
                    if at == late {
                        let taken = house.take_back(grant, house.ana).await;
                        // Whoever comes after the word was given gets nothing.
                        let after = house.poll(&client, &code).await.map(drop);
                        return (Some((taken, oauth_code(&after.unwrap_err()))), None);
                    }
                    (None, Some(house.poll(&client, &code).await))
                }
            });
            let answers = at_once(all.collect()).await;
            let (taken, after) = answers.iter().find_map(|(taken, _)| *taken).unwrap();
            let polls: Vec<_> = answers.iter().filter_map(|(_, poll)| poll.as_ref()).collect();
            let won = polls.iter().filter(|poll| poll.is_ok()).count();
            assert_eq!(won, usize::from(!taken), "{} {late}", database.engine);
            let told = if taken { "access_denied" } else { "invalid_grant" };
            assert_eq!(after, told, "{} {late}", database.engine);
            for error in polls.iter().filter_map(|poll| poll.as_ref().err()) {
                assert_eq!(oauth_code(error), told, "{} {late}", database.engine);
            }
            assert!(!house.take_back(grant, house.ana).await, "and once only");
        }
    }
}

#[tokio::test]
async fn an_approval_is_taken_back_by_who_gave_it_while_it_can_be_fetched() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let approvals = async || {
            let now = house.world.now();
            house.store.approvals_of(house.ana, now).await.unwrap()
        };
        let ask = async || {
            house
                .ask_device(&client, "resource=https://gw.test/mcp/dev")
                .await
                .unwrap()
        };
        let (denied, allowed) = (ask().await, ask().await);
        house.answer_device(&denied.user_code, &browser, false).await;
        house.clock.advance(Duration::from_mins(1));
        house.answer_device(&allowed.user_code, &browser, true).await;
        let [approval] = &approvals().await[..] else {
            panic!("one was allowed")
        };
        assert_eq!(approval.client.as_str(), client);
        assert_eq!(approval.approved_at, house.world.now());
        assert_eq!(
            approval.expires_at.since(house.world.now()),
            Duration::from_mins(14)
        );
        assert!(
            !house.take_back(approval.grant, house.world.new_id()).await,
            "not by another"
        );
        assert!(house.take_back(approval.grant, house.ana).await);
        assert!(approvals().await.is_empty());
        for _ in 0..2 {
            let error = house.poll(&client, &allowed.device_code).await.unwrap_err();
            assert_eq!(oauth_code(&error), "access_denied");
        }
        // What ran out, was fetched, or went with its session is not to be taken back, nor shown.
        let late = ask().await;
        house.answer_device(&late.user_code, &browser, true).await;
        let grant = house.only_approval().await;
        house.clock.advance(Duration::from_mins(15));
        assert!(approvals().await.is_empty());
        assert!(!house.take_back(grant, house.ana).await);
        let error = house.poll(&client, &late.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&error), "expired_token");
        let fetched = ask().await;
        house.answer_device(&fetched.user_code, &browser, true).await;
        let grant = house.only_approval().await;
        let tokens = house.poll(&client, &fetched.device_code).await.unwrap();
        assert!(approvals().await.is_empty());
        assert!(!house.take_back(grant, house.ana).await);
        assert!(house.counts(&tokens.access_token));
        let left = ask().await;
        house.answer_device(&left.user_code, &browser, true).await;
        let (session, now) = (browser.session.id, house.world.now());
        assert!(house.store.end_session(session, house.ana, now).await.unwrap());
        assert!(approvals().await.is_empty());
    }
}

#[tokio::test]
async fn os_74_whoever_asks_too_soon_has_to_wait_longer_from_then_on() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let poll = async |seconds: u64| {
            house.clock.advance(Duration::from_secs(seconds));
            oauth_code(&house.poll(&client, &asked.device_code).await.unwrap_err())
        };
        assert_eq!(poll(0).await, "authorization_pending");
        assert_eq!(poll(5).await, "authorization_pending");
        assert_eq!(poll(4).await, "slow_down");
        assert_eq!(poll(9).await, "slow_down", "ten by now");
        assert_eq!(poll(14).await, "slow_down", "fifteen by now");
        assert_eq!(poll(20).await, "authorization_pending");
        assert_eq!(poll(20).await, "authorization_pending", "and no more than that");
        for _ in 0..20 {
            assert_eq!(poll(1).await, "slow_down");
        }
        assert_eq!(
            poll(60).await,
            "authorization_pending",
            "but a minute is enough for everybody"
        );
        for _ in 0..130 {
            house.poll(&client, &asked.device_code).await.unwrap_err();
        }
        let hammering = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&hammering), "too many", "OS-141");
    }
}

#[tokio::test]
async fn os_74_no_is_no_and_too_late_is_too_late() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let ask = async || {
            house
                .ask_device(&client, "resource=https://gw.test/mcp/dev")
                .await
                .unwrap()
        };
        let no = ask().await;
        let Decided::Return(back) = house.answer_device(&no.user_code, &browser, false).await else {
            panic!("gone")
        };
        assert!(
            back.url.ends_with("/device/done?outcome=access_denied"),
            "{}",
            back.url
        );
        for _ in 0..2 {
            let error = house.poll(&client, &no.device_code).await.unwrap_err();
            assert_eq!(oauth_code(&error), "access_denied");
        }
        let (unanswered, allowed, open) = (ask().await, ask().await, ask().await);
        house.answer_device(&allowed.user_code, &browser, true).await;
        let Outcome::Ask(question) = house.device_outcome(&open.user_code, &browser).await else {
            panic!("not asked")
        };
        house.clock.advance(Duration::from_mins(15));
        for late in [unanswered, allowed] {
            let error = house.poll(&client, &late.device_code).await.unwrap_err();
            assert_eq!(oauth_code(&error), "expired_token");
        }
        let answer = crate::consent::Answer::Approve { server: None };
        let person = audit::Person::default();
        let decided = house
            .server
            .decide(question.transaction, answer, &browser, &person)
            .await;
        assert!(
            matches!(decided, Ok(Decided::Gone)),
            "the question outlives what it is about"
        );
    }
}

/// OS-97.
#[tokio::test]
async fn os_73_a_device_code_is_of_the_program_that_asked_and_has_the_grant() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let other = house
            .register(json!({"client_name": "Other", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}))
            .await;
        let without = house.loopback_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let browser = house.sign_in(house.ana, None).await;
        house.answer_device(&asked.user_code, &browser, true).await;
        let poll = async |client: &str, code: &str| {
            oauth_code(&house.poll(client, code).await.map(drop).unwrap_err())
        };
        assert_eq!(poll(&other, &asked.device_code).await, "invalid_grant");
        assert_eq!(poll(&without, &asked.device_code).await, "unauthorized_client");
        assert_eq!(poll(&client, "").await, "invalid_request");
        assert_eq!(poll(&client, &asked.device_code[1..]).await, "invalid_grant");
        assert_eq!(poll(&client, &asked.user_code).await, "invalid_grant", "OS-95");
        let error = house.ask_device(&without, "").await.unwrap_err();
        assert_eq!(oauth_code(&error), "unauthorized_client");
        for (form, code) in [
            ("resource=https://gw.test/mcp/none", "invalid_target"),
            ("resource=https://evil.test", "invalid_target"),
            ("scope=mcp&scope=openid", "invalid_request"),
        ] {
            let error = house.ask_device(&client, form).await.unwrap_err();
            assert_eq!(oauth_code(&error), code, "{form}");
        }
        let tokens = house.poll(&client, &asked.device_code).await.unwrap();
        assert!(tokens.refresh_token.is_some(), "others used up nothing");
    }
}

#[tokio::test]
async fn what_is_turned_off_is_not_offered_and_not_honoured() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let browser = house.sign_in(house.ana, None).await;
        let off = crate::Settings {
            device: false,
            ..settings()
        };
        let known = crate::KnownClients::load(None).unwrap();
        house.server.reconfigure(off, known);
        let error = house.ask_device(&client, "").await.unwrap_err();
        assert_eq!(oauth_code(&error), "unsupported_grant_type");
        let error = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&error), "unsupported_grant_type");
        let address = "203.0.113.5".parse().unwrap();
        let person = audit::Person::default();
        let typed = house
            .server
            .type_user_code(&asked.user_code, &browser, address, &person)
            .await;
        assert!(matches!(typed, Ok(crate::authorize::Typed::Wrong)));
        let both = json!({"redirect_uris": ["http://localhost/cb"], "grant_types":
            ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]});
        let registered = house.register_whole(both).await.unwrap();
        assert_eq!(registered["grant_types"], json!(["authorization_code"]));
        let alone = json!({"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]});
        assert!(house.register_whole(alone).await.is_err());
    }
}

/// Class 7 of the known attacks: what ends a person or a program ends what they allowed.
#[tokio::test]
async fn an_answer_goes_with_who_gave_it_and_with_the_program() {
    for database in databases().await {
        let house = house(&database).await;
        let (now, browser) = (house.world.now(), house.sign_in(house.ana, None).await);
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        house.answer_device(&asked.user_code, &browser, true).await;
        assert!(house.store.disable_account(house.ana, now).await.unwrap());
        let error = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&error), "invalid_grant");
        assert!(house.store.enable_account(house.ana, now).await.unwrap());
        let error = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&error), "invalid_grant", "and it stays so");

        let browser = house.sign_in(house.ana, None).await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        house.answer_device(&asked.user_code, &browser, true).await;
        let id = client.parse().unwrap();
        assert!(house.store.set_client_disabled(&id, true, now).await.unwrap());
        assert!(house.poll(&client, &asked.device_code).await.is_err());
        assert!(house.store.set_client_disabled(&id, false, now).await.unwrap());
        let error = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&error), "invalid_grant");
    }
}

#[tokio::test]
async fn os_142_not_more_wait_than_one_network_needs() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let mut refused = None;
        for _ in 0..300 {
            if let Err(error) = house
                .ask_device(&client, "resource=https://gw.test/mcp/dev")
                .await
            {
                refused = Some(oauth_code(&error));
                break;
            }
            house.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(refused, Some("too many"));
    }
}

/// A client's id is no secret: whoever asks in its name from everywhere does not fill the table, and what was answered or has run
/// out makes room.
#[tokio::test]
async fn os_142_not_more_wait_than_one_client_needs_wherever_they_ask_from() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let other = house
            .register(json!({"client_name": "Other", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}))
            .await;
        let browser = house.sign_in(house.ana, None).await;
        let answered = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let most = MostWaiting {
            of_network: 2,
            of_client: 5,
        };
        let add = async |client: &str, network: usize| {
            let (now, token) = (house.world.now(), house.world.new_token(TokenKind::Device));
            let new = NewDeviceAuthorization {
                id: house.world.new_id(),
                digest: keys::digest_of(&token),
                user_digest: keys::sha256(token.expose().as_bytes()),
                client: client.parse().unwrap(),
                request: String::new(),
                address: String::new(),
                user_agent: String::new(),
                network: format!("2001:db8:{network}::/56"),
                expires_at: now + Duration::from_mins(15),
                poll_every: POLL_EVERY,
            };
            let added = house.store.add_device_authorization(&new, most, now).await;
            added.unwrap()
        };
        for network in 0..4 {
            assert_eq!(add(&client, network).await, Added::Kept, "{}", database.engine);
        }
        assert_eq!(add(&client, 4).await, Added::Full, "{}", database.engine);
        assert_eq!(add(&other, 4).await, Added::Kept, "another has its own");
        assert_eq!(add(&other, 4).await, Added::Kept);
        assert_eq!(add(&other, 4).await, Added::Full, "but one network is one");
        house.answer_device(&answered.user_code, &browser, false).await;
        assert_eq!(add(&client, 5).await, Added::Kept, "{}", database.engine);
        assert_eq!(add(&client, 6).await, Added::Full, "{}", database.engine);
        house.clock.advance(Duration::from_mins(15));
        assert_eq!(add(&client, 6).await, Added::Kept, "{}", database.engine);
    }
}

#[tokio::test]
async fn a_program_that_waits_is_answered_when_the_person_decides() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.device_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let waiting = {
            let (house, client, code) = (Arc::clone(&house), client.clone(), asked.device_code.clone());
            async move {
                house
                    .poll_for(&client, &code, Some(Duration::from_mins(10)))
                    .await
            }
        };
        let answering = async {
            while house.server.devices_waiting() == 0 {
                tokio::task::yield_now().await;
            }
            house.answer_device(&asked.user_code, &browser, true).await
        };
        let (polled, _) = tokio::join!(waiting, answering);
        assert!(polled.outcome.is_ok(), "{}: {polled:?}", database.engine);
        assert_eq!(
            polled.wait,
            Some(Duration::from_secs(25)),
            "and not for as long as it likes"
        );
        assert!(house.server.devices_waiting() == 0);
    }
}

/// The pause counts from the beginning of a question.
#[tokio::test]
async fn a_program_that_waited_may_ask_again_at_once() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let wait = Some(Duration::from_secs(20));
        // One that gave up and comes again takes the place of the one before.
        let first = house.poll_for(&client, &asked.device_code, wait);
        let then = async {
            while house.server.devices_waiting() == 0 {
                tokio::task::yield_now().await;
            }
            house.clock.advance(POLL_EVERY);
            let second = house.poll_for(&client, &asked.device_code, wait);
            let stop = async {
                tokio::task::yield_now().await;
                house.server.stop_waiting();
            };
            tokio::join!(second, stop).0
        };
        let (first, second) = tokio::join!(first, then);
        for polled in [first, second] {
            assert_eq!(oauth_code(&polled.outcome.unwrap_err()), "authorization_pending");
        }
        house.clock.advance(POLL_EVERY);
        let stopped = house.poll_for(&client, &asked.device_code, wait).await;
        assert_eq!(oauth_code(&stopped.outcome.unwrap_err()), "authorization_pending");
        assert_eq!(stopped.wait, None, "a server that stops lets nobody wait");
    }
}
