//! Signing in with a service of the company that checks names and passwords, on both databases.

use std::time::Duration;

use serde_json::json;

use crate::directory_refresh::provided;
use crate::directory_sign_in::{OPEN, sign_in, tokens, try_in};
use crate::rig::authenticator::code;
use crate::rig::credential_service::{CredentialService, TOKEN};
use crate::rig::slapd::{Slapd, THERE};
use crate::rig::{Door, PASSWORD};

const MINUTE: Duration = Duration::from_mins(1);

/// From the form to a call; and again under another name, which is the same account with other groups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_form_to_a_call_by_the_word_of_a_service() {
    let service = CredentialService::start().await;
    for door in Door::each(service.plan(OPEN)).await {
        let engine = door.engine();
        service.person("dora", "4711", &["dev", "engineering"]);
        let app = door.app().await;
        let tokens = tokens(&door, &app, "dora").await;
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
        let account = door.account("dora+corp").await;
        let store = &door.running().house.foundation.store;
        let [identity] = &store.identities_of(account).await.unwrap()[..] else {
            panic!("{engine}: one identity")
        };
        assert_eq!(
            (identity.name.issuer.as_str(), identity.name.subject.as_str()),
            ("service:corp", "4711"),
            "{engine}"
        );
        let known = store.account(account).await.unwrap().unwrap();
        assert_eq!(
            (known.email.as_deref(), known.email_verified),
            (Some("dora@example.com"), false),
            "{engine}: nobody is believed whom the operator does not trust with addresses"
        );
        assert_eq!(
            door.audit("signed_in").await[0]["method"],
            json!("directory:corp"),
            "{engine}"
        );
        assert_eq!(
            provided(&door, "dora+corp").await,
            "developers",
            "{engine}: those that are named, and no other"
        );

        service.remove("dora");
        service.person("theodora", "4711", &["dev"]);
        let mut browser = door.browser();
        let reply = try_in(&mut browser, "theodora", THERE).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/"),
            "{engine}: {}",
            browser.page
        );
        assert_eq!(provided(&door, "dora+corp").await, "", "{engine}");
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert!(
            reply.body.contains("may not use this server"),
            "{engine}: {reply:?}"
        );
        // Whoever gets the name later is somebody else.
        service.remove("theodora");
        service.person("dora", "4799", &["engineering"]);
        assert_eq!(
            try_in(&mut door.browser(), "dora", THERE).await.status,
            303,
            "{engine}"
        );
        assert_eq!(store.accounts().await.unwrap().len(), 5, "{engine}");
        assert_eq!(provided(&door, "dora+corp").await, "", "{engine}");
    }
}

/// The service hears what was typed, once; of what can be no name or no password it hears nothing. A password is in no record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_the_service_does_not_know_by_their_password_does_not_get_in() {
    let service = CredentialService::start().await;
    let door = Door::with(service.plan(OPEN)).await;
    for (username, password, status, asked) in [
        ("dora", "wrong of all passwords", 403, true),
        ("nobody-of-this-name", THERE, 403, true),
        ("dora\"}", THERE, 403, true),
        ("dora\u{0}", THERE, 403, false),
        ("dora\r\nx: y", THERE, 403, false),
        (&"d".repeat(300), THERE, 403, false),
        ("+corp", THERE, 403, true),
        ("dora", "", 400, false),
    ] {
        let mut browser = door.browser();
        let reply = try_in(&mut browser, username, password).await;
        assert_eq!(reply.status, status, "{username}: {}", browser.page);
        let heard = service.heard();
        assert_eq!(heard.len(), usize::from(asked), "{username}: {heard:?}");
        if asked {
            let question = json!({ "username": username, "password": password });
            assert_eq!(heard[0], ("/check".to_owned(), question), "{username}");
        }
        door.advance(30 * MINUTE);
    }
    let refused = door.audit("sign_in_refused").await;
    let reasons: Vec<_> = refused
        .iter()
        .map(|row| row["reason"].as_str().unwrap())
        .collect();
    for why in [
        "corp: the directory refuses the password: 401",
        "no such account, and in no directory",
    ] {
        assert!(
            reasons.iter().any(|reason| reason.contains(why)),
            "{why}: {reasons:?}"
        );
    }
    let all = format!("{refused:?} {:?}", door.running().house.ways.now());
    for secret in ["wrong of all passwords", THERE, TOKEN] {
        assert!(!all.contains(secret), "{all}");
    }
    // `+corp` names the service; what was typed for a password of ours is shown to nobody.
    assert_eq!(sign_in(&door, "dora+corp").await.as_deref(), Some("dora+corp"));
    assert_eq!(service.heard()[0].1["username"], json!("dora"));
    service.person("ana", "4713", &["engineering"]);
    door.browser().sign_in("ana").await;
    assert_eq!(try_in(&mut door.browser(), "ana", THERE).await.status, 403);
    assert!(service.heard().is_empty());
}

