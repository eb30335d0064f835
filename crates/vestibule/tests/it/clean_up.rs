//! Item 18 of the main job: what has ended is deleted, from every table that grows.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::rig::app::claims;
use crate::rig::{App, Ask, Door, Plan, Tokens};

const DAY: Duration = Duration::from_hours(24);

/// OS-142: every table that grows with use gets a row, and loses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_that_grows_is_swept() {
    let (key, _) = keys::SigningKey::generate(keys::Algorithm::Es256).unwrap();
    let jwks = json!({ "keys": [key.public_jwk()] }).to_string();
    let plan = Plan {
        config: "clients:\n  robot: { name: Robot, redirect_uris: [\"https://robot.example/cb\"], jwks_file: jwks }".to_owned(),
        files: vec![("jwks", jwks)],
        ..Plan::default()
    };
    for door in Door::each(plan).await {
        let foundation = &door.running().house.foundation;
        let store = &foundation.store;
        door.operate(&["user", "add", "zoe"]).await.unwrap();
        let mut stranger = door.browser();
        stranger.get("/sign-in").await;
        stranger.fill_in("ana", "wrong").await;

        let app = door.app().await;
        let tokens = app.sign_in(&door, "ana").await;
        let next = Tokens::of(&app.refresh(&tokens.refresh).await);
        app.revoke(&next.access).await;
        let mut browser = door.browser();
        browser
            .authorize(&app.authorize(&[("state", "undecided")]), "ben")
            .await;
        let gone = App::register(
            &door,
            &json!({ "client_name": "Gone", "redirect_uris": ["http://localhost/gone"] }),
        )
        .await;
        gone.sign_in(&door, "ana").await;
        door.operate(&["client", "remove", &gone.id, "--yes"])
            .await
            .unwrap();
        App::register(
            &door,
            &json!({ "client_name": "Unused", "redirect_uris": ["http://localhost/unused"] }),
        )
        .await;
        let now = door.world.now();
        let assertion = json!({ "iss": "robot", "sub": "robot", "aud": door.url, "exp": now.as_seconds() + 60, "jti": "1" });
        let assertion = keys::jws::sign(&key, "JWT", &assertion).unwrap();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion", assertion.as_str()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
        ];
        assert_eq!(
            door.ask(Ask::form("/token", &form)).await.error(),
            "invalid_grant"
        );
        assert_eq!(
            door.ask(Ask::form("/token", &form)).await.error(),
            "invalid_client",
            "an assertion is good once"
        );
        door.operate(&["key", "rotate"]).await.unwrap();
        store
            .take_lease("work", uuid(&door), now + DAY, now)
            .await
            .unwrap();
        let listed = store::Listed {
            key: store::CatalogueKey {
                server: "fixture".parse().unwrap(),
                credential: store::CredentialClass::Shared,
                list: "resources/list".to_owned(),
                name: "x://y".to_owned(),
            },
            definition: "{}".to_owned(),
            fingerprint: [0; 32],
        };
        store.keep_listed(&[listed], now).await.unwrap();
        let token = [
            "token",
            "create",
            "--owner",
            "ana",
            "--server",
            "fixture",
            "--expires",
            "30d",
        ];
        door.operate(&token).await.unwrap();
        let used = store::OldTokenUses {
            server: "fixture".parse().unwrap(),
            account: door.account("ana").await,
            token: "ci".to_owned(),
            place: "10.0.0.1".to_owned(),
            user_agent: String::new(),
            first_at: now,
            last_at: now,
            uses: 2,
        };
        store
            .add_old_token_uses(std::slice::from_ref(&used))
            .await
            .unwrap();
        store.add_old_token_uses(&[used]).await.unwrap();
        assert_eq!(store.old_token_uses().await.unwrap()[0].uses, 4);
        let task = store::Task {
            server: "fixture".parse().unwrap(),
            digest: [7; 32],
            account: Some(door.account("ana").await),
            arguments: None,
            tool: None,
            created_at: now,
            expires_at: now + DAY,
        };
        store.bind_task(&task).await.unwrap();
        let sign_in = store::NewSignIn {
            state: [1; 32],
            browser: [2; 32],
            provider: "corp".to_owned(),
            kept: store::UnderWay {
                onward: "authorization".to_owned(),
                query: String::new(),
                session: None,
                max_age: None,
                begun_at: now,
            },
            expires_at: now + DAY,
        };
        store.begin_sign_in(&sign_in).await.unwrap();
        let ceremony = store::NewCeremony {
            id: [3; 32],
            browser: [4; 32],
            purpose: "passkey sign-in",
            kept: store::Ceremony {
                account: None,
                state: String::new(),
            },
            expires_at: now + DAY,
        };
        store.begin_ceremony(&ceremony).await.unwrap();
        let device = store::NewDeviceAuthorization {
            id: door.world.new_id(),
            digest: model::TokenDigest([5; 32]),
            user_digest: [6; 32],
            client: app.id.parse().unwrap(),
            request: String::new(),
            address: String::new(),
            user_agent: String::new(),
            network: String::new(),
            expires_at: now + DAY,
            poll_every: Duration::from_secs(5),
        };
        let most = store::MostWaiting {
            of_network: 1,
            of_client: 1,
        };
        let added = store.add_device_authorization(&device, most, now).await.unwrap();
        assert_eq!(added, store::Added::Kept);
        foundation.recorder.flush().await.unwrap();

        let retention = door.running().house.current.load().retention;
        let mut swept = BTreeSet::new();
        // Long enough for the slowest, in steps, because some rows go only after others have.
        for _ in 0..6 {
            door.advance(100 * DAY);
            for swept_now in store.clean_up(&retention, door.world.now()).await.unwrap() {
                swept.insert(swept_now.table);
            }
        }
        let growing = [
            "browsers",
            "catalogue",
            "ceremonies",
            "changes",
            "client_assertions",
            "clients",
            "codes",
            "consents",
            "device_authorizations",
            "grants",
            "grants (ended)",
            "guesses",
            "invitations",
            "leases",
            "old_token_uses",
            "refresh_tokens",
            "refresh_tokens (links)",
            "revoked_tokens",
            "sessions",
            "sign_ins",
            "service_tokens",
            "signing_keys",
            "tasks",
            "transactions",
        ];
        let missing: Vec<_> = growing.iter().filter(|table| !swept.contains(*table)).collect();
        assert!(missing.is_empty(), "{}: never swept: {missing:?}", door.engine());
        assert!(
            store
                .clean_up(&retention, door.world.now())
                .await
                .unwrap()
                .is_empty(),
            "and then there is nothing left"
        );
        // What people have is left alone.
        assert_eq!(store.accounts().await.unwrap().len(), 4);
        assert!(
            store.client(&app.id.parse().unwrap()).await.unwrap().is_some(),
            "CC-35: a client that was used stays"
        );
        assert_eq!(
            claims(&app.sign_in(&door, "ana").await.access)["aud"],
            door.endpoint()
        );
    }
}

fn uuid(door: &Door) -> uuid::Uuid {
    use model::id::Id as _;
    door.world.new_id::<model::EventId>().uuid()
}

/// CC-84: a grant that a newer one of the same person, program and place replaced ends when it is not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_grant_ends_when_it_is_not_used() {
    for door in Door::each(Plan::default()).await {
        let (app, first) = door.signed_in("ana").await;
        let second = app.sign_in(&door, "ana").await;
        door.advance(8 * DAY);
        let store = &door.running().house.foundation.store;
        let retention = door.running().house.current.load().retention;
        store.clean_up(&retention, door.world.now()).await.unwrap();
        assert_eq!(
            app.refresh(&first.refresh).await.error(),
            "invalid_grant",
            "{}",
            door.engine()
        );
        assert_eq!(
            app.refresh(&second.refresh).await.status,
            200,
            "{}",
            door.engine()
        );
    }
}
