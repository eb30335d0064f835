//! DEC-1 and DEC-2, on both engines. Persona P-refresh-storm.

use crate::issue::IssueError;
use crate::testing::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::EndReason;
use testkit::databases;

/// OS-66.
#[tokio::test]
async fn dec_1_twenty_parallel_refreshes_give_twenty_equal_answers() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.loopback_client().await;
        let first = house
            .tokens(&client, "scope=mcp%20openid")
            .await
            .refresh_token
            .unwrap();
        let all = (0..64)
            .map(|_| {
                let (house, client, first) = (Arc::clone(&house), client.clone(), first.clone());
                async move { house.refresh(&client, &first).await.unwrap() }
            })
            .collect();
        let answers = at_once(all).await;
        let distinct: BTreeSet<_> = answers.iter().map(|answer| format!("{answer:?}")).collect();
        assert_eq!(distinct.len(), 1, "{}", database.engine);
        let head = answers[0].refresh_token.clone().unwrap();
        assert!(house.counts(&answers[0].access_token));
        assert!(house.refresh(&client, &head).await.is_ok(), "the chain goes on");
    }
}

/// CC-65.
#[tokio::test]
async fn dec_1_a_lost_reply_is_delivered_again_for_a_day() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let first = house.tokens(&client, "").await.refresh_token.unwrap();
        let second = house.refresh(&client, &first).await.unwrap();
        house.clock.advance(Duration::from_hours(23));
        let again = house.refresh(&client, &first).await.unwrap();
        assert_eq!(again.refresh_token, second.refresh_token);
        assert_ne!(
            again.access_token, second.access_token,
            "the access token had run out and is minted anew"
        );
        assert!(house.counts(&again.access_token));
        house.clock.advance(Duration::from_hours(1));
        assert_eq!(
            oauth_code(&house.refresh(&client, &first).await.unwrap_err()),
            "invalid_grant"
        );
        let head = second.refresh_token.unwrap();
        assert_eq!(
            oauth_code(&house.refresh(&client, &head).await.unwrap_err()),
            "invalid_grant",
            "the grant has ended"
        );
        assert!(
            !house.counts(&again.access_token),
            "and its access tokens with it"
        );
    }
}

#[tokio::test]
async fn dec_1_within_the_overlap_a_late_token_leads_to_the_head() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let first = house.tokens(&client, "").await.refresh_token.unwrap();
        let second = house.refresh(&client, &first).await.unwrap();
        let third = house
            .refresh(&client, second.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        let fourth = house
            .refresh(&client, third.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        house.use_token(&fourth.access_token).await;
        house.clock.advance(Duration::from_mins(40));
        let late = house.refresh(&client, &first).await.unwrap();
        assert_eq!(
            late.refresh_token, fourth.refresh_token,
            "three generations late, and at the same head"
        );
        assert_eq!(late.access_token, fourth.access_token);
        assert_eq!(late.expires_in, 20 * 60);
        let again = house
            .refresh(&client, second.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        assert_eq!(again.refresh_token, fourth.refresh_token);
    }
}

/// MA-129, OS-65.
#[tokio::test]
async fn dec_1_after_the_overlap_the_chain_ends_and_only_it() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let other = house.tokens(&client, "").await;
        let first = house.tokens(&client, "").await;
        let second = house
            .refresh(&client, first.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        house.use_token(&second.access_token).await;
        house.clock.advance(Duration::from_mins(59));
        assert!(
            house
                .refresh(&client, first.refresh_token.as_ref().unwrap())
                .await
                .is_ok()
        );
        house.clock.advance(Duration::from_mins(1));
        let error = house
            .refresh(&client, first.refresh_token.as_ref().unwrap())
            .await
            .unwrap_err();
        assert_eq!(oauth_code(&error), "invalid_grant");
        let head = house
            .refresh(&client, second.refresh_token.as_ref().unwrap())
            .await
            .unwrap_err();
        assert_eq!(oauth_code(&head), "invalid_grant");
        // CC-66: another installation of the same client, same person.
        assert!(
            house
                .refresh(&client, other.refresh_token.as_ref().unwrap())
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn dec_1_the_use_of_an_access_token_counts_as_use_of_the_successor() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let first = house.tokens(&client, "").await.refresh_token.unwrap();
        let second = house.refresh(&client, &first).await.unwrap();
        house.clock.advance(Duration::from_mins(5));
        house.use_token(&second.access_token).await;
        house.clock.advance(Duration::from_mins(55));
        assert_eq!(
            oauth_code(&house.refresh(&client, &first).await.unwrap_err()),
            "invalid_grant"
        );
    }
}

#[tokio::test]
async fn cc_64_a_chain_survives_only_so_many_repeats() {
    for database in databases().await {
        let house = house(&database).await;
        let mut settings = settings();
        settings.refresh.repeats = 3;
        house
            .server
            .reconfigure(settings, crate::KnownClients::load(None).unwrap());
        let client = house.loopback_client().await;
        let first = house.tokens(&client, "").await.refresh_token.unwrap();
        let second = house.refresh(&client, &first).await.unwrap();
        house.use_token(&second.access_token).await;
        for _ in 0..3 {
            assert!(house.refresh(&client, &first).await.is_ok());
        }
        assert_eq!(
            oauth_code(&house.refresh(&client, &first).await.unwrap_err()),
            "invalid_grant"
        );
    }
}

#[tokio::test]
async fn os_63_another_clients_token_is_refused_and_nothing_changes() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let other = house
            .register(serde_json::json!({"redirect_uris": ["http://localhost/other"]}))
            .await;
        let first = house.tokens(&client, "").await.refresh_token.unwrap();
        assert_eq!(
            oauth_code(&house.refresh(&other, &first).await.unwrap_err()),
            "invalid_grant"
        );
        assert!(house.refresh(&client, &first).await.is_ok());
        for bad in ["", "nonsense", &first[..first.len() - 1], &format!("{first}x")] {
            assert!(
                matches!(house.refresh(&client, bad).await, Err(IssueError::Refused(_))),
                "{bad}"
            );
        }
    }
}

