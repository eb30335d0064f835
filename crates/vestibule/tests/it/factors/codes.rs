//! Codes of an app, recovery codes, and what an administrator can do.

use std::time::Duration;

use serde_json::json;

use super::{is_in, named, password};
use crate::rig::authenticator::code;
use crate::rig::{Browser, Door, PASSWORD, Plan};

const STEP: Duration = Duration::from_secs(30);

/// The recovery codes on the page that shows them.
fn codes_on(page: &str) -> Vec<String> {
    let codes = page
        .split("<code>")
        .nth(1)
        .unwrap()
        .split("</code>")
        .next()
        .unwrap();
    codes.split_whitespace().map(str::to_owned).collect()
}

async fn make_codes(browser: &mut Browser<'_>) -> Vec<String> {
    browser.get("/account").await;
    let form = browser.form("/account/recovery-codes");
    browser.submit(&form).await;
    codes_on(&browser.page)
}

/// RFC 6238: from setting up an app to signing in with it, at the address of the request that asked, to a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_alone_signs_nobody_in_who_has_an_app() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let mut owner = door.browser();
        owner.sign_in("ana").await;
        let secret = owner.add_totp(&door).await;
        assert!(
            is_in(&mut owner).await,
            "{engine}: who sets it up stays signed in"
        );
        let changed = door.audit("factor_changed").await;
        assert_eq!(
            (
                &changed[0]["factor"],
                &changed[0]["change"],
                &changed[0]["username"]
            ),
            (&json!("totp"), &json!("added"), &json!("ana")),
            "{engine}"
        );
        door.advance(STEP);
        let app = door.app().await;
        let mut browser = door.browser();
        browser.get(&app.authorize(&[("state", "s&t=1")])).await;
        let reply = browser.fill_in("ana", PASSWORD).await;
        assert_eq!(reply.status, 200, "{engine}: {}", browser.page);
        assert!(
            !is_in(&mut browser.clone()).await,
            "{engine}: a password is not enough"
        );
        let wrong = browser.clone().second("code", "000000").await;
        assert_eq!(wrong.status, 403, "{engine}: {wrong:?}");
        let reply = browser.second("code", &code(&secret, &door)).await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        let next = reply.location().to_owned();
        assert!(
            next.starts_with("/authorize?") && next.contains("s%26t"),
            "{engine}: {next}"
        );
        browser.get(&next).await;
        let back = browser.answer("approve").await.location().to_owned();
        assert_eq!(
            app.redeem(&crate::rig::app::code_of(&back)).await.status,
            200,
            "{engine}"
        );
        assert_eq!(
            door.audit("signed_in").await[0]["method"],
            json!("password+totp"),
            "{engine}"
        );

        // The same code once more, in another browser.
        let mut other = door.browser();
        password(&mut other, "ana").await;
        let reply = other.second("code", &code(&secret, &door)).await;
        assert_eq!(reply.status, 403, "{engine}");
        assert!(!is_in(&mut other).await, "{engine}");
    }
}

/// What waits for the second factor is of the browser that began it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_browser_cannot_go_on_with_it() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let mut owner = door.browser();
        owner.sign_in("ana").await;
        let secret = owner.add_totp(&door).await;
        door.advance(STEP);
        let mut begun = door.browser();
        password(&mut begun, "ana").await;
        let ceremony = begun
            .form("/sign-in/second")
            .field("ceremony")
            .unwrap()
            .to_owned();
        // Somebody else has a form of their own, with a token that fits, and this ceremony.
        let mut other = door.browser();
        other.get("/sign-in").await;
        let token = other.form("/sign-in").field("token").unwrap().to_owned();
        other.page.clone_from(&begun.page);
        let code = code(&secret, &door);
        let form = other
            .form("/sign-in/second")
            .set("token", &token)
            .set("ceremony", &ceremony)
            .set("code", &code);
        let reply = other.submit(&form).await;
        assert_eq!(reply.status, 400, "{engine}: {}", other.page);
        assert!(!is_in(&mut other).await, "{engine}");
        let reply = begun.second("code", &code).await;
        assert_eq!(
            reply.status, 303,
            "{engine}: the right one still can: {}",
            begun.page
        );
        let again = begun.clone();
        assert_ne!(again.cookies.get("vestibule-session"), None, "{engine}");
    }
}

/// Each recovery code lets its owner in once; new ones replace all; none are made without another factor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_code_counts_once() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let mut owner = door.browser();
        owner.sign_in("ana").await;
        owner.add_totp(&door).await;
        let codes = make_codes(&mut owner).await;
        assert_eq!(codes.len(), 10, "{engine}: {}", owner.page);
        door.advance(Duration::from_secs(1));
        let mut browser = door.browser();
        password(&mut browser, "ana").await;
        let typed = codes[4].to_uppercase().replace('-', "");
        let reply = browser.second("recovery", &typed).await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        assert_eq!(
            door.audit("factor_changed").await[0]["change"],
            json!("used"),
            "{engine}"
        );
        let mut browser = door.browser();
        password(&mut browser, "ana").await;
        assert_eq!(
            browser.second("recovery", &codes[4]).await.status,
            403,
            "{engine}"
        );
        let newer = make_codes(&mut owner).await;
        assert_eq!(
            browser.second("recovery", &codes[5]).await.status,
            403,
            "{engine}"
        );
        assert_eq!(
            browser.second("recovery", &newer[5]).await.status,
            303,
            "{engine}"
        );
        // Nothing of it is in what is backed up or recorded.
        let shown = format!("{:?}", door.audit("factor_changed").await);
        assert!(!newer.iter().any(|code| shown.contains(code)), "{engine}");
    }
}

