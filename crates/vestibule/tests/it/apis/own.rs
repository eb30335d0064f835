//! Everybody's own credential, at an API (CC-105, CC-107).

use fixture::HttpApi;
use net::Tasks;

use super::{ask, token};
use crate::rig::accounts::Accounts;
use crate::rig::{Ask, Door, PASSWORD, Plan};

const ANAS: &str = "ana-s3cret-t0ken-of-the-forge";

async fn opened(accounts: &Accounts) -> (Door, HttpApi) {
    let api = HttpApi::start(&[&format!("token {ANAS}")], Tasks::new())
        .await
        .unwrap();
    let servers = format!(
        "  forge:\n    kind: api\n    upstream: {}\n    basic: true\n    allow: [{{ groups: [developers], requests: all }}]\n    credential: {{ connector: forge, headers: {{ Authorization: \"token ${{connection}}\" }}, strip: [Sudo], refuse_query: [sudo, token] }}\n",
        api.url()
    );
    let door = Door::with(Plan {
        servers,
        ..accounts.plan()
    })
    .await;
    (door, api)
}

/// From a refusal with a link to the same request, as that person; the provider's token is nowhere to be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_not_connected_is_given_the_link() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let (door, api) = opened(&accounts).await;
    let mine = token(&door, "ana").await;
    let reply = ask(&door, &mine, "GET", "/echo/x").await;
    assert_eq!((reply.status, reply.error().as_str()), (403, "connection_needed"));
    let link = reply.json()["connect"].as_str().unwrap().to_owned();
    assert!(
        reply.json()["error_description"]
            .as_str()
            .unwrap()
            .contains(&link)
    );
    let git = Ask::get("/api/forge/x/info/refs")
        .bearer(&mine)
        .with("user-agent", "git/2.47");
    let shown = door.ask(git).await;
    assert!(
        shown.status == 403 && shown.body.contains("Connect your Forge account first"),
        "{shown:?}"
    );
    assert!(
        api.take_requests().is_empty(),
        "nothing goes without a credential"
    );

    let mut browser = door.browser();
    browser.get(link.strip_prefix(&door.url).unwrap()).await;
    let reply = browser.fill_in("ana", PASSWORD).await;
    let next = reply.location().to_owned();
    browser.get(&next).await;
    let form = browser.form("/connect").set("credential", ANAS);
    browser.submit(&form).await;

    let reply = ask(&door, &mine, "GET", "/echo/x").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let sent = Ask::new("POST", "/api/forge/echo/x")
        .bearer(&mine)
        .with("sudo", "root")
        .body("x");
    let echoed = door.ask(sent).await.json();
    let shown = api.take_requests();
    assert_eq!(
        shown[0].header("authorization"),
        Some(format!("token {ANAS}").as_str())
    );
    assert!(
        !echoed.to_string().contains("sudo") && !echoed.to_string().contains(&mine),
        "{echoed}"
    );
    for query in ["sudo=root", "token=x", "a=1&%73udo=root"] {
        let reply = ask(&door, &mine, "GET", &format!("/echo/x?{query}")).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "refused_query"),
            "{query}"
        );
    }
    let rows = door
        .calls_recorded(|rows| rows.iter().any(|row| row["upstream_account"].is_string()))
        .await;
    assert!(!format!("{rows:?}").contains(ANAS));
}

/// A credential that the provider does not take any more is asked for again, and nobody is told to sign in at the door.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_ended_is_connected_again() {
    let accounts = Accounts::start().await;
    let other = "another-t0ken-of-the-forge";
    accounts.give(other, "ana");
    let (door, api) = opened(&accounts).await;
    crate::connections::connect(&door, "ana", other).await;
    let mine = token(&door, "ana").await;
    // The API does not know it, the provider does.
    let reply = ask(&door, &mine, "GET", "/echo/x").await;
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (403, "upstream_forbidden"),
        "{reply:?}"
    );
    accounts.take_back(other);
    let reply = ask(&door, &mine, "POST", "/echo/x").await;
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (403, "connection_needed"),
        "{reply:?}"
    );
    assert!(!api.take_requests().is_empty());
}
