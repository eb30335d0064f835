//! What ready-made providers do otherwise than plain OpenID Connect.

use serde_json::{Value, json};

use super::{ana, ana_with};
use crate::rig::provider::Provider;
use crate::rig::{Door, app};

/// Google: the hosted domain is asked for, and is a claim of whoever is back; a hint alone keeps nobody out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_from_outside_the_hosted_domain() {
    let provider = Provider::start().await;
    let rules =
        "accounts: create\nhosted_domain: example.com\nauthorization_parameters: { access_type: offline }";
    for door in Door::each(provider.plan(rules)).await {
        let engine = door.engine();
        let mut browser = door.browser();
        let away = browser.leave("/sign-in", "corp").await;
        let asked = app::query_of(&away);
        assert_eq!(
            (&asked["hd"], &asked["access_type"]),
            (&json!("example.com"), &json!("offline")),
            "{engine}"
        );
        for hd in [
            Value::Null,
            json!("evil.test"),
            json!("example.com.evil.test"),
            json!(["example.com"]),
        ] {
            let mut browser = door.browser();
            let reply = browser
                .sign_in_at(&door, &provider, &ana_with("hd", hd.clone()))
                .await;
            assert_eq!(reply.status, 403, "{engine}: {hd}: {}", browser.page);
            assert!(
                browser.page.contains("company_refused"),
                "{engine}: {}",
                browser.page
            );
        }
        let mut browser = door.browser();
        let reply = browser
            .sign_in_at(&door, &provider, &ana_with("hd", json!("Example.com")))
            .await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
    }
}

/// Where everybody on the internet has an account, nobody gets one here without a word on who comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_lets_in_the_whole_internet_by_mistake() {
    let provider = Provider::start().await;
    let mut door = Door::with(provider.plan("accounts: create")).await;
    for public in [
        "https://github.com",
        "https://accounts.google.com",
        "https://gitlab.com",
    ] {
        let error = door
            .try_reconfigure(|text| text.replace(&provider.url, public))
            .await
            .unwrap_err();
        assert!(error.contains("everybody on the internet"), "{error}");
        assert!(error.contains("require_groups"), "{error}");
    }
}

/// Entra ID: with too many groups there are none in the token, which is said, and takes nothing away; and an address that
/// it says nothing of is not verified, whatever else it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_that_are_left_out_are_not_taken_for_none() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(super::OPEN)).await;
    assert_eq!(
        door.browser().sign_in_at(&door, &provider, &ana()).await.status,
        303
    );
    let mut many = ana_with("groups", Value::Null);
    many["_claim_names"] = json!({ "groups": "src1" });
    many["_claim_sources"] = json!({ "src1": { "endpoint": "https://graph.example/me/getMemberObjects" } });
    let mut browser = door.browser();
    let reply = browser.sign_in_at(&door, &provider, &many).await;
    assert_eq!(reply.status, 502, "{}", browser.page);
    assert!(browser.page.contains("_claim_names"), "{}", browser.page);
    let store = &door.running().house.foundation.store;
    let kept = store
        .provided_groups(door.account("ana+corp").await)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);

    // Where nobody asks for groups it does not matter.
    let door = Door::with(provider.plan("accounts: create\ndomains: [example.com]")).await;
    assert_eq!(
        door.browser().sign_in_at(&door, &provider, &many).await.status,
        303
    );
    let mut unproved = ana_with("email_verified", Value::Null);
    unproved["sub"] = json!("u-2");
    for edov in [json!(true), json!(1), json!("1")] {
        unproved["xms_edov"] = edov;
        let reply = door.browser().sign_in_at(&door, &provider, &unproved).await;
        assert_eq!(reply.status, 403);
    }
}
