//! Connecting in the browser, at a provider that gives tokens out by OAuth.

use serde_json::json;

use super::{call_own, said};
use crate::rig::accounts::Accounts;
use crate::rig::app::query_of;
use crate::rig::door::call;
use crate::rig::{Browser, Door, Plan, Reply};

/// From the connect page to the provider; gives its address.
pub(super) async fn leave(browser: &mut Browser<'_>) -> String {
    browser.get("/connect?to=forge").await;
    let form = browser.form("/connect/leave");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    reply.location().to_owned()
}

/// All the way.
pub(super) async fn connect(door: &Door, accounts: &Accounts, username: &str) -> Reply {
    let mut browser = door.browser();
    browser.sign_in(username).await;
    let away = leave(&mut browser).await;
    let back = accounts.approve(&away, &door.url, username);
    browser.get(&back).await
}

/// CC-105, OS-46: with PKCE, in the browser that began it; the call is made with what the provider gave, and neither the
/// browser nor the program ever sees that. Disconnecting tells the provider.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_button_to_a_call() {
    let accounts = Accounts::start().await;
    for plan in [accounts.oauth_plan(), accounts.discovered_plan()] {
        let is_named = !plan.files.is_empty();
        for door in Door::each(plan).await {
            let engine = door.engine();
            let token = door.token_for("own").await;
            let mut browser = door.browser();
            browser.sign_in("ana").await;
            let away = leave(&mut browser).await;
            let query = query_of(&away);
            assert_eq!(query["code_challenge_method"], "S256", "{engine}");
            assert_eq!(
                query["redirect_uri"],
                json!(format!("{}/connect/callback/forge", door.url))
            );
            let mut back = accounts.approve(&away, &door.url, "ana");
            if is_named {
                assert_eq!(query["scope"], "read write", "{engine}");
            } else {
                back = format!("{back}&iss={}", accounts.url);
            }
            let reply = browser.get(&back).await;
            assert!(
                reply.body.contains("You are connected as ana"),
                "{engine}: {}",
                reply.body
            );
            assert!(!said(&call_own(&door, &token).await).1, "{engine}");
            let sent = door.upstream.take_requests();
            let shown = sent.last().unwrap().headers["authorization"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(shown.starts_with("token access-s3cret-"), "{engine}: {shown}");
            for page in ["/connections", "/connect?to=forge"] {
                browser.get(page).await;
                assert!(!browser.page.contains("s3cret"), "{engine}: {page}");
            }
            let listed = format!("{:?}", door.operate(&["connection", "list"]).await.unwrap());
            assert!(
                listed.contains("oauth") && !listed.contains("s3cret"),
                "{engine}: {listed}"
            );
            browser.get("/connections").await;
            let form = browser.form("/connections/disconnect");
            let reply = browser.submit(&form).await;
            let was_told = reply.body.contains("was told that it does not count any more");
            assert_eq!(was_told, is_named, "{engine}: {}", reply.body);
            assert_eq!(
                accounts
                    .revoked()
                    .iter()
                    .any(|token| token.starts_with("refresh-s3cret")),
                is_named || !accounts.revoked().is_empty()
            );
            assert!(said(&call_own(&door, &token).await).1, "{engine}");
        }
    }
}

/// OS-46, MA-139: an answer counts once, in the browser and the session that began it, at the address of the provider that
/// it left for; and what comes then must be theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_once_and_for_who_began() {
    let accounts = Accounts::start().await;
    let plan = accounts.oauth_plan();
    let other = plan
        .config
        .replace("connectors:", "")
        .replace("  forge:", "  other:")
        .replace("name: Forge", "name: Other");
    let servers = format!(
        "{}{}",
        plan.servers,
        plan.servers
            .replace("  own:", "  others:")
            .replace("connector: forge", "connector: other")
    );
    let plan = Plan {
        config: format!("{}{other}", plan.config),
        servers,
        ..plan
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        ben.get("/sign-in?x=1").await;
        let away = leave(&mut ana).await;
        let back = accounts.approve(&away, &door.url, "ana");
        accounts.token_requests();
        // Another browser, another provider's address, nobody's state.
        let elsewhere = back.replace("/callback/forge", "/callback/other");
        for (who, address) in [(&mut ben, &back), (&mut ana, &elsewhere)] {
            let reply = who.get(address).await;
            assert_eq!(reply.status, 400, "{engine}: {address}");
            assert!(reply.body.contains("connecting_gone"), "{engine}: {}", reply.body);
        }
        let swapped = back.replace("state=", "state=A");
        assert_eq!(ana.get(&swapped).await.status, 400, "{engine}");
        assert!(
            accounts.token_requests().is_empty(),
            "{engine}: a code was redeemed"
        );
        // The right one still counts, and once.
        let reply = ana.get(&back).await;
        assert!(
            reply.body.contains("You are connected as ana"),
            "{engine}: {}",
            reply.body
        );
        assert_eq!(ana.get(&back).await.status, 400, "{engine}: twice");

        // Somebody else's account at the provider.
        let away = leave(&mut ana).await;
        let back = accounts.approve(&away, &door.url, "ben");
        let reply = ana.get(&back).await;
        assert_eq!(reply.status, 403, "{engine}: {}", reply.body);
        let refused = door.audit("connection_refused").await;
        assert_eq!(refused[0]["reason"], "identity_mismatch", "{engine}");

        // Whoever gave up, or whose session ended meanwhile.
        let away = leave(&mut ana).await;
        let state = query_of(&away)["state"].as_str().unwrap().to_owned();
        let reply = ana
            .get(&format!(
                "/connect/callback/forge?error=access_denied&state={state}"
            ))
            .await;
        assert!(
            reply.body.contains("You did not finish at Forge"),
            "{engine}: {}",
            reply.body
        );
        let away = leave(&mut ana).await;
        let back = accounts.approve(&away, &door.url, "ana");
        ana.cookies.remove("vestibule-session");
        assert_eq!(ana.get(&back).await.status, 400, "{engine}");
    }
}

/// RFC 9207: where the provider names itself in every answer, an answer that names another, or nobody, is a mix-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_another_issuer_is_not_redeemed() {
    let accounts = Accounts::start().await;
    let door = Door::with(accounts.discovered_plan()).await;
    let mut ana = door.browser();
    ana.sign_in("ana").await;
    for iss in ["", "&iss=https://evil.example", "&iss=a&iss=b"] {
        let away = leave(&mut ana).await;
        let back = accounts.approve(&away, &door.url, "ana");
        accounts.token_requests();
        let reply = ana.get(&format!("{back}{iss}")).await;
        assert_eq!(reply.status, 400, "{iss}: {}", reply.body);
        assert!(
            accounts.token_requests().is_empty(),
            "{iss}: the code was redeemed"
        );
    }
    let token = door.token_for("own").await;
    let reply = door
        .ask(call("own", "echo_headers", json!({})).bearer(&token))
        .await;
    assert!(said(&reply).1);
}
