//! The authorization endpoint's decisions: OS-18 to OS-24, OS-26 to OS-29, OS-31, OS-32, OS-34, DEC-11, CC-53, CC-54 and who gets a redirect.

use crate::authorize::{Outcome, Refused};
use crate::clients::RedirectProblem;
use crate::testing::*;
use protocol::Params;
use serde_json::json;
use std::time::Duration;
use testkit::databases;

/// `error` of the redirect, after checking that `state` and `iss` are right (OS-28, OS-29).
fn error_of(outcome: Outcome) -> (String, bool) {
    let Outcome::Return(back) = outcome else {
        panic!("no redirect: {outcome:?}")
    };
    assert_eq!(param(&back.url, "state").as_deref(), Some("st:ä/1"));
    assert_eq!(param(&back.url, "iss").as_deref(), Some("https://gw.test"));
    assert_eq!(param(&back.url, "code"), None);
    (
        param(&back.url, "error").unwrap_or_else(|| panic!("{}", back.url)),
        back.at_once,
    )
}

fn without(query: &str, name: &str) -> String {
    let mut params = Params::default();
    for (key, value) in Params::parse(query.as_bytes())
        .unwrap()
        .iter()
        .filter(|(key, _)| *key != name)
    {
        params.push(key, value);
    }
    params.encode()
}

#[tokio::test]
async fn os_18_nothing_goes_to_a_redirect_uri_that_was_not_validated() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let good = query(&client, "");
    let refused = async |query: &str| match house.authorize(query, None).await {
        Outcome::Refused(why) => why,
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(refused(&without(&good, "client_id")).await, Refused::NoClient);
    assert!(matches!(
        refused(&query("nobody", "")).await,
        Refused::UnknownClient { .. }
    ));
    assert!(matches!(
        refused(&query("https://x.example/", "")).await,
        Refused::BadClientUrl(_)
    ));
    assert!(matches!(
        refused(&format!("{good}&client_id=two")).await,
        Refused::BadParameters(_)
    ));
    assert!(matches!(
        refused(&format!("{good}&redirect_uri=https://evil.example")).await,
        Refused::BadParameters(_)
    ));
    for evil in [
        "https://evil.example/callback",
        "http://localhost:7777/callback/",
        "http://localhost:7777/callback?x=1",
        "http://localhost.evil.example/callback",
        "javascript:alert(1)",
        "//localhost/callback",
    ] {
        let mut params = Params::default();
        params.push("redirect_uri", evil);
        let why = refused(&query(&client, &params.encode())).await;
        assert!(
            matches!(
                why,
                Refused::Redirect {
                    problem: RedirectProblem::Mismatch { .. },
                    ..
                }
            ),
            "{evil}"
        );
    }
    let two = house
        .register(json!({"redirect_uris": ["http://localhost/a", "http://localhost/b"]}))
        .await;
    let why = refused(&without(&query(&two, ""), "redirect_uri")).await;
    assert!(matches!(
        why,
        Refused::Redirect {
            problem: RedirectProblem::Missing,
            ..
        }
    ));
    house
        .store
        .set_client_disabled(&client.parse().unwrap(), true, house.world.now())
        .await
        .unwrap();
    assert!(matches!(refused(&good).await, Refused::DisabledClient(_)));
}

