//! Client id metadata documents: DEC-9, CC-37 to CC-42, MA-80 to MA-90, MA-95, MA-96.

use crate::authorize::{Outcome, Refused};
use crate::documents::freshness;
use crate::testing::*;
use http::{HeaderMap, StatusCode, header};
use net::strangers::FetchError;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use testkit::databases;

const URL: &str = "https://app.example/client.json";
const REDIRECT: &str = "redirect_uri=https://app.example/cb";

fn document() -> serde_json::Value {
    json!({"client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example/cb"]})
}

#[test]
fn cc_39_freshness_is_clamped() {
    let with = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, value.parse().unwrap());
        freshness(&headers)
    };
    assert_eq!(with("public, max-age=600"), Duration::from_mins(10));
    assert_eq!(with("max-age=1"), super::SHORTEST);
    assert_eq!(with("max-age=99999999"), super::LONGEST);
    assert_eq!(with("no-store"), super::SHORTEST);
    assert_eq!(with("max-age=x"), super::USUAL);
    assert_eq!(freshness(&HeaderMap::new()), super::USUAL);
}

#[tokio::test]
async fn ma_80_fetched_only_for_somebody_who_is_signed_in_and_once_at_a_time() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        house.web.put(URL, &document());
        let query = query(URL, REDIRECT);
        assert!(matches!(house.authorize(&query, None).await, Outcome::SignIn(_)));
        assert_eq!(house.web.asked(), 0, "an anonymous caller causes no fetch");
        let browser = house.sign_in(house.ana, None).await;
        let all = (0..20)
            .map(|_| {
                let (house, browser, query) = (Arc::clone(&house), browser.clone(), query.clone());
                async move { matches!(house.authorize(&query, Some(&browser)).await, Outcome::Ask(_)) }
            })
            .collect();
        assert!(at_once(all).await.into_iter().all(|asked| asked));
        assert_eq!(house.web.asked(), 1, "one fetch for all");
        house.clock.advance(Duration::from_mins(59));
        house.authorize(&query, Some(&browser)).await;
        assert_eq!(house.web.asked(), 1, "kept");
        house.clock.advance(Duration::from_mins(1));
        house.authorize(&query, Some(&browser)).await;
        assert_eq!(house.web.asked(), 2, "looked at again");
    }
}

#[tokio::test]
async fn cc_39_cc_42_a_vendor_that_fails() {
    for database in databases().await {
        let house = house(&database).await;
        let browser = house.sign_in(house.ana, None).await;
        let query = query(URL, REDIRECT);
        let unverified = async || {
            matches!(
                house.authorize(&query, Some(&browser)).await,
                Outcome::Refused(Refused::Unverified { .. })
            )
        };
        house.web.fail(URL, FetchError::Status(StatusCode::FORBIDDEN));
        assert!(unverified().await);
        house.web.put(URL, &document());
        assert!(unverified().await, "the failure is remembered");
        house.clock.advance(Duration::from_secs(30));
        assert!(!unverified().await, "for half a minute");

        house.web.fail(URL, FetchError::TooSlow(Duration::from_secs(5)));
        house
            .clock
            .advance(Duration::from_hours(24 * 7) - Duration::from_secs(1));
        let browser = house.sign_in(house.ana, None).await;
        assert!(
            matches!(house.authorize(&query, Some(&browser)).await, Outcome::Ask(_)),
            "our copy serves for a week"
        );
        house.clock.advance(Duration::from_mins(1));
        let late = house.authorize(&query, Some(&browser)).await;
        assert!(
            matches!(late, Outcome::Refused(Refused::Unverified { .. })),
            "and no longer"
        );
        // MA-96: what was granted before needs no document.
    }
}

#[tokio::test]
async fn ma_96_cc_37_tokens_need_no_fetch() {
    for database in databases().await {
        let house = house(&database).await;
        house.web.put(URL, &document());
        let code = house.code(URL, REDIRECT).await;
        house.web.fail(URL, FetchError::Connect("app.example".into()));
        let asked = house.web.asked();
        let tokens = house.redeem(URL, &code).await.unwrap();
        house.clock.advance(Duration::from_hours(24 * 20));
        let presented = crate::client_authentication::Presented {
            client_id: Some(URL.to_owned()),
            ..Default::default()
        };
        assert!(
            house
                .server
                .authenticate_client(&presented, &audit::Person::default())
                .await
                .is_ok()
        );
        assert!(
            house
                .refresh(URL, tokens.refresh_token.as_ref().unwrap())
                .await
                .is_ok()
        );
        assert_eq!(house.web.asked(), asked);
    }
}

