//! Bytes and headers, both ways (mcp-transport-proxying section 1).

use serde_json::json;

use crate::rig::{Ask, Door, Plan, door, scripted::Scripted};

/// TP-6, TP-7, DEC-19: what passes is forwarded byte for byte, whatever a parser would make of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_arrives_byte_for_byte() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"vendor/x":1e30,"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#;
    let bodies = [
        format!(
            r#"{{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{{"name":"echo_headers",{meta}}}}}"#
        ),
        format!(
            "{{ \"jsonrpc\" : \"2.0\",\n\t\"id\":\"é\\u00e9\\/\",\"method\":\"tools/call\",\"params\":{{\"name\":\"echo_headers\",\"arguments\":{{\"n\":1.000000000000000000001,\"big\":123456789012345678901234567890}},{meta}}}}}"
        ),
        format!(
            r#"{{"params":{{{meta},"name":"echo_headers","unknown":[{{}}]}},"method":"tools/call","vendor":"kept","id":-0,"jsonrpc":"2.0"}}"#
        ),
    ];
    for body in bodies {
        let ask = Ask::new("POST", "/mcp/fixture")
            .with("content-type", "application/json; charset=utf-8")
            .with("mcp-protocol-version", "2026-07-28")
            .with("mcp-method", "tools/call")
            .with("mcp-name", "=?base64?ZWNob19oZWFkZXJz?=")
            .bearer(&tokens.access)
            .body(body.clone());
        let reply = door.ask(ask).await;
        let seen = door.upstream.take_requests();
        assert_eq!(seen.len(), 1, "{reply:?}");
        assert_eq!(seen[0].body, body.as_bytes());
        assert_eq!(seen[0].header("mcp-name"), Some("=?base64?ZWNob19oZWFkZXJz?="));
    }
}

/// An upstream whose answers are written by the test.
async fn scripted(server: &str) -> (Door, Scripted, String) {
    let upstream = Scripted::start().await;
    let servers = format!(
        "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: all }}]\n{server}",
        upstream.url()
    );
    let door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("scripted").await;
    (door, upstream, token)
}

/// TP-1, TP-5, TP-89, MA-63: nothing of the hop, of the upstream's cookies, redirects and challenges comes through,
/// and nothing else is lost or invented.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_an_answer() {
    let (door, upstream, token) = scripted("").await;
    let body = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[]}}"#;
    upstream.answers(
        "200 OK",
        &[
            "Content-Type: application/json",
            "Set-Cookie: a=b",
            "Set-Cookie: c=d",
            "WWW-Authenticate: Bearer resource_metadata=\"https://up.example/prm\"",
            "Strict-Transport-Security: max-age=1",
            "Access-Control-Allow-Origin: https://evil.example",
            "Access-Control-Allow-Credentials: true",
            "Keep-Alive: timeout=5",
            "Proxy-Authenticate: Basic",
            "Location: https://evil.example/",
            "Alt-Svc: h3=\":443\"",
            "Connection: close, X-Hop",
            "X-Hop: x",
            "X-Kept: one",
            "X-Kept: two",
            "ETag: \"v1\"",
            "Retry-After: 7",
            "MCP-Protocol-Version: 2026-07-28",
        ],
        body,
    );
    let reply = door
        .ask(door::call("scripted", "x", json!({})).bearer(&token))
        .await;
    assert_eq!((reply.status, reply.body.as_str()), (200, body));
    for gone in [
        "set-cookie",
        "www-authenticate",
        "strict-transport-security",
        "access-control-allow-credentials",
        "keep-alive",
        "proxy-authenticate",
        "location",
        "alt-svc",
        "x-hop",
    ] {
        assert!(reply.header(gone).is_none(), "{gone}: {reply:?}");
    }
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let kept: Vec<_> = reply.headers.get_all("x-kept").iter().collect();
    assert_eq!(kept, ["one", "two"]);
    for (name, value) in [
        ("etag", "\"v1\""),
        ("retry-after", "7"),
        ("mcp-protocol-version", "2026-07-28"),
    ] {
        assert_eq!(reply.header(name), Some(value));
    }
    // Statuses that are the upstream's own word to the client pass as they are (TP-40, CC-95, TP-54).
    for status in [
        "202 Accepted",
        "400 Bad Request",
        "404 Not Found",
        "405 Method Not Allowed",
        "409 Conflict",
        "429 Too Many Requests",
    ] {
        upstream.answers(status, &["Content-Type: application/json", "Allow: POST"], "{}");
        let reply = door
            .ask(door::call("scripted", "x", json!({})).bearer(&token))
            .await;
        assert!(
            status.starts_with(&reply.status.to_string()),
            "{status}: {reply:?}"
        );
        assert_eq!((reply.body.as_str(), reply.header("allow")), ("{}", Some("POST")));
    }
}

