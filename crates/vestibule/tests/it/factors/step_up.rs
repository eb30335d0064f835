//! More is demanded than was proved: by a server, by groups, by a program; and what people are led through then (RFC 9470).

use std::time::Duration;

use serde_json::json;

use super::step_up_providers::at_corp;
use super::{is_in, named};
use crate::rig::app::{code_of, query_of};
use crate::rig::authenticator::{Device, code};
use crate::rig::foreign::ForeignIssuer;
use crate::rig::provider::Provider;
use crate::rig::{App, Browser, Door, PASSWORD, Plan, Reply, Tokens, door};

pub(super) const STEP: Duration = Duration::from_secs(30);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const MFA: &str = "https://refeds.org/profile/mfa";
pub(super) const REQUIRED: &str = "    require: { assurance: two_factors, max_age: 1h }";

pub(super) async fn call(door: &Door, token: &str) -> Reply {
    let ask = door::call("fixture", "echo_headers", json!({})).bearer(token);
    door.ask(ask.with("host", door.host())).await
}

pub(super) fn challenge(reply: &Reply) -> &str {
    reply.headers["www-authenticate"].to_str().unwrap()
}

/// Sets up an app on the page that asks for a second factor; gives its secret.
pub(crate) async fn enrol_totp(browser: &mut Browser<'_>, door: &Door) -> String {
    let form = browser.form("/enrol/totp");
    browser.submit(&form).await;
    let secret = browser.page.split("<code>").nth(1).unwrap();
    let secret = secret.split("</code>").next().unwrap().to_owned();
    let form = browser.form("/enrol/totp/code").set("code", "000000");
    assert_eq!(browser.submit(&form).await.status, 400, "{}", browser.page);
    let form = browser.form("/enrol/totp/code").set("code", &code(&secret, door));
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    let next = reply.location().to_owned();
    assert!(next.starts_with("/authorize?"), "{next}");
    browser.get(&next).await;
    secret
}

/// From the consent page to tokens.
pub(super) async fn consent(browser: &mut Browser<'_>, app: &App) -> Tokens {
    let back = browser.answer("approve").await.location().to_owned();
    Tokens::of(&app.redeem(&code_of(&back)).await)
}

/// RFC 9470 sections 3 to 5: a call with a token that is too weak or too old goes no further and says what is needed; refreshing
/// does not help and says so; and the next authorization leads through what is missing, to a token that is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_requires_more_gets_it() {
    for mut door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let app = door.app().await;
        let weak = app.sign_in(&door, "ana").await;
        assert_eq!(call(&door, &weak.access).await.status, 200, "{engine}");
        let before = door.upstream.requests().len();
        door.reconfigure(|text| text.replace("    upstream:", &format!("{REQUIRED}\n    upstream:")))
            .await;
        let refused = call(&door, &weak.access).await;
        assert_eq!(refused.status, 401, "{engine}: {refused:?}");
        let said = challenge(&refused);
        for part in [
            "Bearer resource_metadata=\"",
            "error=\"insufficient_user_authentication\"",
            "acr_values=\"https://refeds.org/profile/mfa phr\", max_age=\"3600\"",
        ] {
            assert!(said.contains(part), "{engine}: {said}");
        }
        assert_eq!(
            door.upstream.requests().len(),
            before,
            "{engine}: it reached the server"
        );
        let refreshed = app.refresh(&weak.refresh).await;
        assert_eq!(
            (refreshed.status, &refreshed.json()["error"]),
            (400, &json!("invalid_grant")),
            "{engine}"
        );

        let mut browser = door.browser();
        browser.authorize(&app.authorize(&[]), "ana").await;
        assert!(
            browser
                .page
                .contains("To use Test fixture you need a second factor."),
            "{engine}: {}",
            browser.page
        );
        let secret = enrol_totp(&mut browser, &door).await;
        let enough = consent(&mut browser, &app).await;
        assert_eq!(enough.claims()["acr"], MFA, "{engine}");
        assert_eq!(call(&door, &enough.access).await.status, 200, "{engine}");

        door.advance(HOUR / 2);
        let refreshed = Tokens::of(&app.refresh(&enough.refresh).await);
        assert_eq!(
            refreshed.all["expires_in"],
            json!(1800),
            "{engine}: no longer than the sign-in is new enough"
        );
        door.advance(HOUR / 2 + Duration::from_secs(1));
        assert_eq!(call(&door, &refreshed.access).await.status, 401, "{engine}");
        let again = app.refresh(&refreshed.refresh).await;
        assert_eq!(again.json()["error"], json!("invalid_grant"), "{engine}");
        let noted = door.audit("grant_refused").await;
        let reason = noted[0]["reason"].as_str().unwrap();
        assert!(
            reason.contains("a newer or a stronger sign-in"),
            "{engine}: {reason}"
        );

        // Too old: all of it is proved again.
        let silent = app.authorize(&[("prompt", "none")]);
        let back = browser.get(&silent).await.location().to_owned();
        assert_eq!(query_of(&back)["error"], json!("login_required"), "{engine}");
        browser.get(&app.authorize(&[])).await;
        let reply = browser.fill_in("ana", PASSWORD).await;
        assert_eq!(reply.status, 200, "{engine}");
        let reply = browser.second("code", &code(&secret, &door)).await;
        let next = reply.location().to_owned();
        browser.get(&next).await;
        let newer = consent(&mut browser, &app).await;
        assert_eq!(call(&door, &newer.access).await.status, 200, "{engine}");
    }
}

