//! OS-56 to OS-59, OS-61, OS-62 on both engines.

use crate::testing::*;
use std::sync::Arc;
use std::time::Duration;
use testkit::databases;

/// DEC-4, MA-130, OS-119.
#[tokio::test]
async fn a_code_becomes_tokens_that_count() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let tokens = house
            .tokens(&client, "scope=mcp%20openid%20groups&nonce=n1")
            .await;
        assert_eq!((tokens.token_type, tokens.expires_in), ("Bearer", 3600));
        assert_eq!(tokens.scope, "mcp openid groups");
        assert!(is_refresh_token(tokens.refresh_token.as_ref().unwrap()));
        let access = house.server.verifier().verify(&tokens.access_token).unwrap();
        assert_eq!(access.audience, "https://gw.test/mcp/dev");
        assert_eq!(access.account, house.ana);
        let id_token = protocol::jwt::Compact::parse(tokens.id_token.as_ref().unwrap()).map(|token| {
            assert_eq!(
                (token.header.alg.as_str(), token.header.media_type().as_str()),
                ("RS256", "jwt")
            );
            keys::jws::claims::<serde_json::Value>(&token).unwrap()
        });
        let claims = id_token.unwrap();
        assert_eq!(claims["nonce"], "n1");
        assert_eq!(claims["groups"], serde_json::json!(["developers"]));
        assert_eq!(claims["aud"], client);
        assert!(claims.get("email").is_none(), "only what the scope says");
    }
}

#[tokio::test]
async fn os_57_sixty_four_at_once_redeem_a_code_once_and_the_replay_revokes() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.loopback_client().await;
        let code = house.code(&client, "").await;
        let all = (0..64)
            .map(|_| {
                let (house, client, code) = (Arc::clone(&house), client.clone(), code.clone());
                async move { house.redeem(&client, &code).await }
            })
            .collect();
        let answers = at_once(all).await;
        let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{}", database.engine);
        assert!(
            !house.counts(&won[0].access_token),
            "the replays killed what was issued"
        );
        let lost = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(lost.into_iter().all(|error| oauth_code(error) == "invalid_grant"));
    }
}

#[tokio::test]
async fn os_58_cc_60_a_failed_request_consumes_nothing_and_revokes_nothing() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let other = house
            .register(serde_json::json!({"redirect_uris": ["http://localhost/other"]}))
            .await;
        let code = house.code(&client, "").await;
        let wrong = "x".repeat(43);
        for (form, error) in [
            (format!("code={code}"), "invalid_request"),
            (format!("code={code}&code_verifier=short"), "invalid_grant"),
            (format!("code={code}&code_verifier={wrong}"), "invalid_grant"),
            (
                format!("code={code}&code_verifier={VERIFIER}&redirect_uri=http://localhost:7778/callback"),
                "invalid_grant",
            ),
            (
                format!("code={code}&code_verifier={VERIFIER}&resource=https://gw.test/mcp/ops"),
                "invalid_target",
            ),
            (
                format!("code={code}&code_verifier={VERIFIER}&resource=https://evil.test"),
                "invalid_target",
            ),
            (
                format!("code={}&code_verifier={VERIFIER}", &code[1..]),
                "invalid_grant",
            ),
            (format!("code_verifier={VERIFIER}"), "invalid_request"),
        ] {
            assert_eq!(
                oauth_code(&house.redeem_form(&client, &form).await.unwrap_err()),
                error,
                "{form}"
            );
        }
        assert_eq!(
            oauth_code(&house.redeem(&other, &code).await.unwrap_err()),
            "invalid_grant",
            "another client"
        );
        let good = format!(
            "code={code}&code_verifier={VERIFIER}&redirect_uri={LOOPBACK}&resource=https://GW.test/mcp/dev"
        );
        let tokens = house.redeem_form(&client, &good).await.unwrap();
        let replay_without_proof = format!("code={code}&code_verifier={wrong}");
        assert!(house.redeem_form(&client, &replay_without_proof).await.is_err());
        assert!(
            house.counts(&tokens.access_token),
            "somebody who has only the code cannot end the session"
        );
        assert!(house.redeem(&client, &code).await.is_err());
        assert!(!house.counts(&tokens.access_token), "the whole proof twice does");
    }
}

