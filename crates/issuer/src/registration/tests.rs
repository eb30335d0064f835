//! RFC 7591 and 7592 as DEC-7 and CC-29 to CC-36 say.

use crate::registration::RegistrationError;
use crate::settings::Registration;
use crate::testing::*;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::databases;

/// MA-79.
#[tokio::test]
async fn cc_31_the_answer_is_complete_and_has_no_null() {
    let house = house(&databases().await[0]).await;
    let answer = house
        .register_whole(json!({"redirect_uris": ["http://localhost:9/cb", "javascript:x", "cursor://a/b"], "client_name": "X\u{202e}"}))
        .await
        .unwrap();
    assert_eq!(
        answer["redirect_uris"],
        json!(["http://localhost:9/cb", "cursor://a/b"]),
        "the client's own spelling"
    );
    assert_eq!(answer["token_endpoint_auth_method"], "none");
    assert_eq!(
        answer["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(answer["client_name"], "X");
    assert!(
        !answer.to_string().contains("null") && !answer.to_string().contains("\"\""),
        "{answer}"
    );
    assert!(answer.get("client_secret").is_none() && answer.get("registration_access_token").is_none());
    let id = answer["client_id"].as_str().unwrap();
    assert!(
        id.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "{id}"
    );
}

/// OS-106.
#[tokio::test]
async fn dec_7_the_same_public_registration_is_the_same_client() {
    for database in databases().await {
        let house = house(&database).await;
        let one = house
            .register(json!({"redirect_uris": ["http://localhost:1/cb", "cursor://a/b"], "client_name": "X"}))
            .await;
        let two = house
            .register(json!({"redirect_uris": ["cursor://a/b", "http://localhost:2/cb"], "client_name": "X"}))
            .await;
        assert_eq!(one, two, "order and loopback ports make no difference");
        for other in [
            json!({"redirect_uris": ["http://localhost:1/cb"], "client_name": "X"}),
            json!({"redirect_uris": ["http://localhost:1/cb", "cursor://a/b"], "client_name": "Y"}),
            json!({"redirect_uris": ["http://127.0.0.1:1/cb", "cursor://a/b"], "client_name": "X"}),
            json!({"redirect_uris": ["http://localhost:1/cb", "cursor://a/b"], "client_name": "X", "scope": "mcp"}),
        ] {
            assert_ne!(one, house.register(other.clone()).await, "{other}");
        }
        let at_once = at_once(
            (0..64)
                .map(|_| {
                    let server = std::sync::Arc::clone(&house.server);
                    async move {
                        let body = json!({"redirect_uris": ["http://localhost/new"]}).to_string();
                        let address = "203.0.113.5".parse().unwrap();
                        serde_json::to_value(
                            server
                                .register(body.as_bytes(), address, audit::Person::default())
                                .await
                                .unwrap(),
                        )
                        .unwrap()["client_id"]
                            .clone()
                    }
                })
                .collect(),
        )
        .await;
        assert!(at_once.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[tokio::test]
async fn cc_32_a_secret_only_when_asked_for_and_managed_by_its_owner() {
    for database in databases().await {
        let house = house(&database).await;
        let body = json!({"redirect_uris": ["https://n8n.example/cb"], "token_endpoint_auth_method": "client_secret_basic"});
        let one = house.register_whole(body.clone()).await.unwrap();
        let two = house.register_whole(body).await.unwrap();
        assert_ne!(
            one["client_id"], two["client_id"],
            "a confidential client is always its own"
        );
        assert_eq!(one["client_secret_expires_at"], 0);
        let (id, token) = (
            one["client_id"].as_str().unwrap(),
            one["registration_access_token"].as_str().unwrap(),
        );
        let secret = one["client_secret"].as_str().unwrap();

        let read = serde_json::to_value(house.server.registration(id, token).await.unwrap()).unwrap();
        assert_eq!(read["client_id"], one["client_id"]);
        assert!(read.get("client_secret").is_none(), "shown once");
        let theirs = two["registration_access_token"].as_str().unwrap();
        assert!(matches!(
            house.server.registration(id, theirs).await,
            Err(RegistrationError::NotYours)
        ));
        assert!(matches!(
            house.server.registration(id, "nonsense").await,
            Err(RegistrationError::NotYours)
        ));

        let update = async |extra: Value| {
            let mut body = json!({"client_id": id, "redirect_uris": ["https://n8n.example/new"],
                "token_endpoint_auth_method": "client_secret_basic"});
            body.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            house
                .server
                .update_registration(id, token, body.to_string().as_bytes())
                .await
        };
        for bad in [
            json!({"client_id": "other"}),
            json!({"registration_access_token": token}),
            json!({"client_id_issued_at": 1}),
            json!({"client_secret": "wrong"}),
            json!({"token_endpoint_auth_method": "none"}),
            json!({"redirect_uris": ["http://example.com"]}),
        ] {
            assert!(
                matches!(update(bad.clone()).await, Err(RegistrationError::Refused(_))),
                "{bad}"
            );
        }
        let updated = serde_json::to_value(update(json!({"client_secret": secret})).await.unwrap()).unwrap();
        assert_eq!(updated["redirect_uris"], json!(["https://n8n.example/new"]));
        house.server.delete_registration(id, token).await.unwrap();
        assert!(matches!(
            house.server.registration(id, token).await,
            Err(RegistrationError::NotYours)
        ));
    }
}

#[tokio::test]
async fn cc_30_cc_36_closed_and_limited() {
    let house = house(&databases().await[0]).await;
    for n in 0..120 {
        house
            .register(json!({"redirect_uris": [format!("http://localhost/{n}")]}))
            .await;
    }
    let again = house
        .register_whole(json!({"redirect_uris": ["http://localhost/0"]}))
        .await;
    assert!(again.is_ok(), "only new registrations count");
    let one_more = house
        .register_whole(json!({"redirect_uris": ["http://localhost/more"]}))
        .await;
    assert!(matches!(one_more, Err(RegistrationError::TooMany(_))));
    let mut exempt = settings();
    exempt.unlimited_registration = vec!["203.0.113.0/24".parse().unwrap()];
    let known = || crate::KnownClients::load(None).unwrap();
    house.server.reconfigure(exempt, known());
    let vendors = house
        .register_whole(json!({"redirect_uris": ["http://localhost/more"]}))
        .await;
    assert!(vendors.is_ok(), "a network that the operator exempts");
    house.clock.advance(Duration::from_mins(10));
    let mut closed = settings();
    closed.registration = Registration::Closed;
    house.server.reconfigure(closed, known());
    match house
        .register_whole(json!({"redirect_uris": ["http://localhost/0"]}))
        .await
    {
        Err(RegistrationError::Closed(error)) => {
            assert!(error.description.contains("the platform team"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// MA-94.
#[tokio::test]
async fn cc_48_an_operators_list_of_hosts_holds_at_registration_and_at_authorize() {
    let house = house(&databases().await[0]).await;
    let loopback = house.loopback_client().await;
    let mut listed = settings();
    listed.allowed_hosts = Some(vec!["good.example".to_owned()]);
    house
        .server
        .reconfigure(listed, crate::KnownClients::load(None).unwrap());
    let kept = house
        .register_whole(json!({"redirect_uris": ["https://good.example/cb", "https://bad.example/cb"]}))
        .await
        .unwrap();
    assert_eq!(kept["redirect_uris"], json!(["https://good.example/cb"]));
    match house
        .register_whole(json!({"redirect_uris": ["http://localhost/cb"]}))
        .await
    {
        Err(RegistrationError::Refused(error)) => {
            assert!(error.description.contains("the platform team"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let refused = house.authorize(&query(&loopback, ""), None).await;
    assert!(
        matches!(
            refused,
            crate::Outcome::Refused(crate::Refused::ClientNotAllowed { .. })
        ),
        "{refused:?}"
    );
}

/// MA-105.
#[tokio::test]
async fn cc_35_unused_registrations_expire_and_used_ones_never_do() {
    for database in databases().await {
        let house = house(&database).await;
        let unused = house
            .register(json!({"redirect_uris": ["http://localhost/unused"]}))
            .await;
        let used = house.loopback_client().await;
        house.tokens(&used, "").await;
        house.clock.advance(Duration::from_hours(24 * 400));
        for _ in 0..3 {
            house
                .store
                .clean_up(&store::Retention::default(), house.world.now())
                .await
                .unwrap();
        }
        assert!(
            house
                .store
                .client(&unused.parse().unwrap())
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            house
                .store
                .client(&used.parse().unwrap())
                .await
                .unwrap()
                .is_some()
        );
    }
}