/// Item 11 of the main job: several headers from files and the environment, each in its own scheme, read again
/// when they change (CC-108); DEC-22: what a template sets is not the caller's to set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_what_the_template_says_and_follow_their_files() {
    let servers = "
  jira:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential:
      headers:
        Authorization: \"Token ${file:jira}\"
        X-Atlassian-Jira-Url: https://jira.example
        X-MCP-Toolsets: repos"
        .to_owned();
    let upstream = fixture::Options::new().with_extra_tools();
    let files = vec![("jira", "first\n".to_owned())];
    let door = Door::with(Plan {
        servers,
        upstream,
        files,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("jira").await;
    let call = || {
        door::call("jira", "echo_headers", json!({}))
            .bearer(&token)
            .with("x-atlassian-jira-url", "https://evil.example")
            .with("x-mcp-toolsets", "all")
    };
    let seen = async || {
        assert_eq!(door.ask(call()).await.status, 200);
        let seen = door.upstream.take_requests().pop().unwrap();
        let values = |name: &str| -> Vec<String> {
            seen.headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect()
        };
        (
            values("authorization"),
            values("x-atlassian-jira-url"),
            values("x-mcp-toolsets"),
        )
    };
    let once = |text: &str| vec![text.to_owned()];
    assert_eq!(
        seen().await,
        (once("Token first"), once("https://jira.example"), once("repos"))
    );
    std::fs::write(door.folder().join("jira"), "second").unwrap();
    let routes = door.running().house.gateway.routes();
    let route = &routes.servers[&"jira".parse::<model::ServerName>().unwrap()];
    route
        .credential
        .reload(&door.running().house.foundation.environment)
        .unwrap();
    assert_eq!(seen().await.0, once("Token second"));
}

/// Item 11: who calls, in a signed statement that the upstream verifies with the door's key set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_is_for_the_upstream_and_nobody_else() {
    let server = "    identity_headers: false\n    assertion: { header: X-Identity, audience: https://fixture.internal }".to_owned();
    let door = Door::with(Plan {
        server,
        ..Plan::default()
    })
    .await;
    let (app, tokens) = door.signed_in("ana").await;
    let ask = door::call("fixture", "echo_headers", json!({}))
        .bearer(&tokens.access)
        .with("x-identity", "forged");
    assert_eq!(door.ask(ask).await.status, 200);
    let seen = door.upstream.take_requests().pop().unwrap();
    assert!(seen.header("x-mcp-subject").is_none());
    let assertions: Vec<_> = seen.headers.get_all("x-identity").iter().collect();
    assert_eq!(assertions.len(), 1);
    let assertion = assertions[0].to_str().unwrap();
    let claims = crate::rig::app::claims(assertion);
    assert_eq!(claims["aud"], "https://fixture.internal");
    assert_eq!(claims["sub"], tokens.claims()["sub"]);
    assert_eq!(
        (&claims["iss"], &claims["client_id"]),
        (&json!(door.url), &json!(app.id))
    );
    assert_eq!(
        (&claims["preferred_username"], &claims["groups"]),
        (&json!("ana"), &json!(["developers"]))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
    let keys = keys::PublicKeys::from_jwks(&door.get("/.well-known/jwks.json").await.json());
    let compact = protocol::jwt::Compact::parse(assertion).unwrap();
    keys.verify(&compact, &["ES256"]).unwrap();
    // OS-122: it is worth nothing as an access token.
    assert_eq!(door.call(assertion, "echo_headers", json!({})).await.status, 401);
}

/// TP-120, CC-112: who, with which program, what, how it ended and how long it took; never what was said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_recorded() {
    let door = Door::open().await;
    let (app, tokens) = door.signed_in("ana").await;
    let secret = "a-secret-argument";
    let reply = door
        .call(&tokens.access, "echo_headers", json!({ "x": secret }))
        .await;
    assert_eq!(reply.status, 200);
    door.operate(&["group", "remove-member", "developers", "ana"])
        .await
        .unwrap();
    let refused = door
        .call(&tokens.access, "echo_headers", json!({ "x": secret }))
        .await;
    let rows = door.calls_recorded(|rows| rows.len() == 2).await;
    assert!(!format!("{rows:?}").contains(secret), "{rows:?}");
    let ended = |outcome: &str| rows.iter().find(|row| row["outcome"] == outcome).unwrap();
    let (allowed, denied) = (ended("answered"), ended("refused"));
    for (row, outcome, reason) in [
        (allowed, "answered", serde_json::Value::Null),
        (denied, "refused", json!("not_allowed")),
    ] {
        assert_eq!(
            (&row["outcome"], &row["reason"]),
            (&json!(outcome), &reason),
            "{row}"
        );
        assert_eq!(
            (&row["server"], &row["client"]),
            (&json!("fixture"), &json!(app.id)),
            "{row}"
        );
        assert_eq!(
            (&row["method"], &row["target"]),
            (&json!("tools/call"), &json!("echo_headers")),
            "{row}"
        );
        assert_eq!(
            (&row["username"], &row["address"]),
            (&json!("ana"), &json!("127.0.0.1")),
            "{row}"
        );
        for member in ["account", "grant", "token", "id", "at"] {
            assert!(row[member].is_string(), "{member}: {row}");
        }
        for member in ["microseconds", "status", "bytes_in", "bytes_out"] {
            assert!(row[member].is_u64(), "{member}: {row}");
        }
    }
    assert_eq!(
        refused.header("x-reference"),
        denied["id"].as_str(),
        "the caller can name it"
    );
}
