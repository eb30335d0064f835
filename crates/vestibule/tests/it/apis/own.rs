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

/// CC-107: what brings another credential, or says for whom to act, passes in no form, however it is spelled and whether the
/// door holds it or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_acts_for_somebody_else_by_a_body() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let (door, api) = opened(&accounts).await;
    crate::connections::connect(&door, "ana", ANAS).await;
    let mine = token(&door, "ana").await;
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let part = "--x\r\nContent-Disposition: form-data; name='[sudo]'\r\n\r\nroot\r\n--x--\r\n";
    let long = "x".repeat(100_000);
    let send = |method: &str, content_type: &str, body: &str| {
        Ask::new(method, "/api/forge/echo/x")
            .bearer(&mine)
            .with("content-type", content_type)
            .body(body.to_owned())
    };
    for method in ["POST", "PUT", "PATCH"] {
        for (content_type, body) in [
            (form, "sudo=root"),
            (form, "a=1&%5Bsudo%5D=root"),
            (form, &format!("a={long}&token=x")),
            (form, &format!("{}sudo=root", "+".repeat(100))),
            ("multipart/form-data; boundary=x", part),
            (json, r#"{"a":[],"sudo":"root"}"#),
            (json, &format!(r#"{{"a":"{long}","\u0073udo":"root"}}"#)),
        ] {
            let reply = door.ask(send(method, content_type, body)).await;
            assert_eq!(
                (reply.status, reply.error().as_str()),
                (400, "refused_query"),
                "{method} {content_type} {body:.100}"
            );
        }
    }
    // The long ones had begun to arrive, and were not whole.
    assert!(api.take_requests().len() <= 6);
    // Nothing makes a form something else to the API than it is here.
    for hidden in [
        send("POST", form, "sudo=root").with("content-type", "text/plain"),
        send("POST", form, "sudo=root").with("content-encoding", "gzip"),
        send("POST", json, "{}").with("content-encoding", "br"),
        send("POST", "application/x-www-form-urlencoded; charset=ibm037", "x"),
    ] {
        let reply = door.ask(hidden).await;
        assert_eq!((reply.status, reply.error().as_str()), (400, "ambiguous_body"));
    }
    assert!(api.take_requests().is_empty());
    for fine in [
        send("POST", form, "a=sudo&tokens=1"),
        send("POST", json, r#"{"a":{"sudo":"root"}}"#),
        send("POST", "application/x-git-upload-pack-request", "\x1f").with("content-encoding", "gzip"),
        send("POST", "application/octet-stream", "&sudo=root"),
    ] {
        assert_eq!(door.ask(fine).await.status, 200);
    }
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
