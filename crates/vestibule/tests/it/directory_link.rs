//! Linking a directory on the account page, with the name and the password there: a real slapd, and a service that checks them.

use std::time::Duration;

use serde_json::json;

use crate::directory_refresh::provided;
use crate::directory_sign_in::{OPEN, sign_in, try_in};
use crate::rig::credential_service::CredentialService;
use crate::rig::slapd::{Slapd, THERE};
use crate::rig::{Browser, Door, Reply};

const MINUTE: Duration = Duration::from_mins(1);
const LINK: &str = "/account/company/corp/link";
const UNLINK: &str = "/account/company/corp/unlink";

async fn link(browser: &mut Browser<'_>, username: &str, password: &str) -> Reply {
    browser.get("/account").await;
    let form = browser
        .form(LINK)
        .set("username", username)
        .set("password", password);
    browser.submit(&form).await
}

/// An owner who is signed in links who they are in the directory, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_links_a_directory_and_takes_the_link_away() {
    let slapd = Slapd::start().await;
    for door in Door::each(slapd.plan("groups: { engineering: developers }")).await {
        let engine = door.engine();
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        let reply = link(&mut eve, "Dora", THERE).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/account"),
            "{engine}: {}",
            eve.page
        );
        assert_eq!(provided(&door, "eve").await, "developers", "{engine}");
        let linked = &door.audit("identity_linked").await[0];
        assert_eq!(
            (&linked["made"], &linked["username"], &linked["issuer"]),
            (&json!(false), &json!("eve"), &json!("ldap:corp")),
            "{engine}"
        );
        eve.get("/account").await;
        assert!(
            eve.page.contains("linked") && !eve.page.contains(LINK),
            "{engine}: {}",
            eve.page
        );
        assert_eq!(sign_in_as(&door, "dora").await, "eve", "{engine}");

        // She is eve's, so she does not become ben's; and another one does not become eve's second.
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        assert_eq!(link(&mut ben, "dora", THERE).await.status, 403, "{engine}");
        assert!(
            ben.page.contains("belongs to another account"),
            "{engine}: {}",
            ben.page
        );
        ben.get("/account").await;
        let form = ben.form(LINK).set("username", "emil").set("password", THERE);
        let mut second = door.browser();
        second.cookies.clone_from(&eve.cookies);
        eve.get("/account").await;
        let form = form.set("token", eve.form(UNLINK).field("token").unwrap());
        assert_eq!(
            second.submit(&form).await.status,
            403,
            "{engine}: {}",
            second.page
        );
        assert_eq!(door.audit("identity_linked").await.len(), 1, "{engine}");

        let form = eve.form(UNLINK);
        assert_eq!(eve.submit(&form).await.location(), "/account", "{engine}");
        assert_eq!(eve.submit(&form).await.status, 409, "{engine}: once");
        assert_eq!(door.audit("identity_unlinked").await.len(), 1, "{engine}");
        assert_eq!(
            provided(&door, "eve").await,
            "",
            "{engine}: the groups went with it"
        );
        assert_eq!(
            try_in(&mut door.browser(), "dora", THERE).await.status,
            403,
            "{engine}"
        );
    }
}

/// As whom somebody is in who signs in with this name of the directory.
async fn sign_in_as(door: &Door, username: &str) -> String {
    assert_eq!(try_in(&mut door.browser(), username, THERE).await.status, 303);
    let signed_in = door.audit("signed_in").await;
    let by_directory = |row: &&serde_json::Value| row["method"] == json!("directory:corp");
    let all: Vec<_> = signed_in.iter().filter(by_directory).collect();
    let [one] = all[..] else { panic!("one: {all:?}") };
    one["username"].as_str().unwrap().to_owned()
}

