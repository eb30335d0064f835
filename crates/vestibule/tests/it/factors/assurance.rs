//! How somebody proved who they are, from the sign-in to what programs and servers are told.

use std::time::Duration;

use serde_json::{Value, json};

use super::named;
use crate::rig::app::claims;
use crate::rig::authenticator::{Device, code};
use crate::rig::{App, Ask, Browser, Door, Plan, Tokens};

const STEP: Duration = Duration::from_secs(30);
const MFA: &str = "https://refeds.org/profile/mfa";

/// A door whose server's tokens a client may ask about.
fn plan() -> Plan {
    Plan {
        config: "clients:\n  portal: { name: Portal, secret_file: portal-secret, redirect_uris: [\"https://portal.example/cb\"] }"
            .to_owned(),
        server: "    introspection_clients: [portal]".to_owned(),
        files: vec![("portal-secret", "the secret of the portal, long enough".to_owned())],
        ..named()
    }
}

/// What a browser that is signed in gets for a program, and the program.
async fn tokens(door: &Door, browser: &mut Browser<'_>) -> (App, Tokens) {
    let app = door.app().await;
    let target = app.authorize(&[("scope", "mcp openid offline_access")]);
    let back = browser.approve(&target, "ana").await;
    let reply = app.redeem(&crate::rig::app::code_of(&back)).await;
    (app, Tokens::of(&reply))
}

/// What is said of a proof: by an access token, an ID token and introspection.
async fn said(door: &Door, tokens: &Tokens) -> Value {
    let form = Ask::form(
        "/introspect",
        &[
            ("token", &tokens.access),
            ("client_id", "portal"),
            ("client_secret", "the secret of the portal, long enough"),
        ],
    )
    .with("host", door.host());
    let introspected = door.ask(form).await.json();
    let id_token = claims(tokens.all["id_token"].as_str().unwrap());
    let of = |claims: &Value| json!([claims["acr"], claims["amr"], claims["auth_time"]]);
    let said = of(&tokens.claims());
    assert_eq!(of(&id_token), said);
    assert_eq!(of(&introspected), said, "{introspected}");
    said
}

/// RFC 9068 section 2.2.1, OpenID Connect Core sections 2 and 12.2, RFC 9470 section 6.2: what programs are told is what the
/// person proved at the sign-in that was consented to, and refreshing makes it neither newer nor better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_120_acr_amr_and_auth_time_travel_from_the_sign_in_to_tokens() {
    for door in Door::each(plan()).await {
        let engine = door.engine();
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        let at = door.world.now().as_seconds();
        let (app, first) = tokens(&door, &mut browser).await;
        assert_eq!(said(&door, &first).await, json!([null, ["pwd"], at]), "{engine}");
        let secret = browser.add_totp(&door).await;
        door.advance(STEP);

        let mut other = door.browser();
        super::password(&mut other, "ana").await;
        other.second("code", &code(&secret, &door)).await;
        let later = door.world.now().as_seconds();
        let (app_of_two, two) = tokens(&door, &mut other).await;
        let proved = json!([MFA, ["pwd", "otp", "mfa"], later]);
        assert_eq!(said(&door, &two).await, proved, "{engine}");

        let mut device = Device::new(&door);
        other.add_passkey(&mut device, "Phone").await;
        let mut third = door.browser();
        third.get("/sign-in").await;
        third.use_passkey(&mut device).await;
        let (_, passkey) = tokens(&door, &mut third).await;
        let proved_by_passkey = json!(["phr", ["pop", "user", "mfa"], later]);
        assert_eq!(said(&door, &passkey).await, proved_by_passkey, "{engine}");

        door.advance(Duration::from_mins(10));
        let refreshed = Tokens::of(&app_of_two.refresh(&two.refresh).await);
        assert_eq!(said(&door, &refreshed).await, proved, "{engine}");
        let refreshed = Tokens::of(&app.refresh(&first.refresh).await);
        assert_eq!(
            said(&door, &refreshed).await,
            json!([null, ["pwd"], at]),
            "{engine}: a factor that came later"
        );
        let payload = passkey.access.split('.').nth(1).unwrap().len() * 3 / 4;
        assert!(payload < 800, "{engine}: claims of {payload} bytes");
    }
}
