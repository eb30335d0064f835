//! Factors beyond the password, on both databases.

mod assurance;
mod codes;
mod passkeys;
pub(crate) mod step_up;
mod step_up_providers;

use crate::rig::{Browser, Door, PASSWORD, Plan, Reply};

/// A door with a name, as passkeys need one.
fn named() -> Plan {
    Plan {
        public_url: Some("https://gw.example.com".to_owned()),
        ..Plan::default()
    }
}

/// Signs in with the password, up to what comes then.
async fn password(browser: &mut Browser<'_>, username: &str) -> Reply {
    browser.get("/sign-in").await;
    browser.fill_in(username, PASSWORD).await
}

/// Whether somebody is signed in.
async fn is_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/account").await.status == 200
}

/// The latest refusal that the record has.
async fn refusal(door: &Door) -> String {
    let refused = door.audit("sign_in_refused").await;
    refused[0]["reason"].as_str().unwrap_or_default().to_owned()
}
