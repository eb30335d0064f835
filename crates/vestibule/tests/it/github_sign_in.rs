//! Signing in at GitHub, which speaks no OpenID: who somebody is, is what its API says to a token of our own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::github::{GitHub, Person};
use crate::rig::{Browser, Door, Reply, Tokens, app};

const MINUTE: Duration = Duration::from_mins(1);

const OPEN: &str = "accounts: create\ngroup_prefix: 'hub:'\ngroups: { acme/platform: developers }";

fn address(email: &str, primary: bool, verified: bool) -> Value {
    json!({ "email": email, "primary": primary, "verified": verified, "visibility": null })
}

fn octo() -> Person {
    let own = |name: &str| name.to_owned();
    Person {
        login: own("octo"),
        emails: vec![
            address("octo@elsewhere.example", false, true),
            address("octo@example.com", true, true),
        ],
        organizations: vec![own("acme")],
        teams: vec![(own("acme"), own("platform"))],
    }
}

async fn come(door: &Door, hub: &GitHub, browser: &mut Browser<'_>, id: u64) -> Reply {
    let away = browser.leave("/sign-in", "hub").await;
    browser.get(&hub.approve(door, &away, id)).await
}

async fn groups(door: &Door, username: &str) -> Vec<String> {
    let store = &door.running().house.foundation.store;
    let groups = store.provided_groups(door.account(username).await).await.unwrap();
    groups.iter().map(|it| it.group.to_string()).collect()
}

/// OS-46: known by the id that never changes; groups are organizations and teams, over all pages, and are asked for nowhere
/// but at the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_come_in_from_github_with_their_organizations_and_teams() {
    let hub = GitHub::start().await;
    for door in Door::each(hub.plan(OPEN)).await {
        let engine = door.engine();
        hub.person(583_231, octo());
        let mut browser = door.browser();
        let reply = come(&door, &hub, &mut browser, 583_231).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/"),
            "{engine}: {}",
            browser.page
        );
        assert_eq!(
            groups(&door, "octo+hub").await,
            ["developers", "hub:acme"],
            "{engine}"
        );
        let store = &door.running().house.foundation.store;
        let account = door.account("octo+hub").await;
        let known = store.account(account).await.unwrap().unwrap();
        assert_eq!(
            known.email.as_deref(),
            Some("octo@example.com"),
            "{engine}: the primary one"
        );
        let [identity] = &store.identities_of(account).await.unwrap()[..] else {
            panic!("{engine}: one identity")
        };
        assert_eq!(
            (identity.name.issuer.as_str(), identity.name.subject.as_str()),
            (hub.url.as_str(), "583231"),
            "{engine}"
        );
        assert_eq!(
            door.audit("signed_in").await[0]["method"],
            json!("provider:hub"),
            "{engine}"
        );
        hub.requests();

        // Renamed there, the same person; with more teams than a page holds.
        let mut renamed = octo();
        renamed.login = "octopus".to_owned();
        renamed
            .teams
            .extend((0..250).map(|at| ("acme".to_owned(), format!("t{at}"))));
        hub.person(583_231, renamed);
        let mut other = door.browser();
        assert_eq!(
            come(&door, &hub, &mut other, 583_231).await.status,
            303,
            "{engine}"
        );
        assert_eq!(groups(&door, "octo+hub").await.len(), 252, "{engine}");
        let asked = hub.requests();
        let pages = asked.iter().filter(|line| line.contains("/user/teams")).count();
        assert_eq!(pages, 3, "{engine}: {asked:?}");

        // Whoever gets the name later is somebody else.
        hub.person(7, octo());
        let mut heir = door.browser();
        assert_eq!(come(&door, &hub, &mut heir, 7).await.status, 303, "{engine}");
        assert_eq!(store.accounts().await.unwrap().len(), 5, "{engine}");
    }
}

/// An address counts only if it is the primary one and verified; that of the profile never does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_verified_primary_address_is_believed() {
    let hub = GitHub::start().await;
    let door = Door::with(hub.plan("accounts: create\ndomains: [example.com]")).await;
    let with = |emails: &[Value]| Person {
        emails: emails.to_vec(),
        ..octo()
    };
    for (id, emails) in [
        (1, vec![address("a@example.com", true, false)]),
        (
            2,
            vec![
                address("b@example.com", false, true),
                address("b@evil.test", true, true),
            ],
        ),
        (3, vec![]),
    ] {
        hub.person(id, with(&emails));
        let mut browser = door.browser();
        let reply = come(&door, &hub, &mut browser, id).await;
        assert_eq!(reply.status, 403, "{id}: {}", browser.page);
        assert!(browser.page.contains("company_refused"), "{id}: {}", browser.page);
    }
    hub.person(4, with(&[address("d@example.com", true, true)]));
    let mut browser = door.browser();
    assert_eq!(
        come(&door, &hub, &mut browser, 4).await.status,
        303,
        "{}",
        browser.page
    );
    // An app that may not ask has nobody's address, and that is no failure.
    hub.hides_emails(true);
    assert_eq!(come(&door, &hub, &mut door.browser(), 4).await.status, 303);
    let asked = hub.requests();
    assert!(
        !asked.iter().any(|line| line.contains("/user/orgs")),
        "no groups are wanted: {asked:?}"
    );
}

