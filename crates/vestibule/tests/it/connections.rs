//! Connections: everybody's own credential at a provider, on both databases.

mod attacks;
pub(crate) mod client_key;
mod discovering;
mod ending;
mod eras;
mod failing;
mod first;
mod oauth;
mod quirks;
mod registering;
mod renewing;

use serde_json::{Value, json};

use crate::rig::accounts::Accounts;
use crate::rig::door::call;
use crate::rig::{Browser, Door, PASSWORD, Reply, eventually};

/// What no page, answer, log, record or file may ever hold.
const ANAS: &str = "ana-s3cret-t0ken-of-the-forge";
const BENS: &str = "ben-s3cret-t0ken-of-the-forge";

async fn call_own(door: &Door, token: &str) -> Reply {
    door.ask(call("own", "echo_headers", json!({})).bearer(token))
        .await
}

/// The text of a tool's answer, and whether it is marked as an error.
fn said(reply: &Reply) -> (String, bool) {
    assert_eq!(reply.status, 200, "{reply:?}");
    let result = &reply.json()["result"];
    let text = result["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (text, result["isError"] == Value::Bool(true))
}

/// The address in a text, as the door's own browser opens it.
fn link(door: &Door, text: &str) -> String {
    let start = text
        .find(&format!("{}/connect?", door.url))
        .unwrap_or_else(|| panic!("no link: {text}"));
    let link = text[start..].split([' ', '"']).next().unwrap();
    link.strip_prefix(&door.url).unwrap().to_owned()
}

/// Types a token into the form of the last page.
async fn type_in(browser: &mut Browser<'_>, token: &str) -> Reply {
    let form = browser.form("/connect").set("credential", token);
    let reply = browser.submit(&form).await;
    assert!(!reply.body.contains(token), "the page shows the token");
    reply
}

/// Connects somebody by their own page.
pub(crate) async fn connect(door: &Door, username: &str, token: &str) {
    let mut browser = door.browser();
    browser.sign_in(username).await;
    browser.get("/connect?to=forge").await;
    let reply = type_in(&mut browser, token).await;
    assert!(reply.body.contains("Forge is connected"), "{}", reply.body);
}

/// CC-105, CC-107, CC-112, MA-58, MA-59, MA-61, MA-62: a call says where to connect, the person types a token once, the
/// same call works, as that person and as nobody else; what was typed is nowhere to be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_call_to_a_connection_to_the_same_call() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    accounts.give(BENS, "Ben");
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let [ana, ben] = door.tokens_for("own", ["ana", "ben"]).await;
        let (text, is_error) = said(&call_own(&door, &ana).await);
        assert!(
            is_error && text.starts_with("Connect your Forge account first"),
            "{engine}: {text}"
        );
        assert!(
            door.upstream.take_requests().is_empty(),
            "{engine}: the call went on"
        );

        // Not signed in: the link survives the sign-in.
        let mut browser = door.browser();
        let reply = browser.get(&link(&door, &text)).await;
        assert_eq!(reply.status, 200, "{engine}");
        let reply = browser.fill_in("ana", PASSWORD).await;
        let next = reply.location().to_owned();
        browser.get(&next).await;
        assert!(
            browser.page.contains("https://forge.example/tokens"),
            "{engine}: {}",
            browser.page
        );
        let reply = type_in(&mut browser, ANAS).await;
        assert_eq!(reply.status, 200, "{engine}");
        assert!(
            reply.body.contains("You are connected as ana"),
            "{engine}: {}",
            reply.body
        );

        let reply = door
            .ask(
                call("own", "echo_headers", json!({}))
                    .bearer(&ana)
                    .with("x-login", "root"),
            )
            .await;
        let (text, is_error) = said(&reply);
        assert!(!is_error && !text.contains(&ana), "{engine}: {text}");
        let sent = door.upstream.take_requests();
        let headers = &sent.last().unwrap().headers;
        let all = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(all("authorization"), [format!("token {ANAS}")], "{engine}");
        assert_eq!(
            all("x-login"),
            ["ana"],
            "{engine}: the caller's own copy is dropped"
        );

        // Ben is somebody else.
        let (text, is_error) = said(&call_own(&door, &ben).await);
        assert!(
            is_error && text.contains("Connect your Forge account"),
            "{engine}: {text}"
        );
        connect(&door, "ben", BENS).await;
        said(&call_own(&door, &ben).await);
        let sent = door.upstream.take_requests();
        let shown = sent.last().unwrap().headers["authorization"].clone();
        assert_eq!(shown, format!("token {BENS}"), "{engine}");

        // CC-112: as whom, by which program, for what.
        let calls = door
            .calls_recorded(|rows| rows.iter().any(|row| row["upstream_account"] == "Ben"))
            .await;
        assert!(
            calls
                .iter()
                .any(|row| row["username"] == "ana" && row["upstream_account"] == "ana"),
            "{engine}: {calls:?}"
        );
        assert_eq!(door.audit("connection_made").await.len(), 2, "{engine}");
        eventually(async || {
            browser.get("/connections").await;
            let page = &browser.page;
            if page.contains("as ana") && page.contains("Test program, echo_headers") {
                Ok(())
            } else {
                Err(page.clone())
            }
        })
        .await;

        nowhere_to_be_read(&door, &mut browser).await;
    }
}