/// OS-67.
#[tokio::test]
async fn cc_67_scope_narrows_the_access_token_alone_and_resource_must_fit() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let first = house
            .tokens(&client, "scope=mcp%20openid%20email%20offline_access")
            .await;
        let token = first.refresh_token.unwrap();
        let elsewhere = format!("refresh_token={token}&resource=https://gw.test/mcp/ops");
        assert_eq!(
            oauth_code(&house.refresh_form(&client, &elsewhere).await.unwrap_err()),
            "invalid_target"
        );
        let form = format!("refresh_token={token}&scope=mcp%20admin&resource=https://gw.test/mcp/dev/");
        let narrowed = house.refresh_form(&client, &form).await.unwrap();
        assert_eq!(narrowed.scope, "mcp");
        assert!(narrowed.id_token.is_none());
        let wide = house
            .refresh(&client, narrowed.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        assert_eq!(
            wide.scope, "mcp openid email offline_access",
            "the chain keeps what was granted"
        );
        assert!(wide.id_token.is_some());
    }
}

#[tokio::test]
async fn os_68_a_chain_ends_by_idleness_and_by_age() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let idle = house.tokens(&client, "").await.refresh_token.unwrap();
        let mut busy = house.tokens(&client, "").await.refresh_token.unwrap();
        for _ in 0..7 {
            house.clock.advance(Duration::from_hours(24 * 25));
            busy = house
                .refresh(&client, &busy)
                .await
                .unwrap()
                .refresh_token
                .unwrap();
        }
        assert_eq!(
            oauth_code(&house.refresh(&client, &idle).await.unwrap_err()),
            "invalid_grant",
            "30 days idle"
        );
        house.clock.advance(Duration::from_hours(24 * 6));
        assert_eq!(
            oauth_code(&house.refresh(&client, &busy).await.unwrap_err()),
            "invalid_grant",
            "180 days in all"
        );
    }
}

/// Class 7 of the known attacks: a grant type that forgets a check. Each row is asked on every refresh.
#[tokio::test]
async fn everything_is_asked_again_at_each_refresh() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let refresh_after = async |what: &str| {
            let token = house.tokens(&client, "").await.refresh_token.unwrap();
            let now = house.world.now();
            let id: model::ClientId = client.parse().unwrap();
            match what {
                "group" => assert!(
                    house
                        .store
                        .remove_member(&"developers".parse().unwrap(), house.ana, now)
                        .await
                        .unwrap()
                ),
                "client" => assert!(house.store.set_client_disabled(&id, true, now).await.unwrap()),
                "account" => assert!(house.store.disable_account(house.ana, now).await.unwrap()),
                _ => unreachable!(),
            }
            let refused = house.refresh(&client, &token).await.unwrap_err();
            assert_eq!(oauth_code(&refused), "invalid_grant", "{what}");
            house.clock.advance(Duration::from_secs(1));
            match what {
                "group" => {
                    assert!(
                        house
                            .store
                            .add_member(&"developers".parse().unwrap(), house.ana, now)
                            .await
                            .unwrap()
                    );
                    assert!(
                        house.refresh(&client, &token).await.is_ok(),
                        "back in the group, the grant still stands"
                    );
                }
                "client" => {
                    assert!(house.store.set_client_disabled(&id, false, now).await.unwrap());
                    assert!(
                        house.refresh(&client, &token).await.is_err(),
                        "what ended stays ended"
                    );
                }
                _ => {
                    assert!(house.store.enable_account(house.ana, now).await.unwrap());
                    assert!(
                        house.refresh(&client, &token).await.is_err(),
                        "what ended stays ended"
                    );
                }
            }
        };
        for what in ["group", "client", "account"] {
            refresh_after(what).await;
        }
    }
}

#[tokio::test]
async fn a_refresh_and_a_revocation_at_the_same_moment_leave_nothing_alive() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.loopback_client().await;
        for _ in 0..8 {
            let tokens = house.tokens(&client, "").await;
            let access = house.server.verifier().verify(&tokens.access_token).unwrap();
            let token = tokens.refresh_token.unwrap();
            let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = Option<String>> + Send>>> = Vec::new();
            for at in 0..16 {
                let (house, client, token, grant) =
                    (Arc::clone(&house), client.clone(), token.clone(), access.grant);
                all.push(Box::pin(async move {
                    if at == 8 {
                        house
                            .store
                            .end_grant(grant, EndReason::Revoked, house.world.now())
                            .await
                            .unwrap();
                        return None;
                    }
                    house
                        .refresh(&client, &token)
                        .await
                        .ok()
                        .map(|tokens| tokens.access_token)
                }));
            }
            for access_token in at_once(all).await.into_iter().flatten() {
                assert!(!house.counts(&access_token), "{}", database.engine);
            }
        }
    }
}