/// OS-44: guesses at one name count together, however it is spelled; nobody is slowed in a browser in which they signed in before; and
/// who is called almost so does not wipe them out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_a_service_are_counted_for_the_name() {
    let service = CredentialService::start().await;
    for door in Door::each(service.plan(OPEN)).await {
        let engine = door.engine();
        service.person("Dora", "4714", &[]);
        for alias in ["DORA", "d\u{f3}ra", "ｄｏｒａ"] {
            service.person(alias, "4711", &[]);
        }
        service.heard();
        let mut known = door.browser();
        assert_eq!(try_in(&mut known, "dora", THERE).await.status, 303, "{engine}");
        assert_eq!(
            try_in(&mut door.browser(), "Dora", THERE).await.status,
            303,
            "{engine}: another person"
        );
        for username in ["dora", "DORA", "dora+corp", " d\u{f3}ra ", "ｄｏｒａ"] {
            let reply = try_in(&mut door.browser(), username, "wrong").await;
            assert_eq!(reply.status, 403, "{engine}: {username}");
        }
        for username in ["dora", "DoRa", "Dora"] {
            let reply = try_in(&mut door.browser(), username, THERE).await;
            assert_eq!(
                reply.status, 429,
                "{engine}: {username}: guesses are not for free"
            );
        }
        let heard = service.heard();
        assert_eq!(heard.len(), 7, "{engine}: {heard:?}");
        assert_eq!(
            try_in(&mut door.browser(), "emil", THERE).await.status,
            303,
            "{engine}"
        );
        known.cookies.retain(|name, _| !name.contains("session"));
        assert_eq!(
            try_in(&mut known, "dora", THERE).await.status,
            303,
            "{engine}: their own browser"
        );
        door.advance(30 * MINUTE);
        // Another person gets back what they counted themselves, and no more.
        assert_eq!(
            try_in(&mut door.browser(), "Dora", THERE).await.status,
            303,
            "{engine}"
        );
        door.advance(MINUTE);
        assert_eq!(
            try_in(&mut door.browser(), "dora", "wrong").await.status,
            403,
            "{engine}"
        );
        assert_eq!(
            try_in(&mut door.browser(), "dora", "wrong").await.status,
            429,
            "{engine}"
        );
        door.advance(30 * MINUTE);
        assert_eq!(
            sign_in(&door, "dora").await.as_deref(),
            Some("dora+corp"),
            "{engine}"
        );
    }
}

