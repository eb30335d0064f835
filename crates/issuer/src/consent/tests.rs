//! Consent: DEC-13, CC-51, OS-35, MA-95.

use crate::authorize::Outcome;
use crate::consent::{Answer, Decided};
use crate::testing::*;
use audit::Person;
use people::SignedIn;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use testkit::databases;

async fn ask(house: &House, query: &str, browser: &SignedIn) -> model::TransactionId {
    match house.authorize(query, Some(browser)).await {
        Outcome::Ask(question) => question.transaction,
        other => panic!("{other:?}"),
    }
}

async fn decide(
    house: &House,
    id: model::TransactionId,
    answer: Answer,
    browser: &SignedIn,
) -> Option<String> {
    match house
        .server
        .decide(id, answer, browser, &Person::default())
        .await
        .unwrap()
    {
        Decided::Return(back) => Some(back.url),
        Decided::Gone => None,
    }
}

fn yes() -> Answer {
    Answer::Approve { server: None }
}

#[tokio::test]
async fn cc_51_loaded_twice_and_posted_twice() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.loopback_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let query = query(&client, "");
        let first = ask(&house, &query, &browser).await;
        assert_eq!(
            first,
            ask(&house, &query, &browser).await,
            "both copies of the page fit"
        );
        let all = (0..64)
            .map(|_| {
                let (house, browser) = (Arc::clone(&house), browser.clone());
                async move { decide(&house, first, yes(), &browser).await }
            })
            .collect();
        let mut answers = at_once(all).await;
        answers.dedup();
        assert_eq!(
            answers.len(),
            1,
            "{}: one code, however often it is posted",
            database.engine
        );
        assert!(param(answers[0].as_ref().unwrap(), "code").is_some());
        house.clock.advance(Duration::from_secs(59));
        assert_eq!(decide(&house, first, yes(), &browser).await, answers[0]);
        assert_eq!(
            decide(&house, first, Answer::Deny, &browser).await,
            answers[0],
            "decided is decided"
        );
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(decide(&house, first, yes(), &browser).await, None);
        assert_ne!(
            first,
            ask(&house, &query, &browser).await,
            "later it is a new question"
        );
    }
}

#[tokio::test]
async fn os_35_only_the_browser_that_was_asked_can_answer_and_not_for_ever() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let id = ask(&house, &query(&client, ""), &browser).await;
        let other = house.sign_in(house.ana, None).await;
        assert_eq!(
            decide(&house, id, yes(), &other).await,
            None,
            "another session of the same person"
        );
        assert_eq!(decide(&house, house.world.new_id(), yes(), &browser).await, None);
        house.clock.advance(Duration::from_mins(30));
        assert_eq!(decide(&house, id, yes(), &browser).await, None, "too late");
    }
}

#[tokio::test]
async fn a_no_and_a_choice_that_was_not_offered_give_no_code() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let id = ask(&house, &query(&client, "nonce=1"), &browser).await;
        let url = decide(&house, id, Answer::Deny, &browser).await.unwrap();
        assert_eq!(param(&url, "error").as_deref(), Some("access_denied"));

        let id = ask(&house, &query(&client, "resource=https://gw.test"), &browser).await;
        let answer = Answer::Approve {
            server: "ops".parse().ok(),
        };
        let url = decide(&house, id, answer, &browser).await.unwrap();
        assert_eq!(param(&url, "error").as_deref(), Some("invalid_request"));

        let id = ask(&house, &query(&client, "nonce=2"), &browser).await;
        house
            .store
            .remove_member(&"developers".parse().unwrap(), house.ana, house.world.now())
            .await
            .unwrap();
        let browser = SignedIn {
            account: Arc::new(house.store.account_view(house.ana).await.unwrap().unwrap()),
            ..browser
        };
        let url = decide(&house, id, yes(), &browser).await.unwrap();
        assert_eq!(
            param(&url, "error").as_deref(),
            Some("access_denied"),
            "what changed since the question counts"
        );
    }
}

