//! Rule 9 of the house: each reference that somebody is shown leads whoever helps them to what happened, with the settings that
//! nobody has changed: in the log, or in the audit record.

use serde_json::json;

use crate::rig::process::Process;
use crate::rig::provider::{self, Provider};
use crate::rig::{Ask, Door, Plan, Reply, door, eventually};

async fn in_log(server: &Process, reference: &str, what: &str) {
    eventually(async || {
        let log = server.log();
        match log.lines().find(|line| line.contains(reference)) {
            Some(line) if line.contains(what) => Ok(()),
            line => Err(format!("no {what} with {reference}: {line:?} in {log}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_of_pages_and_of_oauth_errors_are_in_the_log() {
    let provider = Provider::start().await;
    let sections = [provider.section("corp", "accounts: create")];
    let mut door = Door::with(provider::plan(&sections, "passwords: false")).await;
    provider.is_down(true);
    let app = door.app().await;
    door.stop().await;
    let server = Process::start(&door.config_file(), door.address).await;
    let ask = async |ask: Ask| -> Reply { ask.with("host", door.host()).to(server.address).await };
    let token = |fields: &[(&str, &str)]| Ask::form("/token", fields);
    for (asked, status, error) in [
        (token(&[("client_id", "nobody")]), 401, "invalid_client"),
        (
            token(&[
                ("client_id", &app.id),
                ("grant_type", "authorization_code"),
                ("code", "x"),
            ]),
            400,
            "invalid_grant",
        ),
        (
            token(&[
                ("client_id", &app.id),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ]),
            400,
            "invalid_grant",
        ),
        (
            Ask::json("/register", &json!({ "redirect_uris": ["http://a.example/"] })),
            400,
            "invalid_redirect_uri",
        ),
        (
            Ask::form("/device_authorization", &[("client_id", app.id.as_str())]),
            400,
            "unauthorized_client",
        ),
    ] {
        let reply = ask(asked).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (status, error),
            "{reply:?}"
        );
        let reference = reply.json()["reference"].as_str().unwrap().to_owned();
        in_log(&server, &reference, error).await;
    }
    let nobody = "/authorize?client_id=nobody&response_type=code";
    for (target, status, what) in [
        (nobody, 400, "unknown_client"),
        // What a person is not told stands beside the reference.
        (app.authorize(&[]).as_str(), 503, "corp cannot be asked"),
    ] {
        let page = ask(Ask::get(target)).await;
        assert_eq!(page.status, status, "{page:?}");
        let reference = page.body.split("<dt>Reference</dt><dd><code>").nth(1).unwrap();
        in_log(&server, reference.split('<').next().unwrap(), what).await;
    }
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_of_the_gateway_are_in_the_record() {
    let servers = "
  down:
    upstream: http://127.0.0.1:1/mcp
    allow: [{ groups: [developers], tools: all }]
";
    let plan = Plan {
        config: "quotas:\n  few: { per: [person], servers: [fixture], rate: 1/1h, burst: 1 }".to_owned(),
        servers: servers.to_owned(),
        ..Plan::default()
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        let (app, tokens) = door.signed_in("ana").await;
        let of = async |server: &str| {
            let mut app = app.clone();
            app.resource = format!("{}/mcp/{server}", door.url);
            app.sign_in(&door, "ana").await.access
        };
        let down = of("down").await;
        let list = |server: &str| door::modern(server, "prompts/list", json!({}));
        assert_eq!(door.ask(list("fixture").bearer(&tokens.access)).await.status, 200);
        let refused = [
            ("quota", list("fixture").bearer(&tokens.access), 429),
            (
                "method",
                Ask::new("PUT", "/mcp/fixture").bearer(&tokens.access),
                405,
            ),
            (
                "message",
                Ask::json("/mcp/fixture", &json!({}))
                    .bearer(&tokens.access)
                    .body("{"),
                400,
            ),
            ("upstream_unreachable", list("down").bearer(&down), 200),
        ];
        for (name, ask, status) in refused {
            let reply = door.ask(ask).await;
            assert_eq!(reply.status, status, "{engine} {name}: {reply:?}");
            let reference = reply.header("x-reference").unwrap().to_owned();
            let rows = door
                .calls_recorded(|rows| rows.iter().any(|row| row["id"] == reference.as_str()))
                .await;
            let row = rows.iter().find(|row| row["id"] == reference.as_str()).unwrap();
            assert!(row["reason"].is_string(), "{engine} {name}: {row}");
            assert_eq!(row["status"], status, "{engine} {name}: {row}");
        }
    }
}
