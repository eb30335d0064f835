//! More is demanded of people who sign in at a provider: what it is asked for, and what its word counts for (RFC 9470).

use serde_json::{Value, json};

use super::step_up::{MFA, STEP, consent};
use crate::rig::app::query_of;
use crate::rig::authenticator::code;
use crate::rig::provider::{self, Provider};
use crate::rig::{Door, Plan};

/// What the company's provider says of Ana.
pub(super) fn at_corp() -> Value {
    json!({
        "sub": "u-1", "preferred_username": "ana", "name": "Ana at Example", "email": "ana@example.com",
        "email_verified": true, "groups": ["dev"], "acr": "silver", "amr": ["pwd"],
    })
}

/// What a provider says of a sign-in counts for what the operator says, and it is asked for what is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_asked_for_more_and_believed_as_the_operator_says() {
    let provider = Provider::start().await;
    let rules = "accounts: create\ngroups: { dev: developers }\nassurance: { acr: { gold: two_factors }, amr: { hwk: passkey } }";
    for door in Door::each(provider.plan(rules)).await {
        let engine = door.engine();
        let app = door.app().await;
        let wanted = app.authorize(&[("acr_values", MFA)]);
        let mut browser = door.browser();
        let away = browser.leave(&wanted, "corp").await;
        assert_eq!(query_of(&away)["acr_values"], json!("gold"), "{engine}");
        let back = provider.approve(&door, &away, &at_corp());
        let next = browser.get(&back).await.location().to_owned();
        browser.get(&next).await;
        assert!(browser.page.contains("Prove it at"), "{engine}: {}", browser.page);
        let form = browser.form("/sign-in");
        let away = browser.submit(&form).await.location().to_owned();
        let asked = query_of(&away);
        assert_eq!(
            json!([asked["prompt"], asked["acr_values"]]),
            json!(["login", "gold"]),
            "{engine}"
        );
        for (name, said, class) in [("acr", json!("gold"), MFA), ("amr", json!(["hwk"]), "phr")] {
            let mut claims = at_corp();
            claims[name] = said;
            let mut browser = browser.clone();
            let away = browser.leave(&wanted, "corp").await;
            let back = provider.approve(&door, &away, &claims);
            let next = browser.get(&back).await.location().to_owned();
            browser.get(&next).await;
            let tokens = consent(&mut browser, &app).await;
            assert_eq!(tokens.claims()["acr"], class, "{engine}");
        }
        // A name of ours in the provider's mouth.
        let mut claims = at_corp();
        claims["acr"] = json!("phr");
        let mut sly = door.browser();
        let away = sly.leave(&app.authorize(&[]), "corp").await;
        let back = provider.approve(&door, &away, &claims);
        let next = sly.get(&back).await.location().to_owned();
        sly.get(&next).await;
        let tokens = consent(&mut sly, &app).await;
        assert!(tokens.claims()["acr"].is_null(), "{engine}");
    }
}

