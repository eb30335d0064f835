//! Signing in with a directory: a real slapd in front of the door, on both databases.

use std::sync::Arc;
use std::time::Duration;

use ldap::Asked;
use ldap::directory::Proved;
use serde_json::json;

use crate::rig::authenticator::code;
use crate::rig::slapd::{Slapd, THERE};
use crate::rig::{App, Browser, Door, PASSWORD, Reply, Tokens, app};

const MINUTE: Duration = Duration::from_mins(1);

/// Rules under which everybody gets an account.
pub(crate) const OPEN: &str = "accounts: create\ngroups: { engineering: developers }";

/// The directory that is asked by LDAP.
fn ldap_of(door: &Door) -> Arc<ldap::Directory> {
    let ways = door.running().house.ways.now();
    Arc::clone(ways.directories[0].means.ldap().unwrap())
}

/// Tries to sign in at the front page.
pub(crate) async fn try_in(browser: &mut Browser<'_>, username: &str, password: &str) -> Reply {
    browser.get("/sign-in").await;
    browser.fill_in(username, password).await
}

/// Signs in, and gives what the account is called here.
pub(crate) async fn sign_in(door: &Door, username: &str) -> Option<String> {
    let mut browser = door.browser();
    let reply = try_in(&mut browser, username, THERE).await;
    assert_eq!(
        (reply.status, reply.location()),
        (303, "/"),
        "{username}: {}",
        browser.page
    );
    browser.get("/account").await;
    let all = ["dora+corp", "emil+corp", "ana+corp", "dora", "emil", "ana"];
    all.into_iter()
        .find(|name| browser.page.contains(&format!(">{name}<")))
        .map(str::to_owned)
}

/// From an authorization request to tokens.
pub(crate) async fn tokens(door: &Door, app: &App, username: &str) -> Tokens {
    let mut browser = door.browser();
    browser.get(&app.authorize(&[])).await;
    let reply = browser.fill_in(username, THERE).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    let next = reply.location().to_owned();
    browser.get(&next).await;
    let back = browser.answer("approve").await.location().to_owned();
    Tokens::of(&app.redeem(&app::code_of(&back)).await)
}

/// From the form to a call: TLS that begins later, a bind, groups in groups that are in each other; and again, which is the
/// same account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_form_to_a_call_and_groups_come_and_go() {
    let slapd = Slapd::start().await;
    for door in Door::each(slapd.plan(OPEN)).await {
        let engine = door.engine();
        let app = door.app().await;
        let tokens = tokens(&door, &app, "Dora").await;
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
        let account = door.account("dora+corp").await;
        let store = &door.running().house.foundation.store;
        let now = door.world.now();
        let [session] = &store.sessions_of(account, now - MINUTE, now).await.unwrap()[..] else {
            panic!("{engine}: one session")
        };
        let proved = &session.proved;
        assert_eq!(
            (
                proved.provider.as_deref(),
                proved.acr.as_deref(),
                proved.amr.as_deref()
            ),
            (Some("corp"), None, Some("pwd")),
            "{engine}"
        );
        assert_eq!(
            door.audit("signed_in").await[0]["method"],
            json!("directory:corp"),
            "{engine}"
        );
        let [identity] = &store.identities_of(account).await.unwrap()[..] else {
            panic!("{engine}: one identity")
        };
        assert_eq!(identity.name.issuer, "ldap:corp", "{engine}");
        assert_eq!(identity.name.subject.len(), 36, "{engine}: an entryUUID");
        let known = store.account(account).await.unwrap().unwrap();
        assert_eq!(
            (known.email.as_deref(), known.email_verified),
            (Some("dora@example.com"), false),
            "{engine}: nobody vouches for an address"
        );

        // A group that is gone there is gone here with the next sign-in; the account is the same, whatever it is called there.
        slapd.member("delete", "dora").await;
        slapd
            .change("dn: uid=dora,ou=people,dc=example,dc=com\nchangetype: modrdn\nnewrdn: uid=theodora\ndeleteoldrdn: 1\n")
            .await;
        let mut browser = door.browser();
        let reply = try_in(&mut browser, "theodora", THERE).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/"),
            "{engine}: {}",
            browser.page
        );
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert!(
            reply.body.contains("may not use this server"),
            "{engine}: {reply:?}"
        );
        assert_eq!(store.accounts().await.unwrap().len(), 4, "{engine}");
        slapd
            .change("dn: uid=theodora,ou=people,dc=example,dc=com\nchangetype: modrdn\nnewrdn: uid=dora\ndeleteoldrdn: 1\n")
            .await;
        slapd.member("add", "dora").await;
    }
}