/// DEC-13, MA-106, MA-135, MA-141, OS-42: which approvals are remembered.
#[tokio::test]
async fn dec_13_only_https_redirects_of_vouched_clients_are_remembered() {
    for database in databases().await {
        let house = house(&database).await;
        let browser = house.sign_in(house.ana, None).await;
        let document = "https://app.example/client.json";
        let body = |name: &str| {
            json!({"client_id": document, "client_name": name, "redirect_uris":
                ["https://app.example/cb", "https://elsewhere.example/cb", "http://localhost/cb"]})
        };
        house.web.put(document, &body("App"));
        let registered = house
            .register(json!({"redirect_uris": ["https://app.example/cb"]}))
            .await;
        let loopback = house.loopback_client().await;
        let asked_again = async |client: &str, redirect: &str, extra: &str| {
            let mut params = protocol::Params::parse(extra.as_bytes()).unwrap();
            params.push("redirect_uri", redirect);
            let query = query(client, &params.encode());
            if let Outcome::Ask(question) = house.authorize(&query, Some(&browser)).await {
                decide(&house, question.transaction, yes(), &browser)
                    .await
                    .unwrap();
            }
            house.clock.advance(Duration::from_mins(2));
            matches!(house.authorize(&query, Some(&browser)).await, Outcome::Ask(_))
        };
        assert!(
            !asked_again(document, "https://app.example/cb", "").await,
            "the document's host vouches"
        );
        assert!(asked_again(document, "https://app.example/cb", "prompt=consent").await);
        assert!(
            asked_again(document, "https://elsewhere.example/cb", "").await,
            "another host"
        );
        assert!(
            asked_again(document, "http://localhost:1/cb", "").await,
            "any local program can pose as it"
        );
        assert!(
            asked_again(&registered, "https://app.example/cb", "").await,
            "nobody vouches"
        );
        assert!(asked_again(&loopback, LOOPBACK, "").await);

        let again = query(document, "redirect_uri=https://app.example/cb");
        assert!(matches!(
            house.authorize(&again, Some(&browser)).await,
            Outcome::Return(_)
        ));
        let more = query(document, "redirect_uri=https://app.example/cb&scope=mcp%20email");
        assert!(
            matches!(house.authorize(&more, Some(&browser)).await, Outcome::Ask(_)),
            "more than was approved"
        );
        let other = query(
            document,
            "redirect_uri=https://app.example/cb&resource=https://gw.test/mcp/wiki",
        );
        assert!(
            matches!(house.authorize(&other, Some(&browser)).await, Outcome::Ask(_)),
            "another server"
        );
        let bob = house.world.new_id();
        house.add_person(bob, "bob", &["developers"]).await;
        let bobs = house.sign_in(bob, None).await;
        assert!(
            matches!(house.authorize(&again, Some(&bobs)).await, Outcome::Ask(_)),
            "another person"
        );
        // MA-95: the document changed.
        house.web.put(document, &body("Renamed"));
        house.clock.advance(Duration::from_hours(2));
        assert!(matches!(
            house.authorize(&again, Some(&browser)).await,
            Outcome::Ask(_)
        ));
        let silent = query(document, "redirect_uri=https://app.example/cb&prompt=none");
        let Outcome::Return(back) = house.authorize(&silent, Some(&browser)).await else {
            panic!()
        };
        assert_eq!(param(&back.url, "error").as_deref(), Some("consent_required"));
    }
}

#[tokio::test]
async fn os_142_nobody_is_asked_without_end() {
    let house = house(&databases().await[0]).await;
    let client = house.loopback_client().await;
    let browser = house.sign_in(house.ana, None).await;
    for n in 0..300 {
        ask(&house, &query(&client, &format!("state={n}")), &browser).await;
    }
    match house
        .authorize(&query(&client, "state=more"), Some(&browser))
        .await
    {
        Outcome::Return(back) => {
            assert_eq!(
                param(&back.url, "error").as_deref(),
                Some("temporarily_unavailable")
            );
        }
        other => panic!("{other:?}"),
    }
    house.clock.advance(Duration::from_mins(10));
    ask(&house, &query(&client, "state=later"), &browser).await;
}