/// Whoever has a second factor proves it before anything of it is changed and before another one is set up: a provider's word is
/// one factor. Setting an app up proves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_factor_changes_nothing_of_who_has_two() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("accounts: create\ngroups: { dev: developers }")).await {
        let engine = door.engine();
        let mut owner = door.browser();
        owner.sign_in_at(&door, &provider, &at_corp()).await;
        let secret = owner.add_totp(&door).await;
        owner.get("/account").await;
        let form = owner.form("/account/recovery-codes");
        let reply = owner.submit(&form).await;
        assert_eq!(reply.status, 200, "{engine}: {}", owner.page);
        door.advance(STEP);

        let mut other = door.browser();
        other.sign_in_at(&door, &provider, &at_corp()).await;
        other.get("/account").await;
        let own = other.form("/account/recovery-codes");
        // On the way to a program it is judged anew, which comes to nothing without a request.
        for action in ["/enrol/totp", "/enrol/totp/code", "/enrol/passkey"] {
            let mut form = own.clone();
            form.action = action.to_owned();
            let reply = other.submit(&form).await;
            assert_eq!((reply.status, reply.location()), (303, "/"), "{engine} {action}");
        }
        for action in [
            "/account/recovery-codes",
            "/account/totp/begin",
            "/account/totp",
            "/account/passkeys/begin",
            "/account/passkeys",
            "/account/totp/remove",
        ] {
            let mut form = own.clone();
            form.action = action.to_owned();
            let reply = other.submit(&form).await;
            assert_eq!(reply.status, 403, "{engine} {action}: {}", other.page);
            assert!(
                other.page.contains("action=\"/sign-in/second"),
                "{engine} {action}: {}",
                other.page
            );
        }
        assert_eq!(
            door.audit("factor_changed").await.len(),
            2,
            "{engine}: what the owner set up"
        );

        // It is asked for there and then, and what was refused can be done.
        let reply = other.second("code", &code(&secret, &door)).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/account"),
            "{engine}: {}",
            other.page
        );
        other.get("/account").await;
        let form = other.form("/account/totp/remove");
        let reply = other.submit(&form).await;
        assert_eq!(reply.status, 303, "{engine}: {}", other.page);
        assert_eq!(
            door.audit("factor_changed").await[0]["change"],
            json!("removed"),
            "{engine}"
        );
    }
}

/// OpenID Connect Core section 3.1.2.1: how new a server demands a sign-in to be, the provider is asked for, and has to say; the
/// program's own demand holds beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_new_it_must_be_is_asked_of_the_provider() {
    let provider = Provider::start().await;
    let plan = Plan {
        server: "    require: { max_age: 1h }".to_owned(),
        ..provider.plan("accounts: create\ngroups: { dev: developers }")
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        let app = door.app().await;
        let now = door.world.now().as_seconds();
        for (own, asked) in [("", "3600"), ("300", "300"), ("7200", "3600")] {
            let mut browser = door.browser();
            let away = browser.leave(&app.authorize(&[("max_age", own)]), "corp").await;
            assert_eq!(query_of(&away)["max_age"], json!(asked), "{engine} {own}");
        }
        for (auth_time, status) in [
            (json!(null), 502),
            (json!(now - 7200), 502),
            (json!(now - 60), 303),
        ] {
            let mut browser = door.browser();
            let away = browser.leave(&app.authorize(&[]), "corp").await;
            let mut claims = at_corp();
            claims["auth_time"] = auth_time.clone();
            let back = provider.approve(&door, &away, &claims);
            let reply = browser.get(&back).await;
            assert_eq!(reply.status, status, "{engine} {auth_time}: {}", browser.page);
            if status == 303 {
                let next = reply.location().to_owned();
                browser.get(&next).await;
                let tokens = consent(&mut browser, &app).await;
                assert_eq!(tokens.claims()["auth_time"], auth_time, "{engine}");
            }
        }
    }
}

/// What is demanded of a group is asked of the provider once it is known who it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_groups_demand_is_asked_of_the_provider() {
    let provider = Provider::start().await;
    let rules = "accounts: create\ngroups: { dev: developers }\nassurance: { acr: { gold: two_factors } }";
    let section = provider.section("corp", rules);
    let required = "require: [{ groups: [developers], assurance: two_factors, max_age: 1h }]";
    let door = Door::with(provider::plan(&[section], required)).await;
    let wanted = door.app().await.authorize(&[]);
    let mut browser = door.browser();
    let away = browser.leave(&wanted, "corp").await;
    let asked = query_of(&away);
    assert_eq!(
        json!([asked["max_age"], asked["acr_values"]]),
        json!([null, null])
    );
    let back = provider.approve(&door, &away, &at_corp());
    let next = browser.get(&back).await.location().to_owned();
    browser.get(&next).await;
    assert!(browser.page.contains("Prove it at"), "{}", browser.page);
    let form = browser.form("/sign-in");
    let away = browser.submit(&form).await.location().to_owned();
    let asked = query_of(&away);
    assert_eq!(
        json!([asked["max_age"], asked["acr_values"]]),
        json!(["3600", "gold"])
    );
}