/// OpenID Connect Core section 3.1.2.1: a program asks for a passkey; the person makes one on the way, after proving lately who
/// they are, and uses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acr_values_lead_to_a_passkey_that_is_made_on_the_way() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let app = door.app().await;
        let wanted = app.authorize(&[("acr_values", "phr")]);
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        door.advance(11 * Duration::from_mins(1));
        browser.get(&wanted).await;
        assert!(
            !browser.page.contains("/enrol/") && browser.page.contains("needs a passkey"),
            "{engine}: {}",
            browser.page
        );
        let reply = browser.fill_in("ana", PASSWORD).await;
        let next = reply.location().to_owned();
        browser.get(&next).await;
        assert!(
            browser.page.contains("/enrol/passkey") && !browser.page.contains("/enrol/totp"),
            "{engine}: {}",
            browser.page
        );
        let mut device = Device::new(&door);
        let begun = browser.begun("/enrol/passkey").await;
        let form = browser
            .form("/enrol/passkey")
            .set("ceremony", begun["ceremony"].as_str().unwrap())
            .set("credential", &device.create(&begun["options"]))
            .set("name", "Phone");
        let reply = browser.submit(&form).await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        let next = reply.location().to_owned();
        browser.get(&next).await;
        assert!(
            browser
                .page
                .contains("What you are signing in for needs a passkey."),
            "{engine}: {}",
            browser.page
        );
        let reply = browser.use_passkey(&mut device).await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        let next = reply.location().to_owned();
        browser.get(&next).await;
        let tokens = consent(&mut browser, &app).await;
        assert_eq!(tokens.claims()["acr"], "phr", "{engine}");
    }
}

/// Only the factor that is missing is asked for, what comes of it is no newer than the first, and it is worth nothing once the
/// session has ended in which it was begun. What nobody can prove goes back to the program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_raised_by_what_is_missing_while_it_lasts() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("accounts: create\ngroups: { dev: developers }")).await {
        let engine = door.engine();
        let app = door.app().await;
        let mut owner = door.browser();
        owner.sign_in_at(&door, &provider, &at_corp()).await;
        let secret = owner.add_totp(&door).await;
        door.advance(STEP);
        // What the provider says is one factor, whatever they have here.
        let mut browser = door.browser();
        browser.sign_in_at(&door, &provider, &at_corp()).await;
        let at = door.world.now().as_seconds();
        door.advance(HOUR);
        let phr = browser.get(&app.authorize(&[("acr_values", "phr")])).await;
        assert_eq!(phr.status, 200, "{engine}: what they have is proved first");
        let wanted = app.authorize(&[("acr_values", MFA), ("scope", "mcp openid")]);
        browser.get(&wanted).await;
        assert!(
            browser
                .page
                .contains("What you are signing in for needs a second factor."),
            "{engine}: {}",
            browser.page
        );
        let begun = browser.clone();
        let reply = browser.second("code", &code(&secret, &door)).await;
        let next = reply.location().to_owned();
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        browser.get(&next).await;
        let tokens = consent(&mut browser, &app).await;
        let claims = tokens.claims();
        assert_eq!(
            json!([claims["acr"], claims["amr"], claims["auth_time"]]),
            json!([MFA, ["pwd", "otp", "mfa"], at]),
            "{engine}"
        );
        assert_eq!(
            door.audit("signed_in").await[0]["method"],
            json!("session+totp"),
            "{engine}"
        );
        let back = browser.get(&app.authorize(&[("acr_values", "phr")])).await;
        assert_eq!(
            query_of(back.location())["error"],
            json!("unmet_authentication_requirements"),
            "{engine}"
        );

        assert_eq!(
            door.audit("authorization_refused").await[0]["error"],
            json!("unmet_authentication_requirements"),
            "{engine}"
        );

        // The session that it was begun in has been replaced, and no cookie of it brings it back.
        door.advance(STEP);
        let mut late = begun;
        let reply = late.second("code", &code(&secret, &door)).await;
        assert_eq!(reply.status, 400, "{engine}: {}", late.page);
        assert!(!is_in(&mut late).await, "{engine}");
    }
}