/// OS-44: whoever has the password has no more guesses than whoever has not; the owner's own browser does not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_44_guesses_at_codes_slow_down() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let mut owner = door.browser();
        owner.sign_in("ana").await;
        let secret = owner.add_totp(&door).await;
        door.advance(STEP);
        let mut thief = door.browser();
        password(&mut thief, "ana").await;
        let mut statuses = Vec::new();
        for _ in 0..8 {
            let reply = thief.second("code", "123123").await;
            statuses.push(reply.status);
        }
        assert_eq!(statuses[0], 403, "{engine}: {statuses:?}");
        assert_eq!(statuses[7], 429, "{engine}: {statuses:?}");
        let again = password(&mut door.browser(), "ana").await;
        assert_eq!(again.status, 429, "{engine}: the password waits with it");
        owner.get("/sign-in?x=1").await;
        owner.fill_in("ana", PASSWORD).await;
        let reply = owner.second("code", &code(&secret, &door)).await;
        assert_eq!(reply.status, 303, "{engine}: {}", owner.page);
    }
}

/// Ways in are changed by somebody who proved lately who they are; taking one away ends the other sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_factors_needs_a_fresh_proof() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let mut owner = door.browser();
        owner.sign_in("ana").await;
        let secret = owner.add_totp(&door).await;
        door.advance(11 * 60 * Duration::from_secs(1));
        for action in ["/account/totp/remove", "/account/recovery-codes"] {
            owner.get("/account").await;
            let form = owner.form(action);
            let reply = owner.submit(&form).await;
            assert_eq!(reply.status, 403, "{engine} {action}");
            assert!(
                owner.page.contains("sign in again"),
                "{engine} {action}: {}",
                owner.page
            );
        }
        let reply = owner.fill_in("ana", PASSWORD).await;
        assert_eq!(reply.status, 200, "{engine}");
        let reply = owner.second("code", &code(&secret, &door)).await;
        assert_eq!((reply.status, reply.location()), (303, "/account"), "{engine}");
        door.advance(STEP);
        let mut other = door.browser();
        password(&mut other, "ana").await;
        other.second("code", &code(&secret, &door)).await;
        assert!(is_in(&mut other).await, "{engine}");
        owner.get("/account").await;
        let form = owner.form("/account/totp/remove");
        assert_eq!(owner.submit(&form).await.status, 303, "{engine}");
        assert!(!is_in(&mut other).await, "{engine}: the other session is over");
        assert!(is_in(&mut owner).await, "{engine}");
        door.browser().sign_in("ana").await;
    }
}

/// A link for a new password does not go around the second factor; a reset by an administrator does, and ends sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_lets_somebody_in_who_lost_everything() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let nothing = door.operate(&["user", "reset-factors", "ana"]).await;
        assert!(nothing.is_err(), "{engine}");
        let mut owner = door.browser();
        owner.sign_in("ana").await;
        owner.add_totp(&door).await;
        make_codes(&mut owner).await;
        let shown = door.operate(&["user", "show", "ana"]).await.unwrap();
        let shown = format!("{shown:?}");
        for fact in [
            "\"totp\": Bool(true)",
            "\"recovery_codes\": Number(10)",
            "\"passkeys\": Number(0)",
        ] {
            assert!(shown.contains(fact), "{engine}: {shown}");
        }
        let link = door.operate(&["user", "invite", "ana"]).await.unwrap();
        let link = format!("{link:?}");
        let path = link.split("/invitation/").nth(1).unwrap();
        let path: String = path
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
            .collect();
        let mut reset = door.browser();
        reset.get(&format!("/invitation/{path}")).await;
        let form = reset
            .form("/invitation")
            .set("new", PASSWORD)
            .set("repeat", PASSWORD);
        let reply = reset.submit(&form).await;
        assert_eq!(reply.status, 200, "{engine}: {}", reset.page);
        assert!(reset.page.contains("/sign-in/second"), "{engine}: {}", reset.page);
        door.advance(Duration::from_secs(1));
        door.operate(&["user", "reset-factors", "ana"]).await.unwrap();
        let told = &door.audit("administration").await[0];
        assert_eq!(
            (&told["command"], &told["target"]),
            (&json!("user reset-factors"), &json!("ana")),
            "{engine}"
        );
        assert!(!is_in(&mut owner).await, "{engine}");
        door.browser().sign_in("ana").await;
    }
}