#[tokio::test]
async fn cc_54_other_errors_go_back_to_the_client() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let good = query(&client, "");
    let long = "x".repeat(129);
    for (query, error) in [
        (without(&good, "response_type"), "invalid_request"),
        (query(&client, "response_type=token"), "unsupported_response_type"),
        (
            query(&client, "response_type=code%20id_token"),
            "unsupported_response_type",
        ),
        (query(&client, "response_mode=form_post"), "invalid_request"),
        (without(&good, "code_challenge"), "invalid_request"),
        (without(&good, "code_challenge_method"), "invalid_request"),
        (query(&client, "code_challenge_method=plain"), "invalid_request"),
        (query(&client, "code_challenge=short"), "invalid_request"),
        (
            query(&client, &format!("code_challenge={long}")),
            "invalid_request",
        ),
        (query(&client, "request=x"), "request_not_supported"),
        (
            query(&client, "request_uri=https://x"),
            "request_uri_not_supported",
        ),
        (query(&client, "registration=x"), "registration_not_supported"),
        (query(&client, "prompt=none%20login"), "invalid_request"),
        (
            query(&client, "resource=https://evil.test/mcp/dev"),
            "invalid_target",
        ),
        (
            query(&client, "resource=https://gw.test/mcp/unknown"),
            "invalid_target",
        ),
        (
            query(&client, "resource=https://gw.test/mcp/dev%23x"),
            "invalid_target",
        ),
        (
            query(&client, "resource=https://gw.test/elsewhere"),
            "invalid_target",
        ),
        (
            query(
                &client,
                "resource=https://gw.test/mcp/dev&resource=https://gw.test/mcp/wiki",
            ),
            "invalid_target",
        ),
        (format!("{good}&scope=a&scope=b"), "invalid_request"),
        (query(&client, "prompt=none"), "login_required"),
    ] {
        assert_eq!(error_of(house.authorize(&query, None).await).0, error, "{query}");
    }
}

#[tokio::test]
async fn os_31_a_mistake_is_no_open_redirect_to_a_site_that_nobody_vouches_for() {
    let database = &databases().await[0];
    let house = house(database).await;
    let site = house
        .register(json!({"redirect_uris": ["https://phish.example/cb"]}))
        .await;
    let query = query(&site, "redirect_uri=https://phish.example/cb&response_type=token");
    assert!(
        !error_of(house.authorize(&query, None).await).1,
        "a click is needed"
    );
    let browser = house.sign_in(house.ana, None).await;
    assert!(
        error_of(house.authorize(&query, Some(&browser)).await).1,
        "the person is involved"
    );
}

#[tokio::test]
async fn os_32_prompt_login_max_age_and_none() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let browser = house.sign_in(house.ana, None).await;
    let again = async |query: &str, browser| match house.authorize(query, Some(browser)).await {
        Outcome::SignIn(needed) => needed.again,
        Outcome::Ask(_) => false,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(house.authorize(&query(&client, "login_hint=ana"), None).await,
        Outcome::SignIn(needed) if needed.username.as_deref() == Some("ana") && !needed.again)
    );
    let login = query(&client, "prompt=login");
    assert!(again(&login, &browser).await);
    let fresh = house
        .sign_in(house.ana, Some(keys::sha256(login.as_bytes())))
        .await;
    assert!(
        !again(&login, &fresh).await,
        "a sign-in made for this request answers it"
    );
    assert!(
        again(&query(&client, "prompt=login&nonce=other"), &fresh).await,
        "and no other request"
    );
    house.clock.advance(Duration::from_mins(20));
    assert!(again(&login, &fresh).await, "and not for long");
    assert!(again(&query(&client, "max_age=600"), &fresh).await);
    assert!(!again(&query(&client, "max_age=3600"), &fresh).await);
    let silent = query(&client, "prompt=none&max_age=600");
    assert_eq!(
        error_of(house.authorize(&silent, Some(&fresh)).await).0,
        "login_required"
    );
    let silent = query(&client, "prompt=none");
    assert_eq!(
        error_of(house.authorize(&silent, Some(&browser)).await).0,
        "consent_required",
        "loopback always asks"
    );
}