/// What is typed finds one entry or nobody, and a password is the directory's to check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_one_entry_with_its_password_does_not_get_in() {
    let slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(OPEN)).await;
    for (username, password, why) in [
        ("dora", "wrong", "invalidCredentials"),
        ("nobody-of-this-name", THERE, "in no directory"),
        ("*", THERE, "in no directory"),
        ("dor*", THERE, "in no directory"),
        ("*)(uid=*", THERE, "in no directory"),
        ("dora)(objectClass=*", THERE, "in no directory"),
        ("dora)(|(uid=dora", THERE, "in no directory"),
        ("\\64ora", THERE, "in no directory"),
        ("uid=dora,ou=people,dc=example,dc=com", THERE, "in no directory"),
        ("twin", THERE, "several entries"),
        ("lock", THERE, "invalidCredentials"),
        ("+corp", THERE, "in no directory"),
    ] {
        let mut browser = door.browser();
        let reply = try_in(&mut browser, username, password).await;
        assert_eq!(reply.status, 403, "{username}: {}", browser.page);
        assert!(
            browser.page.contains("The username or password is wrong"),
            "{username}"
        );
        let recorded = door.audit("sign_in_refused").await;
        let reason = recorded[0]["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{username}: {reason}");
        door.advance(30 * MINUTE);
    }
    let mut browser = door.browser();
    assert_eq!(
        try_in(&mut browser, "dora", "").await.status,
        400,
        "{}",
        browser.page
    );
    assert_eq!(
        door.running()
            .house
            .foundation
            .store
            .accounts()
            .await
            .unwrap()
            .len(),
        3
    );
    assert!(
        !slapd.was_followed().await,
        "a part of the tree that is elsewhere"
    );
    // RFC 4513 section 5.1.2: this directory takes a bind without a password for nobody's, and says yes.
    let ways = door.running().house.ways.now();
    let directory = ways.directories[0].means.ldap().unwrap();
    let Asked::One(candidate) = directory.find("dora").await.unwrap() else {
        panic!("Dora is there")
    };
    let proved = directory.prove(candidate, &String::new().into()).await.unwrap();
    assert!(matches!(proved, Proved::Wrong(_)), "{proved:?}");
    assert!(
        !format!("{ways:?}").contains(crate::rig::slapd::SEARCHER),
        "a secret does not print"
    );
}

/// Guesses at one entry are counted together, however it is spelled; who has the password forgives them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_are_counted_for_the_entry() {
    let slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(OPEN)).await;
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
    // Full-width letters are the same to a directory (RFC 4518 section 2.3).
    for username in ["dora", "DORA", "dora+corp", " Dora ", "ｄｏｒａ"] {
        let reply = try_in(&mut door.browser(), username, "wrong").await;
        assert_eq!(reply.status, 403, "{username}");
    }
    for username in ["dora", "dOrA"] {
        let reply = try_in(&mut door.browser(), username, THERE).await;
        assert_eq!(reply.status, 429, "{username}: guesses are not for free");
    }
    let reply = try_in(&mut door.browser(), "emil", THERE).await;
    assert_eq!(reply.status, 303, "others are not slowed down");
    door.advance(30 * MINUTE);
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
}

/// An account that has a password here is its owner's: nobody gets it by having its name in the directory, and its password
/// is shown to no directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namesake_in_the_directory_is_somebody_else() {
    let slapd = Slapd::start().await;
    let mut door = Door::with(slapd.plan(OPEN)).await;
    let reply = try_in(&mut door.browser(), "ana", THERE).await;
    assert_eq!(
        reply.status, 403,
        "the password of the directory's Ana is not Ana's"
    );
    assert_eq!(sign_in(&door, "ana+corp").await.as_deref(), Some("ana+corp"));
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.get("/account").await;
    assert!(browser.page.contains(">ana<"), "{}", browser.page);
    let reply = try_in(&mut door.browser(), "ana+corp", PASSWORD).await;
    assert_eq!(reply.status, 403, "nor the other way round");
    // Linked by an operator, the directory's Ana is Ana; with passwords off it is the only way.
    let store = &door.running().house.foundation.store;
    let made = store.identities().await.unwrap();
    let subject = made[0].name.subject.as_str();
    door.operate(&["identity", "unlink", "--issuer", "corp", "--subject", subject])
        .await
        .unwrap();
    door.operate(&[
        "identity",
        "link",
        "ana",
        "--issuer",
        "corp",
        "--subject",
        subject,
    ])
    .await
    .unwrap();
    door.reconfigure(|text| text.replace("sign_in:\n", "sign_in:\n  passwords: false\n"))
        .await;
    assert_eq!(sign_in(&door, "ana").await.as_deref(), Some("ana"));
    let reply = try_in(&mut door.browser(), "ana", PASSWORD).await;
    assert_eq!(reply.status, 403);
}

