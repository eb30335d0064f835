//! OS-93, OS-94, OS-96, OS-98 on both engines.

use std::time::Duration;

use audit::Person;
use testkit::databases;

use super::Typed;
use crate::clients::Vouching;
use crate::testing::*;
use crate::{Outcome, Refused};

async fn type_code(house: &House, typed: &str, browser: &people::SignedIn) -> Typed {
    let address = "203.0.113.5".parse().unwrap();
    house
        .server
        .type_user_code(typed, browser, address, &Person::default())
        .await
        .unwrap()
}

/// CC-99.
#[tokio::test]
async fn os_96_the_person_is_shown_who_asks_from_where_when_and_with_which_code() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let asked_at = house.world.now();
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev&scope=mcp%20groups")
            .await
            .unwrap();
        house.clock.advance(Duration::from_secs(30));
        let browser = house.sign_in(house.ana, None).await;
        let typed = asked.user_code.to_lowercase().replace('-', " ");
        let Outcome::Ask(question) = house.device_outcome(&typed, &browser).await else {
            panic!("not asked")
        };
        let requester = question.requester.unwrap();
        assert_eq!(requester.user_code, asked.user_code);
        assert_eq!(requester.address, "198.51.100.7");
        assert_eq!(
            requester.user_agent, "tool/1.0 (build-7)",
            "nothing that turns text around"
        );
        assert_eq!(requester.asked_at, asked_at);
        assert!(!question.elsewhere);
        let scopes: Vec<_> = question.scopes.iter().map(|scope| scope.name.as_str()).collect();
        assert_eq!(scopes, ["mcp", "groups"]);
        assert_eq!(question.choices[0].title, "DEV");
    }
}

#[tokio::test]
async fn os_98_nobody_vouches_for_an_id_that_everybody_can_say() {
    for database in databases().await {
        let house = house(&database).await;
        let url = "https://vendor.test/client.json";
        house.web.put(
            url,
            &serde_json::json!({"client_id": url, "client_name": "Vendor", "redirect_uris": ["https://vendor.test/cb"],
                "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]}),
        );
        let browser = house.sign_in(house.ana, None).await;
        let query = query(url, "redirect_uri=https://vendor.test/cb");
        let Outcome::Ask(question) = house.authorize(&query, Some(&browser)).await else {
            panic!("not asked")
        };
        assert_eq!(question.face.vouching, Vouching::Host("vendor.test".to_owned()));
        let asked = house
            .ask_device(url, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let Outcome::Ask(question) = house.device_outcome(&asked.user_code, &browser).await else {
            panic!("not asked")
        };
        assert_eq!(question.face.vouching, Vouching::Nobody);
    }
}

#[tokio::test]
async fn os_94_the_sixth_wrong_code_is_not_looked_at() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        for typed in ["", "hello", "BCDF", "WDJB-MJHT-WDJB", "WDJB-MJH1", "'; --"] {
            let typed = type_code(&house, typed, &browser).await;
            assert!(matches!(typed, Typed::Wrong), "what is no code is no guess");
        }
        for _ in 0..5 {
            // A right one of one's own wipes out no wrong one.
            let right = type_code(&house, &asked.user_code, &browser).await;
            assert!(matches!(right, Typed::Found(_)), "{right:?}");
            let wrong = type_code(&house, "BBBB-BBBB", &browser).await;
            assert!(matches!(wrong, Typed::Wrong), "{wrong:?}");
        }
        let blocked = type_code(&house, &asked.user_code, &browser).await;
        assert!(matches!(blocked, Typed::Wait(_)), "{blocked:?}");
        let again = house.sign_in(house.ana, None).await;
        let blocked = type_code(&house, &asked.user_code, &again).await;
        assert!(matches!(blocked, Typed::Wait(_)), "whatever session it is");
        let bo = house.world.new_id();
        house.add_person(bo, "bo", &["developers"]).await;
        let other = house.sign_in(bo, None).await;
        let typed = type_code(&house, &asked.user_code, &other).await;
        assert!(
            matches!(typed, Typed::Found(_)),
            "OS-141: nobody else waits for it"
        );
        house.clock.advance(Duration::from_mins(15));
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let later = type_code(&house, &asked.user_code, &browser).await;
        assert!(matches!(later, Typed::Found(_)), "{later:?}");
    }
}

#[tokio::test]
async fn a_ticket_is_worth_something_to_whoever_typed_the_code() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let browser = house.sign_in(house.ana, None).await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/dev")
            .await
            .unwrap();
        let Typed::Found(ticket) = type_code(&house, &asked.user_code, &browser).await else {
            panic!("not found")
        };
        let bo = house.world.new_id();
        house.add_person(bo, "bo", &["developers"]).await;
        let other = house.sign_in(bo, None).await;
        let query = format!("device={ticket}");
        let refused = |outcome| matches!(outcome, Outcome::Refused(Refused::NoDevice));
        assert!(refused(house.authorize(&query, Some(&other)).await));
        assert!(refused(house.authorize("device=x", Some(&browser)).await));
        assert!(matches!(house.authorize(&query, None).await, Outcome::SignIn(_)));
        assert!(matches!(
            house.authorize(&query, Some(&browser)).await,
            Outcome::Ask(_)
        ));
        house.answer_device(&asked.user_code, &browser, true).await;
        assert!(
            refused(house.authorize(&query, Some(&browser)).await),
            "it is answered"
        );
    }
}

#[tokio::test]
async fn whoever_may_not_use_the_server_answers_nothing() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.device_client().await;
        let asked = house
            .ask_device(&client, "resource=https://gw.test/mcp/ops")
            .await
            .unwrap();
        let browser = house.sign_in(house.ana, None).await;
        let outcome = house.device_outcome(&asked.user_code, &browser).await;
        assert!(matches!(outcome, Outcome::NotAllowed(_)), "{outcome:?}");
        let error = house.poll(&client, &asked.device_code).await.unwrap_err();
        assert_eq!(oauth_code(&error), "authorization_pending");
    }
}