/// MA-46, MA-161.
#[tokio::test]
async fn dec_11_which_server_a_request_without_resource_means() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let browser = house.sign_in(house.ana, None).await;
    let choices =
        async |extra: &str, browser| match house.authorize(&query(&client, extra), Some(browser)).await {
            Outcome::Ask(question) => question
                .choices
                .iter()
                .map(|choice| choice.title.clone())
                .collect::<Vec<_>>(),
            Outcome::NotAllowed(_) => vec!["not allowed".to_owned()],
            Outcome::Return(back) => vec![param(&back.url, "error").unwrap()],
            other => panic!("{other:?}"),
        };
    for parent in [
        "resource=https://gw.test",
        "resource=https://gw.test/",
        "resource=https://gw.test/mcp",
    ] {
        assert_eq!(choices(parent, &browser).await, ["DEV", "WIKI"], "{parent}");
    }
    assert_eq!(
        choices("resource=https://gw.test&prompt=none", &browser).await,
        ["invalid_target"]
    );
    for spelling in ["https://GW.test:443/mcp/wiki/", "https://gw.test/mcp/wiki?x=1"] {
        let mut params = Params::default();
        params.push("resource", spelling);
        assert_eq!(choices(&params.encode(), &browser).await, ["WIKI"], "{spelling}");
    }
    let twice = "resource=https://gw.test/mcp/dev&resource=https://gw.test/mcp/dev/";
    assert_eq!(
        choices(twice, &browser).await,
        ["DEV"],
        "P-codex-old: the same server named twice"
    );
    assert_eq!(
        choices("resource=https://gw.test/mcp/ops", &browser).await,
        ["not allowed"]
    );

    let mut with_default = settings();
    with_default.default_server = "wiki".parse().ok();
    house
        .server
        .reconfigure(with_default, crate::KnownClients::load(None).unwrap());
    assert_eq!(choices("resource=https://gw.test", &browser).await, ["WIKI"]);

    let bob = house.world.new_id();
    house.add_person(bob, "bob", &["operators"]).await;
    let bobs = house.sign_in(bob, None).await;
    assert_eq!(
        choices("resource=https://gw.test", &bobs).await,
        ["OPS"],
        "the only one he may use"
    );
    let eve = house.world.new_id();
    house.add_person(eve, "eve", &[]).await;
    let eves = house.sign_in(eve, None).await;
    assert_eq!(choices("resource=https://gw.test", &eves).await, ["not allowed"]);
    assert_eq!(
        choices("resource=https://gw.test/mcp/dev&prompt=none", &eves).await,
        ["access_denied"]
    );
}

#[tokio::test]
async fn cc_53_state_is_opaque_and_may_be_missing() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let bad = query(&client, "response_type=token");
    let Outcome::Return(back) = house.authorize(&without(&bad, "state"), None).await else {
        panic!()
    };
    assert_eq!(param(&back.url, "state"), None);
    let long = format!("a:b/ü?{}", "x".repeat(4000));
    let mut params = Params::default();
    params.push("state", &long);
    params.push("response_type", "token");
    let Outcome::Return(back) = house.authorize(&query(&client, &params.encode()), None).await else {
        panic!()
    };
    assert_eq!(param(&back.url, "state"), Some(long));
}

#[tokio::test]
async fn cc_79_iss_comes_with_every_answer_unless_it_is_off() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let mut off = settings();
    off.iss = crate::IssFlag::Off;
    house
        .server
        .reconfigure(off, crate::KnownClients::load(None).unwrap());
    let Outcome::Return(back) = house
        .authorize(&query(&client, "response_type=token"), None)
        .await
    else {
        panic!()
    };
    assert_eq!(param(&back.url, "iss"), None);
}

#[tokio::test]
async fn a_sign_in_without_a_server_is_for_userinfo_alone() {
    let database = &databases().await[0];
    let house = house(database).await;
    let client = house.loopback_client().await;
    let extra = "scope=openid%20email&resource=";
    let tokens = house.tokens(&client, extra).await;
    assert_eq!(tokens.scope, "openid email");
    let access = house.server.verifier().verify(&tokens.access_token).unwrap();
    assert_eq!(access.audience, "https://gw.test/userinfo");
    let info = serde_json::to_value(house.server.user_info(&tokens.access_token).await.unwrap()).unwrap();
    assert_eq!(
        info,
        json!({"sub": house.ana.to_string(), "email": "ana@example.com", "email_verified": false})
    );
    // OS-118: a token for a server is not for userinfo.
    let for_server = house.tokens(&client, "scope=openid%20mcp").await;
    assert!(house.server.user_info(&for_server.access_token).await.is_err());
}