/// Whatever is no answer is nobody's wrong guess, and nobody's business who has a password here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_down_says_so_and_counts_nothing() {
    let service = CredentialService::start().await;
    let door = Door::with(service.plan(OPEN)).await;
    sign_in(&door, "dora").await;
    let answers = [
        None,
        Some((500, "{}")),
        Some((503, "")),
        Some((429, "{}")),
        Some((302, "")),
        Some((200, "<html>Please log in</html>")),
        Some((200, r#"{"username":"dora","groups":["engineering"]}"#)),
        Some((200, r#"{"subject":"4711"}"#)),
    ];
    for answer in answers {
        service.is_down(answer.is_none());
        service.says(answer);
        let mut browser = door.browser();
        let reply = try_in(&mut browser, "dora", THERE).await;
        assert_eq!(reply.status, 503, "{answer:?}: {}", browser.page);
        assert!(
            browser.page.contains("Example corp does not answer"),
            "{}",
            browser.page
        );
        assert_eq!(reply.header("retry-after"), Some("30"));
    }
    door.browser().sign_in("ben").await;
    service.says(None);
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
}

/// A service has to be shown a password to know whose it is, so whoever can be found otherwise is looked for first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_sees_no_password_of_people_in_a_directory() {
    let (service, slapd) = (CredentialService::start().await, Slapd::start().await);
    service.person("nina", "4715", &[]);
    let sections = format!(
        "{}{}",
        // By its name it would be the first.
        service.section("a-service", OPEN),
        Slapd::section("corp", &format!("{}\n{OPEN}", slapd.reached()))
    );
    let mut plan = slapd.planned(&sections);
    plan.files.extend(CredentialService::planned("").files);
    let door = Door::with(plan).await;
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
    assert_eq!(try_in(&mut door.browser(), "emil", "wrong").await.status, 403);
    assert!(service.heard().is_empty());
    assert_eq!(try_in(&mut door.browser(), "nina", THERE).await.status, 303);
    door.account("nina+a-service").await;
    assert_eq!(
        try_in(&mut door.browser(), "dora+a-service", THERE).await.status,
        303
    );
    door.account("dora+a-service").await;
    assert_eq!(service.heard().len(), 2);
}

/// The address that a service vouches for finds an account where the operator says so, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verified_address_links_only_where_the_operator_says_so() {
    let service = CredentialService::start().await;
    service.person("ben", "4716", &["engineering"]);
    service.person("emil", "4712", &[]);
    let mut door = Door::with(service.plan("link_by_verified_email: true")).await;
    let store = door.running().house.foundation.store.clone();
    let ben = store.account(door.account("ben").await).await.unwrap().unwrap();
    assert_eq!(
        ben.email.as_deref(),
        Some("ben@example.com"),
        "as the service has it"
    );
    assert_eq!(try_in(&mut door.browser(), "ben+corp", THERE).await.status, 303);
    let linked = store.identities_of(ben.id).await.unwrap();
    assert_eq!(linked[0].name.subject, "4716");
    let mut browser = door.browser();
    assert_eq!(try_in(&mut browser, "emil", THERE).await.status, 403);
    assert!(browser.page.contains("company_refused"), "{}", browser.page);
    let words = ["identity", "unlink", "--issuer", "corp", "--subject", "4716"];
    door.operate(&words).await.unwrap();
    door.reconfigure(|text| text.replace("link_by_verified_email: true", "accounts: existing"))
        .await;
    assert_eq!(try_in(&mut door.browser(), "ben+corp", THERE).await.status, 403);
}

/// A right password is no reason to get more attempts at the code, and is counted as one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_is_asked_for_after_the_password_of_a_service() {
    let service = CredentialService::start().await;
    service.person("ana", "4717", &["engineering"]);
    let door = Door::with(service.plan(OPEN)).await;
    let words = ["identity", "link", "ana", "--issuer", "corp", "--subject", "4717"];
    door.operate(&words).await.unwrap();
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    let secret = browser.add_totp(&door).await;
    door.advance(MINUTE);
    let reply = try_in(&mut door.browser(), "ana", PASSWORD).await;
    assert_eq!(reply.status, 200, "hers here, which asks for the code too");
    door.advance(24 * 60 * MINUTE);
    for _ in 0..5 {
        let reply = try_in(&mut door.browser(), "ana+corp", THERE).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(try_in(&mut door.browser(), "ana+corp", THERE).await.status, 429);
    door.advance(30 * MINUTE);
    let mut browser = door.browser();
    assert_eq!(try_in(&mut browser, "ana+corp", THERE).await.status, 200);
    door.advance(MINUTE);
    let reply = browser.second("code", &code(&secret, &door)).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    assert_eq!(
        door.audit("signed_in").await[0]["method"],
        json!("directory:corp+totp")
    );
}

/// Passwords go over TLS that the service's authority vouches for, or nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_reached_safely_or_not_at_all() {
    let service = CredentialService::start().await;
    let (url, certificate) = service.behind_tls().await;
    let mut plan = service.plan(&format!("ca_file: service.pem\n{OPEN}"));
    plan.config = plan.config.replace(&service.url, &url);
    plan.files.push(("service.pem", certificate));
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    plan.files.push(("stranger.pem", stranger.cert.pem()));
    let mut door = Door::with(plan).await;
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
    assert_eq!(service.heard().len(), 1);
    for other in ["ca_file: stranger.pem", ""] {
        door.reconfigure(|text| text.replace("ca_file: service.pem", other))
            .await;
        let mut browser = door.browser();
        assert_eq!(try_in(&mut browser, "dora", THERE).await.status, 503, "{other}");
        let refused = door.audit("sign_in_refused").await;
        let about = |row: &serde_json::Value| row["reason"].as_str().unwrap().contains("certificate");
        assert!(refused.iter().any(about), "{other}: {refused:?}");
        assert!(
            service.heard().is_empty(),
            "{other}: nothing was said to a stranger"
        );
    }
    let plain = door
        .try_reconfigure(|text| text.replace(&url, "http://people.example.com"))
        .await;
    assert!(plain.unwrap_err().contains("would get passwords in the clear"));
}