/// Trouble at GitHub is said to be that; and what is not ours to redeem is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_told_from_refusal() {
    let hub = GitHub::start().await;
    let door = Door::with(hub.plan(OPEN)).await;
    hub.person(1, octo());
    let mut browser = door.browser();
    hub.is_slow_down(true);
    let reply = come(&door, &hub, &mut browser, 1).await;
    assert_eq!(reply.status, 503, "{}", browser.page);
    assert!(browser.page.contains("provider_unavailable"), "{}", browser.page);
    hub.is_slow_down(false);

    let mut browser = door.browser();
    let away = browser.leave("/sign-in", "hub").await;
    let back = hub.approve(&door, &away, 1);
    let state = app::query_of(&back)["state"].as_str().unwrap().to_owned();
    // Somebody else's answer, by what it says of itself.
    let mixed = format!("{back}&iss=https%3A%2F%2Fevil.test");
    let reply = browser.get(&mixed).await;
    assert_eq!(reply.status, 502, "{}", browser.page);
    // And a code that is none: 200 with `error`.
    let away = browser.leave("/sign-in", "hub").await;
    let back = hub.approve(&door, &away, 1);
    let reply = browser.get(&back.replace("code=code-", "code=none-")).await;
    assert_eq!(reply.status, 502, "{}", browser.page);
    assert!(browser.page.contains("bad_verification_code"), "{}", browser.page);
    let reply = browser
        .get(&format!("/sign-in/callback/hub?code=x&state={state}"))
        .await;
    assert_eq!(reply.status, 400, "used up: {}", browser.page);

    hub.is_down(true);
    let mut browser = door.browser();
    // Nobody has to be asked before leaving.
    let away = browser.leave("/sign-in", "hub").await;
    hub.is_down(false);
    let back = hub.approve(&door, &away, 1);
    hub.is_down(true);
    assert_eq!(browser.get(&back).await.status, 503, "{}", browser.page);
}

/// Whoever asks GitHub too much is left without an answer alone: the next person is asked about at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_with_one_person_is_nobody_elses() {
    let hub = GitHub::start().await;
    let door = Door::with(hub.plan(OPEN)).await;
    let mut hex = octo();
    hex.login = "hex".to_owned();
    hub.person(1, octo());
    hub.person(2, hex.clone());
    let mut programs = Vec::new();
    for id in [1, 2] {
        let app = door.app().await;
        let mut browser = door.browser();
        let away = browser.leave(&app.authorize(&[]), "hub").await;
        let reply = browser.get(&hub.approve(&door, &away, id)).await;
        browser.get(reply.location()).await;
        let back = browser.answer("approve").await.location().to_owned();
        let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
        programs.push((app, tokens));
    }
    hex.organizations.clear();
    hub.person(2, hex);
    door.advance(MINUTE);
    hub.is_slow_down(true);
    let (app, tokens) = &programs[0];
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200, "for an hour");
    hub.is_slow_down(false);
    let (app, tokens) = &programs[1];
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200);
    assert_eq!(groups(&door, "hex+hub").await, ["developers"], "asked at once");
}

/// What GitHub has no use for is refused, and not left without effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_counts_for_nothing_at_github_is_refused() {
    let hub = GitHub::start().await;
    let mut door = Door::with(hub.plan(OPEN)).await;
    for more in [
        "authentication: post",
        "assurance: { amr: { mfa: two_factors } }",
        "leeway: 1m",
        "authorization_parameters: { allow_signup: 'false' }",
    ] {
        let error = door
            .try_reconfigure(|text| {
                text.replace(
                    "      client_id: door\n",
                    &format!("      client_id: door\n      {more}\n"),
                )
            })
            .await
            .unwrap_err();
        let member = more.split(':').next().unwrap();
        let wanted = format!("{member}: counts for nothing with `kind: github`");
        assert!(error.contains(&wanted), "{error}");
    }
}

/// A program that wants to know when somebody signed in is told before anybody goes: GitHub never says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_of_when_is_nothing_that_github_gives() {
    let hub = GitHub::start().await;
    let door = Door::with(hub.plan(OPEN)).await;
    let app = door.app().await;
    let mut browser = door.browser();
    browser.get(&app.authorize(&[("max_age", "60")])).await;
    let form = browser.form("/sign-in").set("provider", "hub");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 502, "{}", browser.page);
    assert!(browser.page.contains("provider_answer"), "{}", browser.page);
}

/// GitHub is asked again with the token that it gave: who leaves an organization has lost it with the next refresh, and a token that was
/// taken back is the end of the sign-in. Too many questions are nobody's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_is_asked_again_at_each_refresh() {
    let hub = GitHub::start().await;
    for door in Door::each(hub.plan(OPEN)).await {
        let engine = door.engine();
        hub.person(1, octo());
        let app = door.app().await;
        let mut browser = door.browser();
        let away = browser.leave(&app.authorize(&[]), "hub").await;
        let reply = browser.get(&hub.approve(&door, &away, 1)).await;
        browser.get(reply.location()).await;
        let back = browser.answer("approve").await.location().to_owned();
        let first = Tokens::of(&app.redeem(&app::code_of(&back)).await);
        let mut moved = octo();
        moved.organizations.clear();
        hub.person(1, moved);
        door.advance(MINUTE);
        let second = Tokens::of(&app.refresh(&first.refresh).await);
        assert_eq!(groups(&door, "octo+hub").await, ["developers"], "{engine}");
        hub.is_slow_down(true);
        door.advance(MINUTE);
        let third = Tokens::of(&app.refresh(&second.refresh).await);
        hub.is_slow_down(false);
        hub.revoke();
        door.advance(MINUTE);
        let reply = app.refresh(&third.refresh).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (400, &json!("invalid_grant")),
            "{engine}"
        );
        assert!(groups(&door, "octo+hub").await.is_empty(), "{engine}");
    }
}