/// OS-44: a guess on the account page is a guess at the sign-in, and the other way round; and a directory that is away is nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_a_link_are_guesses_at_the_password() {
    let mut slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(OPEN)).await;
    let mut eve = door.browser();
    eve.sign_in("eve").await;
    slapd.stop().await;
    for _ in 0..6 {
        let reply = link(&mut eve, "dora", THERE).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("30")),
            "{}",
            eve.page
        );
        assert!(eve.page.contains("Example corp does not answer"), "{}", eve.page);
    }
    slapd.again().await;
    for username in ["dora", "DORA", "dora+corp"] {
        assert_eq!(link(&mut eve, username, "wrong").await.status, 403);
        assert!(
            eve.page.contains("The username or password is wrong"),
            "{}",
            eve.page
        );
        // Where it was typed: the form stays open, says why, and wants the password alone again.
        let (_, form) = eve.page.split_once("<details open>").expect("it is open");
        let (form, _) = form.split_once("</details>").unwrap();
        for there in [
            "id=\"corp-problem\"",
            "The username or password is wrong",
            "aria-describedby=\"corp-problem corp-hint\"",
            &format!("value=\"{username}\""),
        ] {
            assert!(form.contains(there), "{there}: {form}");
        }
        assert_eq!(eve.page.matches("role=\"alert\"").count(), 1, "{}", eve.page);
    }
    for _ in 0..2 {
        assert_eq!(try_in(&mut door.browser(), "dora", "wrong").await.status, 403);
    }
    let reply = link(&mut eve, "dora", THERE).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("1")),
        "{}",
        eve.page
    );
    assert_eq!(try_in(&mut door.browser(), "dora", THERE).await.status, 429);
    door.advance(MINUTE);
    assert_eq!(link(&mut eve, "dora", THERE).await.status, 303);
    assert!(
        door.audit("sign_in_refused")
            .await
            .iter()
            .any(|row| row["username"] == json!("eve"))
    );
    // Forgiven: the password was the owner's.
    assert_eq!(try_in(&mut door.browser(), "dora", "wrong").await.status, 403);
    assert_eq!(sign_in_as(&door, "dora").await, "eve");
}

/// Ways in are for good: an open browser is not enough, and neither is a form of another site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_links_a_directory_has_signed_in_lately() {
    let slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(OPEN)).await;
    let mut eve = door.browser();
    eve.sign_in("eve").await;
    eve.get("/account").await;
    let form = eve.form(LINK).set("username", "dora").set("password", THERE);
    assert_eq!(eve.submit(&form.clone().set("token", "")).await.status, 403);
    door.advance(11 * MINUTE);
    assert_eq!(eve.submit(&form).await.status, 403);
    assert!(eve.page.contains("sign in again"), "{}", eve.page);
    assert!(door.audit("identity_linked").await.is_empty());
    // Who has no other way in keeps this one.
    let mut dora = door.browser();
    assert_eq!(try_in(&mut dora, "dora", THERE).await.status, 303);
    dora.get("/account").await;
    assert!(
        dora.page.contains("your only way") && !dora.page.contains(UNLINK),
        "{}",
        dora.page
    );
    let mut form = eve_form(&door).await;
    form.action = UNLINK.to_owned();
    let token = dora
        .form("/account/totp/begin")
        .field("token")
        .unwrap()
        .to_owned();
    assert_eq!(dora.submit(&form.set("token", &token)).await.status, 409);
}

async fn eve_form(door: &Door) -> crate::rig::browser::Form {
    let mut eve = door.browser();
    eve.sign_in("eve").await;
    eve.get("/account").await;
    eve.form(LINK)
}

/// The same with a service, which says at once whose the password is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_links_who_they_are_to_a_service() {
    let service = CredentialService::start().await;
    for door in Door::each(service.plan(OPEN)).await {
        let engine = door.engine();
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        for _ in 0..4 {
            assert_eq!(link(&mut eve, "dora", "wrong").await.status, 403, "{engine}");
        }
        assert_eq!(
            link(&mut eve, "dora", THERE).await.status,
            303,
            "{engine}: {}",
            eve.page
        );
        assert_eq!(provided(&door, "eve").await, "developers", "{engine}");
        assert_eq!(sign_in_as(&door, "dora").await, "eve", "{engine}");
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        assert_eq!(link(&mut ben, "dora", THERE).await.status, 403, "{engine}");
        assert!(
            ben.page.contains("belongs to another account"),
            "{engine}: {}",
            ben.page
        );
        assert!(sign_in(&door, "emil").await.is_some(), "{engine}");
    }
}