#[tokio::test]
async fn os_56_a_code_runs_out() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let code = house.code(&client, "").await;
        house.clock.advance(Duration::from_mins(5));
        assert_eq!(
            oauth_code(&house.redeem(&client, &code).await.unwrap_err()),
            "invalid_grant"
        );
    }
}

/// Class 7 of the known attacks, for this grant type.
#[tokio::test]
async fn everything_is_asked_again_at_redemption() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let now = house.world.now();
        let code = house.code(&client, "").await;
        house
            .store
            .remove_member(&"developers".parse().unwrap(), house.ana, now)
            .await
            .unwrap();
        assert_eq!(
            oauth_code(&house.redeem(&client, &code).await.unwrap_err()),
            "invalid_grant",
            "not allowed any more"
        );
        house
            .store
            .add_member(&"developers".parse().unwrap(), house.ana, now)
            .await
            .unwrap();
        assert!(
            house.redeem(&client, &code).await.is_ok(),
            "allowed again, and the code was not consumed"
        );

        let code = house.code(&client, "").await;
        house.store.disable_account(house.ana, now).await.unwrap();
        assert_eq!(
            oauth_code(&house.redeem(&client, &code).await.unwrap_err()),
            "invalid_grant",
            "disabled"
        );
    }
}

#[tokio::test]
async fn cc_63_no_refresh_token_for_a_client_that_registered_without() {
    for database in databases().await {
        let house = house(&database).await;
        let body = serde_json::json!({"redirect_uris": ["http://localhost/callback"], "grant_types": ["authorization_code"]});
        let client = house.register(body).await;
        assert!(house.tokens(&client, "").await.refresh_token.is_none());
    }
}

#[tokio::test]
async fn cc_84_a_newer_grant_replaces_an_older_one_which_ends_when_unused() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let older = house.tokens(&client, "").await;
        let newer = house.tokens(&client, "").await;
        assert!(
            house
                .refresh(&client, older.refresh_token.as_ref().unwrap())
                .await
                .is_ok(),
            "still usable"
        );
        house.clock.advance(Duration::from_hours(24 * 8));
        house
            .refresh(&client, newer.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        let swept = house
            .store
            .clean_up(&store::Retention::default(), house.world.now())
            .await
            .unwrap();
        assert!(
            swept
                .iter()
                .any(|swept| swept.table == "grants (ended)" && swept.rows == 1),
            "{swept:?}"
        );
        assert_eq!(
            house
                .store
                .grants_of(house.ana, house.world.now())
                .await
                .unwrap()
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn os_141_failed_redemptions_from_one_network_are_limited() {
    let house = house(&databases().await[0]).await;
    let id = house.loopback_client().await;
    let client = house.client(&id).await;
    let redeem = async |code: &str, address: &str| {
        let person = audit::Person {
            address: Some(address.parse().unwrap()),
            ..audit::Person::default()
        };
        let form = format!("code={code}&code_verifier={VERIFIER}");
        let form = protocol::Params::parse(form.as_bytes()).unwrap();
        let outcome = house.server.redeem_code(&client, &form, &person).await;
        outcome.map_err(|error| oauth_code(&error))
    };
    for _ in 0..100 {
        assert_eq!(redeem("x", "198.51.100.7").await.unwrap_err(), "invalid_grant");
    }
    assert_eq!(redeem("x", "198.51.100.8").await.unwrap_err(), "too many");
    assert_eq!(redeem("x", "203.0.113.1").await.unwrap_err(), "invalid_grant");
    let code = house.code(&id, "").await;
    assert!(
        redeem(&code, "198.51.100.7").await.is_ok(),
        "a good code always counts"
    );
}
