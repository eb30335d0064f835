//! Finding the authorization server of a server that says nothing of it when it is greeted (RFC 9728 section 3).

use std::sync::Arc;

use serde_json::json;

use super::Machine;
use crate::rig::Door;
use crate::rig::foreign::Listener;

/// A server that greets everybody so, and that is of the authorization server, if there is one.
async fn server(greeting: (u16, &'static str), issuer: Option<String>) -> Listener {
    Listener::start(Arc::new(move |request: &str| {
        if request.starts_with("POST /mcp ") {
            return Some((greeting.0, greeting.1.to_owned()));
        }
        let asked = "GET /.well-known/oauth-protected-resource/mcp ";
        let host = request.lines().find_map(|line| line.strip_prefix("host: "))?;
        match &issuer {
            Some(issuer) if request.starts_with(asked) => {
                let document =
                    json!({ "resource": format!("http://{host}/mcp"), "authorization_servers": [issuer] });
                Some((200, document.to_string()))
            }
            _ => Some((404, "{}".to_owned())),
        }
    }))
    .await
}

const NO_SUCH_METHOD: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_18_a_server_that_guards_what_comes_later_is_signed_in_to() {
    let (door, machine) = (Door::open().await, Machine::new());
    let hello = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for greeting in [
        (200, hello),
        (404, NO_SUCH_METHOD),
        (400, r#"{"error":"no _meta"}"#),
    ] {
        let server = server(greeting, Some(door.url.clone())).await;
        let url = format!("http://{}/mcp", server.address);
        let (_, address) = machine.begin(&["login", &url]).await;
        assert!(
            address.starts_with(&format!("{}/authorize?", door.url)),
            "{greeting:?}: {address}"
        );
        let resource = url.replace(':', "%3A").replace('/', "%2F");
        assert!(
            address.contains(&format!("resource={resource}")),
            "{greeting:?}: {address}"
        );
    }
}

/// MA-18, MA-20: a server that is in trouble has not said that there is no document. Its own origin is no authorization server
/// because of that, nobody is sent there, and nothing is registered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_18_trouble_is_not_taken_for_no_metadata() {
    let machine = Machine::new();
    for (status, is_trouble) in [(404, false), (403, false), (500, true), (503, true), (429, true)] {
        let server = Listener::start(Arc::new(move |request: &str| {
            let host = request.lines().find_map(|line| line.strip_prefix("host: "))?;
            let origin = format!("http://{host}");
            let path = request.split(' ').nth(1)?;
            Some(match path {
                "/mcp" => (401, "{}".to_owned()),
                "/.well-known/oauth-authorization-server" => {
                    let document = json!({
                        "issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
                        "token_endpoint": format!("{origin}/token"), "registration_endpoint": format!("{origin}/register"),
                        "code_challenge_methods_supported": ["S256"],
                    });
                    (200, document.to_string())
                }
                "/register" => (201, json!({ "client_id": "c", "token_endpoint_auth_method": "none" }).to_string()),
                _ => (status, "{}".to_owned()),
            })
        }))
        .await;
        let url = format!("http://{}/mcp", server.address);
        if is_trouble {
            let (code, said) = machine.failed(&["login", &url]).await;
            assert!(
                code == 1 && said.contains(&format!("answered {status}")),
                "{status}: {said}"
            );
        } else {
            let (_, address) = machine.begin(&["login", &url]).await;
            let origin = format!("http://{}/authorize?", server.address);
            assert!(address.starts_with(&origin), "{status}: {address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_metadata_a_server_is_what_it_says() {
    let machine = Machine::new();
    let open = server((200, "{}"), None).await;
    let url = format!("http://{}/mcp", open.address);
    let said = machine.run(&["login", &url]).await;
    assert!(said.status.success(), "{said:?}");

    let none = server((404, NO_SUCH_METHOD), None).await;
    let url = format!("http://{}/mcp", none.address);
    let (_, said) = machine.failed(&["login", &url]).await;
    assert!(
        said.contains("it is no MCP server, or not at this address"),
        "{said}"
    );
}