/// What was typed is in no page, no command's answer, no record, no export and no file of the door's.
async fn nowhere_to_be_read(door: &Door, browser: &mut Browser<'_>) {
    for page in ["/connections", "/connect?to=forge", "/account", "/"] {
        browser.get(page).await;
        assert!(!browser.page.contains(ANAS), "{page}");
    }
    for words in [
        &["connection", "list"][..],
        &["connection", "list", "--user", "ana"],
        &["audit", "list", "--limit", "500"],
        &["user", "show", "ana"],
    ] {
        let answer = format!("{:?}", door.operate(words).await.unwrap());
        assert!(!answer.contains(ANAS) && !answer.contains(BENS), "{words:?}");
    }
    let mut text = String::new();
    let store = &door.running().house.foundation.store;
    store
        .export(&mut |line| {
            text.push_str(line);
            Ok(())
        })
        .await
        .unwrap();
    assert!(text.contains("\"connections\""), "the backup has the table");
    assert!(!text.contains(ANAS), "the backup holds it in the open");
    let mut folders = vec![door.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let found = bytes.windows(ANAS.len()).any(|part| part == ANAS.as_bytes());
                assert!(!found, "{} holds it", path.display());
            }
        }
    }
}

/// The page has something to say to whom nothing is offered, and nobody can connect what they cannot use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_use_no_such_server_connects_nothing() {
    let accounts = Accounts::start().await;
    accounts.give("eves-token", "eve");
    let door = Door::with(accounts.plan()).await;
    let mut browser = door.browser();
    browser.sign_in("eve").await;
    browser.get("/connections").await;
    assert!(browser.page.contains("None of the servers"), "{}", browser.page);
    let reply = browser.get("/connect?to=forge").await;
    assert_eq!(reply.status, 404, "{}", browser.page);
    assert!(browser.page.contains("connector_unknown"));
    assert_eq!(accounts.asked(), 0);
}

/// A connector that cannot work is refused when the file is read, with the key and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_cannot_work_is_refused() {
    let accounts = Accounts::start().await;
    let mut door = Door::with(accounts.plan()).await;
    for (from, to, said) in [
        (
            "connector: forge",
            "connector: forget",
            "there is no connector called forget",
        ),
        (
            "personal_token: { hint: the right to read repositories, help_url: \"https://forge.example/tokens\" }",
            "",
            "offers no way",
        ),
        ("name: /login, ", "", "who_am_i.name"),
        ("id: /id", "id: id", "is no JSON pointer"),
        (
            "Authorization: \"token ${connection}\", X-Login: \"${connection.name}\"",
            "X-A: \"b\"",
            "",
        ),
        (
            "Authorization: \"Bearer ${file:credential}\"",
            "Authorization: \"Bearer ${connection}\"",
            "needs a connector",
        ),
        ("match: username", "match: linked_subject", "needs a `provider`"),
        (
            "who_am_i: { url: \"http://127.0.0.1",
            "who_am_i: { url: \"http://192.0.2.1",
            "must be an https URL",
        ),
    ] {
        let outcome = door
            .try_reconfigure(|text| {
                assert!(text.contains(from), "{from}");
                text.replace(from, to)
            })
            .await;
        match outcome {
            Ok(()) => assert_eq!(said, "", "{to} was taken"),
            Err(error) => assert!(!said.is_empty() && error.contains(said), "{error}"),
        }
    }
}
