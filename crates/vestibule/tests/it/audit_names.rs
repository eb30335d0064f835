//! Clients are on record as they were called when they called.

use serde_json::{Value, json};
use vestibule::operator::Answer;

use crate::rig::process::done;
use crate::rig::{App, Ask, Door, Plan, Tokens};

/// A program that can change its registration.
async fn program(door: &Door, metadata: &Value) -> (App, Value) {
    let registered = door.ask(Ask::json("/register", metadata)).await.json();
    let app = App {
        id: registered["client_id"].as_str().unwrap().to_owned(),
        redirect_uri: App::CALLBACK.to_owned(),
        secret: registered["client_secret"].as_str().map(str::to_owned),
        resource: door.endpoint(),
        address: door.address,
        host: door.host().to_owned(),
    };
    (app, registered)
}

fn metadata(name: &str) -> Value {
    json!({
        "client_name": name, "redirect_uris": [App::CALLBACK], "token_endpoint_auth_method": "client_secret_post",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_renamed_or_removed_keeps_the_name_of_its_calls() {
    let plan = Plan {
        config: "audit: { durability: strict }".to_owned(),
        ..Plan::default()
    };
    for mut door in Door::each(plan).await {
        let (app, registered) = program(&door, &metadata("Claude")).await;
        let tokens = app.sign_in(&door, "ana").await;
        let call = async |door: &Door, tokens: &Tokens| {
            let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        };
        call(&door, &tokens).await;

        let mut renamed = metadata("Payroll");
        renamed["client_id"] = json!(app.id);
        let uri = registered["registration_client_uri"].as_str().unwrap();
        let put = Ask::new("PUT", uri.strip_prefix(&door.url).unwrap())
            .with("content-type", "application/json")
            .body(renamed.to_string())
            .bearer(registered["registration_access_token"].as_str().unwrap());
        assert_eq!(door.ask(put).await.status, 200);
        // The token is one of the time before.
        call(&door, &tokens).await;
        let tokens = Tokens::of(&app.refresh(&tokens.refresh).await);
        call(&door, &tokens).await;
        // A server that was just started knows it too.
        door.restart().await;
        call(&door, &tokens).await;
        let named = |rows: &[Value], name: &str| {
            let ours = rows.iter().filter(|row| row["client_name"] == name);
            let ours: Vec<_> = ours.map(|row| row["client_vouched_by"].clone()).collect();
            assert!(ours.iter().all(|by| by == "nobody"), "{rows:?}");
            ours.len()
        };
        let rows = door.calls_recorded(|rows| rows.len() == 4).await;
        assert_eq!(
            (named(&rows, "Claude"), named(&rows, "Payroll")),
            (2, 2),
            "{}: {rows:?}",
            door.engine()
        );
        let details = rows.iter().find(|row| row["client_name"] == "Claude").unwrap()["details"].clone();
        assert!(
            details.as_str().unwrap().contains("client=Claude (unverified)"),
            "{details}"
        );

        door.operate(&["client", "remove", &app.id, "--yes"])
            .await
            .unwrap();
        let rows = door.audit("call").await;
        assert_eq!((named(&rows, "Claude"), named(&rows, "Payroll")), (2, 2));
        assert_eq!(named(&door.audit("call_admitted").await, "Claude"), 2);
        for (client, count) in [("Claude", 2), ("Payroll", 2), (&app.id, 4), ("Clau", 0)] {
            let words = ["audit", "search", "--event", "call", "--client", client];
            match door.operate(&words).await.unwrap() {
                Answer::List { rows, .. } => assert_eq!(rows.len(), count, "{client}"),
                other => panic!("{other:?}"),
            }
        }
        let config = door.config_file();
        let export = async |format: &str| {
            let words = ["audit", "export", "--event", "call", "--format", format];
            done(&config, &words, "").await
        };
        let csv = export("csv").await;
        assert!(
            csv.contains(",client_vouched_by,chosen_arguments,details")
                && csv.contains(",Claude,")
                && csv.contains(",nobody,,"),
            "{csv}"
        );
        let ocsf = export("ocsf").await;
        assert!(ocsf.contains(r#""app_name":"Claude (unverified)""#), "{ocsf}");
    }
}

/// A name that the operator gave is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vouches_for_a_name_is_on_record() {
    let door = Door::with(Plan {
        config: format!(
            "clients: {{ portal: {{ name: Portal, redirect_uris: ['{}'] }} }}",
            App::CALLBACK
        ),
        ..Plan::default()
    })
    .await;
    let app = App {
        id: "portal".to_owned(),
        redirect_uri: App::CALLBACK.to_owned(),
        secret: None,
        resource: door.endpoint(),
        address: door.address,
        host: door.host().to_owned(),
    };
    let tokens = app.sign_in(&door, "ana").await;
    door.call(&tokens.access, "echo_headers", json!({})).await;
    let rows = door.calls_recorded(|rows| !rows.is_empty()).await;
    assert_eq!(
        (&rows[0]["client_name"], &rows[0]["client_vouched_by"]),
        (&json!("Portal"), &json!("operator"))
    );
    let details = rows[0]["details"].as_str().unwrap();
    assert!(
        details.contains("client=Portal ") && !details.contains("unverified"),
        "{details}"
    );
}
