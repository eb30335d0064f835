//! People who came by the word of a service are asked about again where it has an address for that.

use std::time::Duration;

use serde_json::json;

use crate::directory_refresh::{is_refused, provided, refresh, sync};
use crate::directory_sign_in::{OPEN, sign_in, tokens};
use crate::rig::credential_service::CredentialService;
use crate::rig::{Door, Tokens};

const MINUTE: Duration = Duration::from_mins(1);

/// With an address for that, people are asked about whenever a program of theirs is given tokens, and when an operator wants it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_asked_again_about_people_it_knows() {
    let service = CredentialService::start().await;
    let rules = format!("{OPEN}\n{}\ngroup_prefix: 'corp:'", service.lookup());
    for door in Door::each(service.plan(&rules)).await {
        let engine = door.engine();
        service.person("dora", "4711", &["dev", "engineering"]);
        let app = door.app().await;
        let first = tokens(&door, &app, "dora").await;
        assert_eq!(
            provided(&door, "dora+corp").await,
            "corp:dev developers",
            "{engine}"
        );
        service.person("dora", "4711", &["engineering"]);
        door.advance(MINUTE);
        service.heard();
        let second = Tokens::of(&refresh(&app, &first).await);
        assert_eq!(provided(&door, "dora+corp").await, "developers", "{engine}");
        assert_eq!(
            service.heard(),
            [("/lookup".to_owned(), json!({ "subject": "4711" }))],
            "{engine}: and no password"
        );
        // Nobody is gone because of an answer that does not speak of them, and what was said holds for an hour.
        for answer in [
            (404, "<html>no such page</html>"),
            (404, r#"{"subject":"1"}"#),
            (401, "{}"),
            (500, ""),
        ] {
            service.says(Some(answer));
            door.advance(MINUTE);
            let rows = sync(&door, &["dora+corp"]).await;
            assert!(rows.is_err(), "{engine}: {answer:?}: {rows:?}");
            assert_eq!(
                provided(&door, "dora+corp").await,
                "developers",
                "{engine}: {answer:?}"
            );
        }
        let third = Tokens::of(&refresh(&app, &second).await);
        door.advance(60 * MINUTE);
        let reply = refresh(&app, &third).await;
        assert_eq!(reply.status, 503, "{engine}: {reply:?}");
        service.says(None);
        door.advance(MINUTE);
        let fourth = Tokens::of(&refresh(&app, &third).await);

        service.remove("dora");
        door.advance(MINUTE);
        assert!(is_refused(&refresh(&app, &fourth).await), "{engine}");
        assert_eq!(provided(&door, "dora+corp").await, "", "{engine}");
        let rows = sync(&door, &["dora+corp"]).await.unwrap();
        assert_eq!(rows[0]["outcome"], json!("gone"), "{engine}");
        service.person("dora", "4711", &["engineering"]);
        let rows = sync(&door, &[]).await.unwrap();
        assert_eq!(
            (&rows[0]["outcome"], &rows[0]["groups"]),
            (&json!("confirmed"), &json!(["developers"])),
            "{engine}"
        );
        assert_eq!(refresh(&app, &fourth).await.status, 200, "{engine}");
    }
}

/// Without one, a sign-in is good for `lifetime`, as at a provider that cannot be asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_cannot_be_asked_again_sends_people_to_sign_in_again() {
    let service = CredentialService::start().await;
    for door in Door::each(service.plan(OPEN)).await {
        let engine = door.engine();
        let app = door.app().await;
        let first = tokens(&door, &app, "dora").await;
        door.advance(11 * 60 * MINUTE);
        let second = Tokens::of(&refresh(&app, &first).await);
        assert!(
            sync(&door, &[]).await.unwrap().is_empty(),
            "{engine}: nothing to be asked"
        );
        door.advance(60 * MINUTE);
        let reply = refresh(&app, &second).await;
        assert!(
            is_refused(&reply) && reply.body.contains("too old"),
            "{engine}: {reply:?}"
        );
        sign_in(&door, "dora").await;
        assert_eq!(refresh(&app, &second).await.status, 200, "{engine}");
    }
}