/// Who is known there and may not come in is told so; and what they had from there is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_say_who_comes_in() {
    let slapd = Slapd::start().await;
    let mut door =
        Door::with(slapd.plan(&format!("{OPEN}\nrequire_groups: [dev]\ngroup_prefix: 'corp:'"))).await;
    let mut browser = door.browser();
    let reply = try_in(&mut browser, "emil", THERE).await;
    assert_eq!(reply.status, 403);
    assert!(
        browser.page.contains("company_refused") && browser.page.contains("emil@example.com"),
        "{}",
        browser.page
    );
    sign_in(&door, "dora").await;
    let groups = async |door: &Door| {
        let store = &door.running().house.foundation.store;
        let provided = store
            .provided_groups(door.account("dora+corp").await)
            .await
            .unwrap();
        provided
            .iter()
            .map(|it| it.group.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(groups(&door).await, "corp:dev corp:everybody developers");
    // Out of the one that is asked for, and still in the other.
    slapd.member("delete", "dora").await;
    slapd
        .change("dn: cn=engineering,ou=groups,dc=example,dc=com\nchangetype: modify\nadd: member\nmember: uid=dora,ou=people,dc=example,dc=com\n")
        .await;
    let mut browser = door.browser();
    assert_eq!(try_in(&mut browser, "dora", THERE).await.status, 403);
    assert!(browser.page.contains("company_refused"), "{}", browser.page);
    assert_eq!(
        groups(&door).await,
        "",
        "with the right to come in goes everything else"
    );
    door.reconfigure(|text| {
        text.replace("accounts: create", "accounts: existing")
            .replace("require_groups: [dev]", "")
    })
    .await;
    sign_in(&door, "dora").await;
    assert_eq!(
        try_in(&mut door.browser(), "emil", THERE).await.status,
        403,
        "has no account"
    );
    door.operate(&["user", "disable", "dora+corp"]).await.unwrap();
    let mut browser = door.browser();
    assert_eq!(try_in(&mut browser, "dora", THERE).await.status, 403);
    assert!(browser.page.contains("disabled"), "{}", browser.page);
}

/// A directory that is away is nobody's wrong guess, and nobody's business who has a password here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_down_says_so_and_counts_nothing() {
    let mut slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(OPEN)).await;
    sign_in(&door, "dora").await;
    slapd.stop().await;
    for _ in 0..8 {
        let mut browser = door.browser();
        let reply = try_in(&mut browser, "dora", THERE).await;
        assert_eq!(reply.status, 503, "{}", browser.page);
        assert!(
            browser.page.contains("Example corp does not answer"),
            "{}",
            browser.page
        );
        assert_eq!(reply.header("retry-after"), Some("30"));
    }
    door.browser().sign_in("ben").await;
    slapd.again().await;
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
}

