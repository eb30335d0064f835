//! Tokens for programs without a person: client credentials, workloads, and what is exchanged on somebody's behalf.

use std::time::Duration;

use serde_json::json;

use crate::rig::foreign::ForeignIssuer;
use crate::rig::{Ask, Door, Plan, Reply, door};

mod client_credentials;
mod command_line;
mod token_exchange;
mod workload;

const SECRET: &str = "the-long-secret-of-the-nightly-report";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn plan(issuer: Option<&ForeignIssuer>) -> Plan {
    let platform = issuer.map(|issuer| {
        format!(
            "trusted_issuers:
  ci: {{ issuer: {}, algorithms: [ES256], typ: [JWT] }}
workloads:
  deploy:
    issuer: ci
    audience: door-of-acme
    subjects: [\"repo:acme/*:ref:refs/heads/main\"]
    claims: {{ environment: production }}
    account: nightly
    servers: [fixture]
    lifetime: 15m
",
            issuer.url
        )
    });
    Plan {
        files: vec![("nightly-secret", SECRET.to_owned())],
        config: format!(
            "clients:
  nightly:
    name: Nightly report
    secret_file: nightly-secret
    client_credentials: {{ account: nightly, servers: [fixture, second], scope: mcp second:write }}
  relay:
    name: The server that calls another
    secret_file: nightly-secret
    token_exchange: {{ from: [fixture], to: [second] }}
  farther:
    name: The one behind it
    secret_file: nightly-secret
    token_exchange: {{ from: [second], to: [strict, second, fixture] }}
  nobody: {{ name: Nobody, secret_file: nightly-secret, redirect_uris: [\"https://nobody.example/cb\"] }}
{}",
            platform.unwrap_or_default()
        ),
        server: "    introspection_clients: [nobody]".to_owned(),
        servers: "
  second:
    upstream: {upstream}
    allow: [{ groups: [developers, robots], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
    introspection_clients: [nobody]
  strict:
    upstream: {upstream}
    require: { max_age: 1h }
    allow: [{ groups: [developers, robots], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
  others:
    upstream: {upstream}
    allow: [{ groups: [others], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }"
            .to_owned(),
        ..Plan::default()
    }
}

async fn open(issuer: Option<&ForeignIssuer>) -> Door {
    let door = Door::with(plan(issuer)).await;
    door.operate(&["group", "add", "robots"]).await.unwrap();
    let added = [
        "user",
        "add",
        "nightly",
        "--service",
        "--group",
        "robots",
        "--group",
        "developers",
    ];
    door.operate(&added).await.unwrap();
    // So that tokens are made after the account, as in life.
    door.advance(Duration::from_secs(1));
    door
}

fn resource(door: &Door, server: &str) -> String {
    format!("{}/mcp/{server}", door.url)
}

async fn credentials(door: &Door, client: &str, more: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", SECRET),
    ];
    fields.extend(more);
    door.ask(Ask::form("/token", &fields)).await
}

async fn call(door: &Door, server: &str, token: &str) -> Reply {
    door.ask(door::call(server, "echo_headers", json!({})).bearer(token))
        .await
}

fn refused(reply: &Reply, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (400, error), "{reply:?}");
}
