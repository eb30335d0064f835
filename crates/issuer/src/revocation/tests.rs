//! RFC 7009 and RFC 7662: DEC-2, CC-80 to CC-83, OS-109 to OS-115.

use crate::testing::*;
use audit::Person;
use model::{OpaqueToken, TokenKind};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{ClientSource, NewClient, NewServiceToken};
use testkit::databases;

async fn revoke(house: &House, client: Option<&str>, token: &str) {
    let client = match client {
        Some(id) => Some(house.client(id).await),
        None => None,
    };
    house
        .server
        .revoke(token, client.as_ref(), &Person::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn dec_2_revoking_the_head_ends_the_grant_and_a_superseded_token_changes_nothing() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let first = house.tokens(&client, "").await;
        let second = house
            .refresh(&client, first.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        revoke(&house, Some(&client), first.refresh_token.as_ref().unwrap()).await;
        assert!(
            house.counts(&second.access_token),
            "CC-83: Claude Code revokes what it replaced"
        );
        revoke(&house, Some(&client), second.refresh_token.as_ref().unwrap()).await;
        assert!(!house.counts(&second.access_token) && !house.counts(&first.access_token));
        assert!(
            house
                .refresh(&client, second.refresh_token.as_ref().unwrap())
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn dec_2_revoking_an_access_token_ends_it_alone() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let first = house.tokens(&client, "").await;
        let second = house
            .refresh(&client, first.refresh_token.as_ref().unwrap())
            .await
            .unwrap();
        revoke(&house, Some(&client), &first.access_token).await;
        assert!(!house.counts(&first.access_token) && house.counts(&second.access_token));
        assert!(
            house
                .refresh(&client, second.refresh_token.as_ref().unwrap())
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn os_110_somebody_elses_token_survives() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let other = house
            .register(json!({"redirect_uris": ["http://localhost/other"]}))
            .await;
        let tokens = house.tokens(&client, "").await;
        for token in [
            tokens.refresh_token.as_ref().unwrap(),
            &tokens.access_token,
            "nonsense",
            "",
        ] {
            revoke(&house, Some(&other), token).await;
        }
        assert!(house.counts(&tokens.access_token));
        // CC-80: a public client need not name itself.
        revoke(&house, None, tokens.refresh_token.as_ref().unwrap()).await;
        assert!(!house.counts(&tokens.access_token));
    }
}

/// CC-80: whoever holds a service token may end it, and what is none of them is answered in the same way.
#[tokio::test]
async fn whoever_holds_a_service_token_may_end_it() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let make = async |expires_at| {
            let (token, now) = (house.world.new_token(TokenKind::Service), house.world.now());
            let record = NewServiceToken {
                id: house.world.new_id(),
                digest: keys::digest_of(&token),
                account: house.ana,
                name: String::new(),
                servers: vec!["dev".parse().unwrap()],
                scopes: protocol::Scopes::default(),
                created_by: "test".to_owned(),
                expires_at,
            };
            assert!(house.store.add_service_token(&record, now).await.unwrap());
            (token, record.id)
        };
        let revoked_at = async |id| house.store.service_token(id).await.unwrap().unwrap().revoked_at;
        let later = house.world.now() + Duration::from_hours(1);
        let (mine, named, other, short) = (
            make(later).await,
            make(later).await,
            make(later).await,
            make(house.world.now() + Duration::from_mins(1)).await,
        );
        let unknown = OpaqueToken::from_random(TokenKind::Service, &[9; 32]);
        revoke(&house, None, mine.0.expose()).await;
        revoke(&house, Some(&client), named.0.expose()).await;
        revoke(&house, None, unknown.expose()).await;
        // Something near to it is nothing of it.
        revoke(&house, None, &other.0.expose()[..65]).await;
        revoke(&house, None, &format!(" {}", other.0.expose())).await;
        let at = Some(house.world.now());
        assert_eq!((revoked_at(mine.1).await, revoked_at(named.1).await), (at, at));
        assert_eq!(revoked_at(other.1).await, None);
        // Neither what has ended nor what has run out ends again.
        house.clock.advance(Duration::from_mins(2));
        revoke(&house, None, mine.0.expose()).await;
        revoke(&house, None, short.0.expose()).await;
        assert_eq!((revoked_at(mine.1).await, revoked_at(short.1).await), (at, None));
    }
}

#[tokio::test]
async fn sixty_four_revocations_at_once_end_a_grant_once() {
    for database in databases().await {
        let house = Arc::new(house(&database).await);
        let client = house.loopback_client().await;
        let tokens = house.tokens(&client, "").await;
        let grant = house
            .server
            .verifier()
            .verify(&tokens.access_token)
            .unwrap()
            .grant;
        let all = (0..64)
            .map(|_| {
                let house = Arc::clone(&house);
                async move {
                    house
                        .store
                        .end_grant(grant, store::EndReason::Revoked, house.world.now())
                        .await
                        .unwrap()
                }
            })
            .collect();
        assert_eq!(
            at_once(all).await.into_iter().filter(|ended| *ended).count(),
            1,
            "{}",
            database.engine
        );
        assert!(!house.counts(&tokens.access_token));
    }
}

/// CC-82: what was taken back counts before whoever took it back has their answer, and after a restart.
#[tokio::test]
async fn cc_82_everything_that_was_taken_back_is_known_after_a_restart() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let other = house
            .register(json!({"redirect_uris": ["http://localhost/callback"], "client_name": "Other"}))
            .await;
        let (grant, token, by_client) = (
            house.tokens(&client, "").await,
            house.tokens(&client, "").await,
            house.tokens(&other, "").await,
        );
        let now = house.world.now();
        let ended = house.server.verifier().verify(&grant.access_token).unwrap();
        house
            .store
            .end_grant(ended.grant, store::EndReason::Revoked, now)
            .await
            .unwrap();
        revoke(&house, Some(&client), &token.access_token).await;
        house
            .store
            .set_client_disabled(&other.parse().unwrap(), true, now)
            .await
            .unwrap();
        let standing = crate::Standing::load(house.world.clone(), &house.store)
            .await
            .unwrap();
        for tokens in [grant, token, by_client] {
            assert!(!house.counts(&tokens.access_token));
            let access = house.server.verifier().read(&tokens.access_token).unwrap();
            assert!(!standing.stands(access.grant, access.token, &access.client));
        }
        assert_eq!(
            standing.sweep(),
            4,
            "the client, its grant, the other grant, the token"
        );
        house.clock.advance(Duration::from_hours(49));
        assert_eq!(
            standing.sweep(),
            0,
            "forgotten when no token can be touched by it any more"
        );
    }
}