/// TLS from the beginning; a second server where the first is gone; ids in bytes, as Active Directory has them; and what
/// does not count: a certificate of nobody's, passwords in the clear, a referral.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_reached_safely_or_not_at_all() {
    let slapd = Slapd::start().await;
    let base = "user_base: ou=people,dc=example,dc=com";
    let urls = format!("urls: [\"ldaps://127.0.0.1:9\", \"{}\"]", slapd.ldaps());
    let guid = "attributes: { id: objectGUID }";
    let section = Slapd::section("corp", &format!("{urls}\n{base}\n{OPEN}\n{guid}"));
    let mut door = Door::with(slapd.planned(&section)).await;
    assert_eq!(sign_in(&door, "dora").await.as_deref(), Some("dora+corp"));
    let store = door.running().house.foundation.store.clone();
    let identities = store.identities().await.unwrap();
    assert_eq!(identities[0].name.subject, "03020100-0504-0706-0809-0a0b0c0d0e0f");
    let directory = ldap_of(&door);
    let (entry, groups) = directory
        .look_again(&identities[0].name.subject)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(entry.username.as_deref(), Some("dora"));
    assert_eq!(groups, ["dev", "engineering", "everybody"]);
    assert!(directory.look_again("*").await.is_err(), "no id of this kind");
    // An entry without such an id is nobody who could be known again.
    assert_eq!(try_in(&mut door.browser(), "emil", THERE).await.status, 503);

    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(door.folder().join("stranger.pem"), stranger.cert.pem()).unwrap();
    let elsewhere = "ou=elsewhere,ou=people,dc=example,dc=com";
    for (from, to, why) in [
        ("ca_file: server.pem", "ca_file: stranger.pem", "certificate"),
        (
            base,
            &format!("user_base: {elsewhere}"),
            "refers to another server",
        ),
        (base, "user_base: ou=gone,dc=example,dc=com", "noSuchObject"),
        (
            urls.as_str(),
            &format!("urls: [\"{}\"]", slapd.ldap()),
            "confidentialityRequired",
        ),
        (
            "bind_dn: cn=vestibule,dc=example,dc=com",
            "bind_dn: uid=emil,ou=people,dc=example,dc=com",
            "refuses `bind_dn`",
        ),
    ] {
        door.reconfigure(|text| text.replace(from, to)).await;
        door.advance(MINUTE);
        let mut browser = door.browser();
        let reply = try_in(&mut browser, "dora", THERE).await;
        assert_eq!(reply.status, 503, "{to}: {}", browser.page);
        let recorded = door.audit("sign_in_refused").await;
        let reason = recorded[0]["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{to}: {reason}");
        let directory = ldap_of(&door);
        let seen = directory.examine().await;
        let (_, last) = seen.last().unwrap();
        assert!(
            last.as_ref().unwrap_err().to_string().contains(why),
            "{to}: {last:?}"
        );
    }
    assert!(!slapd.was_followed().await);
    door.reconfigure(ToOwned::to_owned).await;
    let directory = ldap_of(&door);
    let seen = directory.examine().await;
    assert!(seen[0].1.is_err() && seen[1].1.is_ok(), "{seen:?}");
}

/// Who has an authenticator app is asked for its code, whoever knows the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_is_asked_for_after_the_password_of_a_directory() {
    let slapd = Slapd::start().await;
    let mut door = Door::with(slapd.plan(OPEN)).await;
    sign_in(&door, "ana+corp").await;
    let store = door.running().house.foundation.store.clone();
    let subject = store.identities().await.unwrap()[0].name.subject.clone();
    door.operate(&["identity", "unlink", "--issuer", "corp", "--subject", &subject])
        .await
        .unwrap();
    door.operate(&[
        "identity",
        "link",
        "ana",
        "--issuer",
        "corp",
        "--subject",
        &subject,
    ])
    .await
    .unwrap();
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    let secret = browser.add_totp(&door).await;
    door.advance(MINUTE);
    door.reconfigure(|text| text.replace("sign_in:\n", "sign_in:\n  passwords: false\n"))
        .await;
    let mut browser = door.browser();
    let reply = try_in(&mut browser, "ana", THERE).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let asked = browser.page.clone();
    assert_eq!(
        browser.get("/account").await.location(),
        "/sign-in/account",
        "not in yet"
    );
    browser.page = asked;
    let reply = browser.second("code", &code(&secret, &door)).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    assert_eq!(
        door.audit("signed_in").await[0]["method"],
        json!("directory:corp+totp")
    );
}

/// An operator's link: an id however it is written, and one of each directory for an account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_linked_as_a_sign_in_writes_it() {
    let slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(OPEN)).await;
    let store = door.running().house.foundation.store.clone();
    let (loud, quiet) = (
        "3F2504E04F8941D39A0C0305E82C3301",
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    );
    let words = |what: &'static str, subject: &'static str| {
        let mut words = vec!["identity", what, "--issuer", "corp", "--subject", subject];
        if what == "link" {
            words.push("ben");
        }
        words
    };
    door.operate(&words("link", loud)).await.unwrap();
    let identities = store.identities_of(door.account("ben").await).await.unwrap();
    assert_eq!(identities[0].name.subject, quiet);
    let other = "00000000-4f89-41d3-9a0c-0305e82c3301";
    let refused = door.operate(&words("link", other)).await.unwrap_err();
    assert!(refused.to_string().contains("unlink that one first"), "{refused}");
    door.operate(&words("unlink", loud)).await.unwrap();
    door.operate(&words("link", other)).await.unwrap();
}
