//! Linking and unlinking on the account page.

use serde_json::json;

use super::{OPEN, ana, ana_with};
use crate::rig::accounts::Accounts;
use crate::rig::provider::{self, Provider};
use crate::rig::{Browser, Door, Plan};

async fn begin(browser: &mut Browser<'_>) -> String {
    browser.get("/account").await;
    let form = browser.form("/account/company/corp/link");
    browser.submit(&form).await.location().to_owned()
}

/// OS-46: an owner who is signed in links who they are at the provider, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_links_and_unlinks() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("groups: { dev: developers }")).await {
        let engine = door.engine();
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        let away = begin(&mut eve).await;
        let reply = eve.get(&provider.approve(&door, &away, &ana())).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/account"),
            "{engine}: {}",
            eve.page
        );
        eve.get("/account").await;
        assert!(
            eve.page.contains("linked") && eve.page.contains("developers"),
            "{engine}: {}",
            eve.page
        );
        let linked = &door.audit("identity_linked").await[0];
        assert_eq!(
            (&linked["made"], &linked["username"]),
            (&json!(false), &json!("eve")),
            "{engine}"
        );
        let reply = door.browser().sign_in_at(&door, &provider, &ana()).await;
        assert_eq!(reply.status, 303, "{engine}");
        assert_eq!(
            door.audit("signed_in").await[0]["username"],
            json!("eve"),
            "{engine}"
        );

        // It is eve's, so it does not become ben's; and ben's own does not become eve's second.
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        let away = begin(&mut ben).await;
        let reply = ben.get(&provider.approve(&door, &away, &ana())).await;
        assert_eq!(reply.status, 403, "{engine}: {}", ben.page);
        assert!(
            ben.page.contains("belongs to another account"),
            "{engine}: {}",
            ben.page
        );

        // Unlinked by its owner, who has a password.
        eve.get("/account").await;
        let form = eve.form("/account/company/corp/unlink");
        assert_eq!(eve.submit(&form).await.location(), "/account", "{engine}");
        assert_eq!(eve.submit(&form).await.status, 409, "{engine}: once");
        assert_eq!(door.audit("identity_unlinked").await.len(), 1, "{engine}");
        assert_eq!(
            door.browser().sign_in_at(&door, &provider, &ana()).await.status,
            403,
            "{engine}"
        );
        eve.get("/account").await;
        assert!(
            !eve.page.contains("developers"),
            "{engine}: the groups went with it"
        );
    }
}

/// Whoever signed in meanwhile in the same browser gets nothing linked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_for_the_session_that_began_it() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    let mut browser = door.browser();
    browser.sign_in("eve").await;
    let away = begin(&mut browser).await;
    browser.cookies.retain(|name, _| !name.ends_with("session"));
    browser.sign_in("ben").await;
    let reply = browser.get(&provider.approve(&door, &away, &ana())).await;
    assert_eq!(reply.location(), "/sign-in");
    assert!(door.audit("identity_linked").await.is_empty());
    // Without the form's token nothing begins.
    browser.get("/account").await;
    let form = browser.form("/account/company/corp/link").set("token", "");
    assert_eq!(browser.submit(&form).await.status, 403);
    // Giving up leads back to the account, with a sentence.
    let away = begin(&mut browser).await;
    let back = provider
        .approve(&door, &away, &ana())
        .replace("code=", "error=access_denied&x=");
    let reply = browser.get(&back).await;
    assert_eq!(reply.status, 200);
    assert!(
        browser
            .page
            .contains("did not finish signing in with Example corp"),
        "{}",
        browser.page
    );
}

/// Nobody takes their last way in away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_way_in_stays() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let plan = provider::plan(&[provider.section("corp", OPEN), other.section("other", "")], "");
    for mut door in Door::each(plan).await {
        let engine = door.engine();
        let mut browser = door.browser();
        browser.sign_in_at(&door, &provider, &ana()).await;
        browser.get("/account").await;
        assert!(
            browser.page.contains("your only way"),
            "{engine}: {}",
            browser.page
        );
        assert!(
            !browser.page.contains("/account/password"),
            "{engine}: there is none to change"
        );
        let token = browser
            .form("/account/company/other/link")
            .field("token")
            .unwrap()
            .to_owned();
        let unlink = crate::rig::browser::Form {
            action: "/account/company/corp/unlink".to_owned(),
            fields: vec![("token".to_owned(), token)],
        };
        assert_eq!(browser.submit(&unlink).await.status, 409, "{engine}");
        // With a second provider the first may go, and then the second may not.
        browser.get("/account").await;
        let link = browser.form("/account/company/other/link");
        let away = browser.submit(&link).await.location().to_owned();
        let there = ana_with("sub", json!("elsewhere"));
        assert_eq!(
            browser.get(&other.approve(&door, &away, &there)).await.location(),
            "/account",
            "{engine}"
        );
        assert_eq!(browser.submit(&unlink).await.status, 303, "{engine}");
        let second = crate::rig::browser::Form {
            action: "/account/company/other/unlink".to_owned(),
            ..unlink
        };
        assert_eq!(browser.submit(&second).await.status, 409, "{engine}");

        // A password is no way in where passwords are off.
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        let away = begin(&mut eve).await;
        eve.get(&provider.approve(&door, &away, &ana())).await;
        eve.get("/account").await;
        let form = eve.form("/account/company/corp/unlink");
        let cookies = eve.cookies.clone();
        door.reconfigure(|text| text.replace("sign_in:", "sign_in:\n  passwords: false"))
            .await;
        let mut eve = door.browser();
        eve.cookies = cookies;
        assert_eq!(eve.submit(&form).await.status, 409, "{engine}");
    }
}

/// Proof of identity for who came from the company: called `ana+corp` here, and `ana` at the provider of a connector. Whoever
/// has such a name without being of the company is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_the_company_proves_who_somebody_is_elsewhere() {
    let (provider, accounts) = (Provider::start().await, Accounts::start().await);
    accounts.give("ana-s3cret", "ana");
    accounts.give("ben-s3cret", "ben");
    let own = accounts.plan();
    let from = "match: username";
    assert!(own.config.contains(from));
    let config = own.config.replace(from, "match: username, provider: corp");
    let door = Door::with(Plan {
        config: format!("{}{config}", provider.plan(OPEN).config),
        files: provider.plan(OPEN).files,
        ..own
    })
    .await;
    let mut company = door.browser();
    company.sign_in_at(&door, &provider, &ana()).await;
    door.add_person("ben+corp", &["developers"]).await;
    let mut ben = door.browser();
    ben.sign_in("ben+corp").await;
    for (is_company, token, status) in [
        (true, "ben-s3cret", 403),
        (true, "ana-s3cret", 200),
        (false, "ben-s3cret", 403),
    ] {
        let browser = if is_company { &mut company } else { &mut ben };
        browser.get("/connect?to=forge").await;
        let form = browser.form("/connect").set("credential", token);
        let reply = browser.submit(&form).await;
        assert_eq!(reply.status, status, "{token}: {}", reply.body);
    }
    // Whose name is the same without any company, as before.
    let mut local = door.browser();
    local.sign_in("ana").await;
    local.get("/connect?to=forge").await;
    let form = local.form("/connect").set("credential", "ana-s3cret");
    assert_eq!(local.submit(&form).await.status, 200);
}