#[tokio::test]
async fn cc_41_a_shipped_document_serves_when_the_vendors_cannot_be_fetched() {
    for database in databases().await {
        let house = house(&database).await;
        let claude = "https://claude.ai/oauth/claude-code-client-metadata";
        house.web.fail(claude, FetchError::Status(StatusCode::FORBIDDEN));
        let browser = house.sign_in(house.ana, None).await;
        match house
            .authorize(
                &query(claude, "redirect_uri=http://localhost:54321/callback"),
                Some(&browser),
            )
            .await
        {
            Outcome::Ask(question) => {
                assert_eq!(question.face.name.as_deref(), Some("Claude Code"));
                assert_eq!(question.face.publisher.as_deref(), Some("Anthropic"));
                assert!(question.face.loopback_only);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn cc_41_a_document_that_the_vendor_draws_for_each_server_is_known_by_its_pattern() {
    let house = house(&databases().await[0]).await;
    let codex = "https://chatgpt.com/oauth/codex/BKj9umzr4ef_/client.json";
    house.web.fail(codex, FetchError::Status(StatusCode::FORBIDDEN));
    let browser = house.sign_in(house.ana, None).await;
    let ask = async |redirect: &str| {
        house
            .authorize(&query(codex, &format!("redirect_uri={redirect}")), Some(&browser))
            .await
    };
    match ask("http://127.0.0.1:51712/callback/BKj9umzr4ef_").await {
        Outcome::Ask(question) => assert_eq!(question.face.name.as_deref(), Some("Codex")),
        other => panic!("{other:?}"),
    }
    for other in [
        "http://127.0.0.1:51712/callback",
        "http://127.0.0.1:51712/callback/other",
    ] {
        let outcome = ask(other).await;
        assert!(matches!(outcome, Outcome::Refused(_)), "{other}: {outcome:?}");
    }
}

#[tokio::test]
async fn cc_45_an_address_of_the_persons_machine_that_a_vouched_document_forgot() {
    let house = house(&databases().await[0]).await;
    let opencode = "https://opencode.ai/oauth/opencode/client.json";
    let document = |id: &str| json!({"client_id": id, "client_name": "opencode", "redirect_uris": ["http://127.0.0.1/callback"]});
    house.web.put(opencode, &document(opencode));
    let browser = house.sign_in(house.ana, None).await;
    let redirect = "redirect_uri=http://127.0.0.1:19876/mcp/oauth/callback";
    let outcome = house.authorize(&query(opencode, redirect), Some(&browser)).await;
    assert!(matches!(outcome, Outcome::Ask(_)), "{outcome:?}");
    house.web.put(URL, &document(URL));
    let outcome = house.authorize(&query(URL, redirect), Some(&browser)).await;
    assert!(
        matches!(outcome, Outcome::Refused(_)),
        "of that program alone: {outcome:?}"
    );
}

#[tokio::test]
async fn a_document_that_is_not_the_clients_is_refused() {
    let house = house(&databases().await[0]).await;
    let browser = house.sign_in(house.ana, None).await;
    for (n, bad) in [
        json!({"client_id": format!("{URL}/"), "client_name": "App", "redirect_uris": ["https://app.example/cb"]}),
        json!({"client_id": URL, "redirect_uris": ["https://app.example/cb"]}),
        json!({"client_id": URL, "client_name": "App", "redirect_uris": []}),
        json!({"client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example/cb"], "client_secret": "x"}),
        json!([1]),
    ]
    .into_iter()
    .enumerate()
    {
        house.web.put(URL, &bad);
        house.clock.advance(Duration::from_secs(31));
        let outcome = house.authorize(&query(URL, REDIRECT), Some(&browser)).await;
        assert!(matches!(outcome, Outcome::Refused(Refused::Unverified { .. })), "{n}: {outcome:?}");
    }
}

#[tokio::test]
async fn fetches_are_limited_per_person() {
    let house = house(&databases().await[0]).await;
    let browser = house.sign_in(house.ana, None).await;
    for n in 0..40 {
        house
            .authorize(
                &query(&format!("https://app{n}.example/client.json"), ""),
                Some(&browser),
            )
            .await;
    }
    assert_eq!(house.web.asked(), 30);
}