#[tokio::test]
async fn os_114_introspection_is_for_listed_clients_about_their_own_server() {
    for database in databases().await {
        let house = house(&database).await;
        let public = house.loopback_client().await;
        let tokens = house.tokens(&public, "").await;
        let metadata = house.client(&public).await.metadata;
        for id in ["introspector", "stranger"] {
            let metadata = protocol::ClientMetadata {
                auth_method: protocol::AuthMethod::ClientSecretBasic,
                ..metadata.clone()
            };
            let client = NewClient {
                id: id.parse().unwrap(),
                source: ClientSource::Command,
                metadata,
                registration: None,
                secrets: vec![],
            };
            house.store.add_client(&client, house.world.now()).await.unwrap();
        }
        let introspect = async |client: &str, token: &str| -> Value {
            let client = house.client(client).await;
            serde_json::to_value(house.server.introspect(&client, token).await.unwrap()).unwrap()
        };
        assert!(house.server.may_introspect(&house.client("introspector").await));
        assert!(!house.server.may_introspect(&house.client("stranger").await));
        assert!(!house.server.may_introspect(&house.client(&public).await));
        let active = introspect("introspector", &tokens.access_token).await;
        assert_eq!(
            (&active["active"], &active["username"], &active["aud"]),
            (&json!(true), &json!("ana"), &json!("https://gw.test/mcp/dev"))
        );
        let inactive = json!({"active": false});
        assert_eq!(introspect("stranger", &tokens.access_token).await, inactive);
        assert_eq!(
            introspect("introspector", tokens.refresh_token.as_ref().unwrap()).await,
            inactive
        );
        assert_eq!(introspect("introspector", "nonsense").await, inactive);
        house
            .store
            .remove_member(&"developers".parse().unwrap(), house.ana, house.world.now())
            .await
            .unwrap();
        assert_eq!(
            introspect("introspector", &tokens.access_token).await,
            inactive,
            "not allowed any more"
        );
        house
            .store
            .add_member(&"developers".parse().unwrap(), house.ana, house.world.now())
            .await
            .unwrap();
        house
            .store
            .disable_account(house.ana, house.world.now())
            .await
            .unwrap();
        assert_eq!(
            introspect("introspector", &tokens.access_token).await,
            inactive,
            "disabled"
        );
        house.clock.advance(Duration::from_secs(1));
        house
            .store
            .enable_account(house.ana, house.world.now())
            .await
            .unwrap();
        assert_eq!(
            introspect("introspector", &tokens.access_token).await,
            inactive,
            "what ended stays ended"
        );
    }
}