/// A question that stands while the sign-in becomes too old ends in no code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_demanded_is_asked_again_with_the_answer() {
    let plan = Plan {
        server: "    require: { max_age: 5m }".to_owned(),
        ..Plan::default()
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        let app = door.app().await;
        let mut browser = door.browser();
        browser.authorize(&app.authorize(&[]), "ana").await;
        door.advance(6 * Duration::from_mins(1));
        let back = browser.answer("approve").await.location().to_owned();
        assert_eq!(
            query_of(&back)["error"],
            json!("unmet_authentication_requirements"),
            "{engine}"
        );
    }
}

/// What is required of people of a group holds at every server, for them alone; and for what nobody signed in for unless the
/// configuration says otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_held_to_more_and_service_tokens_are_refused_unless_spared() {
    let plan = |spared: bool| Plan {
        config: format!(
            "sign_in:\n  require:\n    - {{ groups: [operators], assurance: two_factors, service_tokens: {spared} }}"
        ),
        ..Plan::default()
    };
    for spared in [false, true] {
        let door = Door::with(plan(spared)).await;
        door.add_person("ona", &["developers", "operators"]).await;
        let (_, ana) = door.signed_in("ana").await;
        assert_eq!(call(&door, &ana.access).await.status, 200);
        let app = door.app().await;
        let mut browser = door.browser();
        browser.authorize(&app.authorize(&[]), "ona").await;
        assert!(browser.page.contains("need a second factor"), "{}", browser.page);
        for (owner, status) in [("ana", 200), ("ona", if spared { 200 } else { 401 })] {
            let words = [
                "token",
                "create",
                "--owner",
                owner,
                "--server",
                "fixture",
                "--name",
                "job",
                "--expires",
                "30d",
            ];
            let vestibule::operator::Answer::Done { item, .. } = door.operate(&words).await.unwrap() else {
                panic!("{owner}")
            };
            let reply = call(&door, item["token"].as_str().unwrap()).await;
            assert_eq!(reply.status, status, "{owner} {spared}: {reply:?}");
            if status == 401 {
                assert!(challenge(&reply).contains("nobody signed in"), "{reply:?}");
            }
        }
        // Somebody who comes to the group is held to it at once.
        door.operate(&["group", "add-member", "operators", "ana"])
            .await
            .unwrap();
        assert_eq!(call(&door, &ana.access).await.status, 401);
    }
}

/// RFC 9470 section 4: another issuer's token says itself how its person signed in, in words that the operator knows; what it
/// does not say is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_tokens_say_it_themselves() {
    let (issuer, key) = ForeignIssuer::start().await;
    let plan = Plan {
        config: format!(
            "trusted_issuers:\n  corp: {{ issuer: {}, algorithms: [ES256], create_accounts: true, claims: {{ groups: groups }}, assurance: {{ strong: two_factors }} }}",
            issuer.url
        ),
        servers: "
  abroad:
    upstream: {upstream}
    auth: issuer
    issuer: corp
    audiences: [api://abroad]
    require: { assurance: two_factors, max_age: 1h }
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }"
            .to_owned(),
        ..Plan::default()
    };
    let door = Door::with(plan).await;
    let now = door.world.now().as_seconds();
    for (acr, auth_time, status) in [
        (json!("strong"), json!(now - 60), 200),
        (json!("strong"), json!(now - 3601), 401),
        (json!("strong"), json!(null), 401),
        (json!(MFA), json!(now - 60), 401),
        (json!(null), json!(now - 60), 401),
    ] {
        let claims = json!({
            "iss": issuer.url, "sub": "u-1", "aud": "api://abroad", "client_id": "agent", "iat": now - 5,
            "exp": now + 3600, "groups": ["developers"], "acr": acr, "auth_time": auth_time,
        });
        let mut claims = claims;
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let token = keys::jws::sign(&key, "at+jwt", &claims).unwrap();
        let ask = door::call("abroad", "echo_headers", json!({})).bearer(&token);
        let reply = door.ask(ask).await;
        assert_eq!(reply.status, status, "{acr} {auth_time}: {reply:?}");
        if status == 401 {
            assert!(challenge(&reply).contains("acr_values=\"strong\""), "{reply:?}");
        }
    }
}

/// A token that was copied is noticed all the same while more is demanded than its grant stands on, and ends it for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_token_is_noticed_while_more_is_demanded() {
    for mut door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let app = door.app().await;
        let first = app.sign_in(&door, "ana").await;
        let second = Tokens::of(&app.refresh(&first.refresh).await);
        let third = Tokens::of(&app.refresh(&second.refresh).await);
        door.advance(HOUR);
        let plain = door.configuration();
        door.reconfigure(|text| text.replace("    upstream:", &format!("{REQUIRED}\n    upstream:")))
            .await;
        assert_eq!(
            app.refresh(&first.refresh).await.error(),
            "invalid_grant",
            "{engine}"
        );
        door.reconfigure(|_| plain).await;
        assert_eq!(
            app.refresh(&third.refresh).await.error(),
            "invalid_grant",
            "{engine}"
        );
    }
}
