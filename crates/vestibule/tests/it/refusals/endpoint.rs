//! MCP endpoints: what is refused before anything reaches the upstream, in the order of DEC-15.

use serde_json::{Value, json};

use super::{Want, check};
use crate::rig::{Ask, Door, Plan, Tokens, app, door};

const PARSE: i64 = -32_700;
const REQUEST: i64 = -32_600;
const PARAMS: i64 = -32_602;
const MISMATCH: i64 = -32_020;

/// MA-5, MA-22 to MA-28, MA-160, CC-1, CC-2, CC-6, CC-7, CC-74: who is calling comes first, whatever else is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_everything_is_401() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let cases: [(&str, Ask); 14] = [
        ("POST", door::call("fixture", "x", json!({}))),
        ("GET", Ask::get("/mcp/fixture")),
        (
            "GET for events",
            Ask::get("/mcp/fixture").with("accept", "text/event-stream"),
        ),
        ("GET with a slash", Ask::get("/mcp/fixture/")),
        ("GET with slashes", Ask::get("/mcp/fixture///")),
        ("HEAD", Ask::new("HEAD", "/mcp/fixture")),
        (
            "DELETE",
            Ask::new("DELETE", "/mcp/fixture").with("mcp-session-id", "x"),
        ),
        ("PUT", Ask::new("PUT", "/mcp/fixture")),
        ("a method of its own", Ask::new("BREW", "/mcp/fixture")),
        ("no JSON", Ask::new("POST", "/mcp/fixture").body("x")),
        (
            "a resumed stream",
            Ask::get("/mcp/fixture").with("last-event-id", "1"),
        ),
        (
            "a token in the address",
            Ask::get(&format!("/mcp/fixture?access_token={}", tokens.access)),
        ),
        (
            "Basic",
            door::call("fixture", "x", json!({})).with("authorization", "Basic YTpi"),
        ),
        (
            "a scheme alone",
            door::call("fixture", "x", json!({})).with("authorization", "Bearer"),
        ),
    ];
    for (name, ask) in cases {
        let reply = door.ask(ask).await;
        assert_eq!(reply.status, 401, "{name}: {reply:?}");
        assert_eq!(
            name == "a token in the address",
            reply.body.contains("send it in the Authorization header"),
            "CC-102: {name}: {reply:?}"
        );
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with(&format!("Bearer resource_metadata=\"{}/.well-known/", door.url)),
            "{name}: {challenge}"
        );
        assert!(
            challenge.contains("scope=\"mcp\"") && !challenge.contains("error"),
            "MA-23: {name}: {challenge}"
        );
        assert!(
            reply
                .header("access-control-expose-headers")
                .unwrap()
                .contains("WWW-Authenticate"),
            "MA-37: {name}"
        );
        assert_eq!(
            reply.headers.get_all("www-authenticate").iter().count(),
            1,
            "CC-3: {name}"
        );
    }
    let browser = door
        .ask(Ask::get("/mcp/fixture").with("accept", "text/html"))
        .await;
    assert_eq!(browser.status, 401, "CC-2: a page is shown, and the status stays");
    assert!(browser.body.contains("<html") && browser.header("www-authenticate").is_some());
    let two = [
        door::call("fixture", "x", json!({}))
            .bearer(&tokens.access)
            .bearer(&tokens.access),
        door::call("fixture", "x", json!({}))
            .bearer(&tokens.access)
            .bearer("other"),
        Ask::get(&format!("/mcp/fixture?access_token={}", tokens.access)).bearer(&tokens.access),
    ];
    for ask in two {
        check(
            "MA-26: two tokens",
            &door.ask(ask).await,
            Want::Json(400, "invalid_request"),
        );
    }
    assert!(
        door.upstream.requests().is_empty(),
        "MA-2: the upstream saw none of it"
    );
}

/// DEC-15, TP-18, TP-19, TP-22: authority, origin and route come even before that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_origins_and_routes_come_first() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let good = || door::call("fixture", "echo_headers", json!({})).bearer(&tokens.access);
    let cases: [(&str, Ask, Want); 14] = [
        (
            "another host",
            good().with("host", "evil.example"),
            Want::Json(421, "misdirected_request"),
        ),
        (
            "another port",
            good().with("host", "127.0.0.1:1"),
            Want::Json(421, "misdirected_request"),
        ),
        (
            "two hosts",
            good()
                .with("host", door.address.to_string())
                .with("host", "evil.example"),
            Want::Json(400, "invalid_request"),
        ),
        (
            "a host that begins alike",
            good().with("host", format!("{}.evil.example", door.address)),
            Want::Json(421, "misdirected_request"),
        ),
        (
            "a forwarded host is not believed",
            good().with("x-forwarded-host", "evil.example"),
            Want::Status(200),
        ),
        (
            "another origin",
            good().with("origin", "https://evil.example"),
            Want::Json(403, "forbidden_origin"),
        ),
        (
            "no origin at all",
            good().with("origin", "null"),
            Want::Json(403, "forbidden_origin"),
        ),
        (
            "another origin, without a token",
            door::call("fixture", "x", json!({})).with("origin", "https://evil.example"),
            Want::Json(403, "forbidden_origin"),
        ),
        (
            "our own origin",
            good().with("origin", door.url.clone()),
            Want::Status(200),
        ),
        (
            "no such server",
            door::call("none", "x", json!({})),
            Want::Json(404, "not_found"),
        ),
        (
            "no such server, with a token",
            door::call("none", "x", json!({})).bearer(&tokens.access),
            Want::Json(404, "not_found"),
        ),
        ("the parent", Ask::get("/mcp/"), Want::Json(404, "not_found")),
        (
            "a path below a server",
            Ask::get("/mcp/fixture/admin"),
            Want::Json(404, "not_found"),
        ),
        (
            "dots",
            Ask::get("/mcp/x/../fixture"),
            Want::Json(404, "not_found"),
        ),
    ];
    for (name, ask, want) in cases {
        check(name, &door.ask(ask).await, want);
    }
    let preflight = Ask::new("OPTIONS", "/mcp/fixture")
        .with("origin", "http://localhost:6274")
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "authorization,mcp-param-region");
    let reply = door.ask(preflight).await;
    assert_eq!(reply.status, 204, "CC-1: a preflight needs no token");
    assert!(
        reply
            .header("access-control-allow-headers")
            .unwrap()
            .contains("mcp-param-region")
    );
    let reply = door
        .ask(Ask::new("OPTIONS", "/mcp/fixture").with("origin", "https://evil.example"))
        .await;
    check(
        "a preflight of another origin",
        &reply,
        Want::Json(403, "forbidden_origin"),
    );
    let reply = door.ask(good().with("host", "evil.example")).await;
    assert!(
        !reply.body.contains("evil.example"),
        "MA-13: nothing that the request made up is repeated"
    );
}

/// CC-98, DEC-19, DEC-20, TP-8, TP-9, TP-14, TP-25, TP-26, TP-48 to TP-50, TP-52, TP-62 to TP-65, TP-68 to TP-70.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_with_two_readings_or_none_go_no_further() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let post = |body: &str| {
        Ask::new("POST", "/mcp/fixture")
            .with("content-type", "application/json")
            .body(body.to_owned())
            .bearer(&tokens.access)
    };
    let good = || door::call("fixture", "echo_headers", json!({})).bearer(&tokens.access);
    let modern = |value: Value| good().body(value.to_string());
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let call = |params: Value| json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let cases: [(&str, Ask, Want); 44] = [
        (
            "another method",
            Ask::new("PUT", "/mcp/fixture").bearer(&tokens.access),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "PATCH",
            Ask::new("PATCH", "/mcp/fixture").bearer(&tokens.access),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "text",
            good().without("content-type").with("content-type", "text/plain"),
            Want::Rpc(415, REQUEST),
        ),
        (
            "a form",
            good()
                .without("content-type")
                .with("content-type", "application/x-www-form-urlencoded"),
            Want::Rpc(415, REQUEST),
        ),
        (
            "no media type",
            good().without("content-type"),
            Want::Rpc(415, REQUEST),
        ),
        (
            "compressed",
            good().with("content-encoding", "gzip"),
            Want::Rpc(415, REQUEST),
        ),
        (
            "too large",
            post(&format!("\"{}\"", "a".repeat(5 << 20))),
            Want::Rpc(413, REQUEST),
        ),
        ("nothing", post(""), Want::Rpc(400, PARSE)),
        ("no JSON", post("x"), Want::Rpc(400, PARSE)),
        ("half of it", post("{\"jsonrpc\":\"2.0\""), Want::Rpc(400, PARSE)),
        (
            "something behind it",
            post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x"),
            Want::Rpc(400, PARSE),
        ),
        (
            "two of them",
            post(
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}",
            ),
            Want::Rpc(400, PARSE),
        ),
        (
            "a byte order mark",
            post("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
            Want::Rpc(400, PARSE),
        ),
        (
            "no UTF-8",
            good().body(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec()),
            Want::Rpc(400, PARSE),
        ),
        (
            "not a number",
            post("{\"jsonrpc\":\"2.0\",\"id\":NaN,\"method\":\"ping\"}"),
            Want::Rpc(400, PARSE),
        ),
        (
            "a comment",
            post("{\"jsonrpc\":\"2.0\",/*x*/\"id\":1,\"method\":\"ping\"}"),
            Want::Rpc(400, PARSE),
        ),
        ("single quotes", post("{'jsonrpc':'2.0'}"), Want::Rpc(400, PARSE)),
        (
            "too deep",
            post(&format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{{\"a\":{deep}}}}}"
            )),
            Want::Rpc(400, PARSE),
        ),
        (
            "the method twice",
            post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"method\":\"tools/call\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "the method twice, once escaped",
            post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"meth\\u006fd\":\"tools/call\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "the tool twice",
            post(
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\",\"name\":\"b\"}}",
            ),
            Want::Rpc(400, REQUEST),
        ),
        (
            "an argument twice",
            post(
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\",\"arguments\":{\"x\":1,\"x\":2}}}",
            ),
            Want::Rpc(400, REQUEST),
        ),
        (
            "no version",
            post("{\"id\":1,\"method\":\"ping\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "another version",
            post("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "a null id",
            post("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "an id that is a fraction",
            post("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "an id that is an object",
            post("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "a method that is a number",
            post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "parameters that are a text",
            post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":\"y\"}"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "an array of today",
            good().body("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]"),
            Want::Rpc(400, REQUEST),
        ),
        ("an empty array", post("[]"), Want::Rpc(400, REQUEST)),
        (
            "an array with initialize in it",
            post("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}]"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "an array of 2025-06-18",
            post("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]")
                .with("mcp-protocol-version", "2025-06-18"),
            Want::Rpc(400, REQUEST),
        ),
        (
            "no _meta",
            modern(call(json!({ "name": "echo_headers" }))),
            Want::Rpc(400, PARAMS),
        ),
        (
            "no version in _meta",
            modern(call(
                json!({ "name": "echo_headers", "_meta": { "io.modelcontextprotocol/clientCapabilities": {} } }),
            )),
            Want::Rpc(400, PARAMS),
        ),
        (
            "no capabilities in _meta",
            modern(call(
                json!({ "name": "echo_headers", "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }),
            )),
            Want::Rpc(400, PARAMS),
        ),
        (
            "no version header",
            good().without("mcp-protocol-version"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "a version header of the past, a body of today",
            good()
                .without("mcp-protocol-version")
                .with("mcp-protocol-version", "2025-11-25"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "two version headers",
            good().with("mcp-protocol-version", "2025-11-25"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "no method header",
            good().without("mcp-method"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "another method header",
            good().without("mcp-method").with("mcp-method", "tools/list"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "no name header",
            good().without("mcp-name"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "another name header",
            good().without("mcp-name").with("mcp-name", "harmless"),
            Want::Rpc(400, MISMATCH),
        ),
        (
            "a name header that is no base64",
            good().without("mcp-name").with("mcp-name", "=?base64?!?="),
            Want::Rpc(400, MISMATCH),
        ),
    ];
    for (name, ask, want) in cases {
        check(name, &door.ask(ask).await, want);
    }
    // CC-98, TP-69: in the session era the headers are not needed, and may not lie either.
    let body = json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": { "name": "danger" } });
    let lie = Ask::json("/mcp/fixture", &body)
        .with("mcp-name", "safe")
        .bearer(&tokens.access);
    let reply = door.ask(lie).await;
    check("a lie in the session era", &reply, Want::Rpc(400, MISMATCH));
    assert_eq!(reply.json()["id"], "a", "the id comes back");
    assert!(door.upstream.requests().is_empty(), "the upstream saw none of it");
    let _ = meta;
}

/// TP-3, TP-4, MA-58, CC-107, DEC-22: what a caller sends in the name of somebody else does not arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_claim_something_do_not_reach_the_upstream() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let claimed = [
        ("x-mcp-subject", "admin"),
        ("x-mcp-groups", "admins"),
        ("x_mcp_subject", "admin"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-real-ip", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x-original-url", "/admin"),
        ("cookie", "session=x"),
        ("dpop", "x"),
        ("proxy-authorization", "Basic x"),
        ("origin", "http://localhost:6274"),
        ("referer", "http://localhost:6274/"),
        ("x-hop", "x"),
    ];
    let mut ask = door::call("fixture", "echo_headers", json!({}))
        .bearer(&tokens.access)
        .with("connection", "x-hop, keep-alive")
        .with("x-custom", "kept")
        .with("mcp-param-region", "eu");
    for (name, value) in claimed {
        ask = ask.with(name, value);
    }
    let reply = door.ask(ask).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.body.contains("expected"),
        "the upstream's own credential arrived: {}",
        reply.body
    );
    let seen = door.upstream.take_requests();
    let seen = &seen[0];
    let subject = tokens.claims()["sub"].as_str().unwrap().to_owned();
    for (name, value) in claimed {
        let arrived: Vec<_> = seen
            .headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let fine = match name {
            "x-mcp-subject" => arrived == [subject.as_str()],
            _ => arrived.is_empty(),
        };
        assert!(fine, "{name}: {value} became {arrived:?}");
    }
    let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("x-custom"), Some("kept"), "TP-6");
    assert_eq!(header("mcp-param-region"), Some("eu"), "TP-6");
    assert_eq!(
        header("host"),
        Some(door.upstream.address().to_string().as_str()),
        "TP-20"
    );
    assert_eq!(header("accept-encoding"), Some("identity"), "TP-10");
    assert!(header("via").unwrap().contains("vestibule"), "TP-2");
    assert_eq!(header("x-mcp-issuer"), Some(door.url.as_str()));
    assert_eq!(header("x-mcp-audience"), Some(door.endpoint().as_str()));
}

/// MA-30, TP-108: a good token without `mcp` is told which scope would do, and where to ask for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_the_scope_is_403_with_a_challenge() {
    let door = Door::open().await;
    let app = door.app().await;
    let target = app.authorize(&[("scope", "mcp openid offline_access")]);
    let code = app::code_of(&door.browser().approve(&target, "ana").await);
    let whole = Tokens::of(&app.redeem(&code).await);
    let less = app.refresh_with(&whole.refresh, &[("scope", "openid")]);
    let less = Tokens::of(&less.to(door.address).await);
    let call = |token: &str| door::call("fixture", "echo_headers", json!({})).bearer(token);
    let reply = door.ask(call(&less.access)).await;
    check("MA-30", &reply, Want::Json(403, "insufficient_scope"));
    let challenge = reply.header("www-authenticate").unwrap();
    let metadata = format!(
        "resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp/fixture\"",
        door.url
    );
    for part in ["error=\"insufficient_scope\"", "scope=\"mcp\"", &metadata] {
        assert!(challenge.contains(part), "{part}: {challenge}");
    }
    assert!(door.upstream.requests().is_empty());
    assert_eq!(
        door.ask(call(&whole.access)).await.status,
        200,
        "the other one does"
    );
}

/// TP-17: a page of another site is turned away whatever its method.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origin_is_checked_on_every_method() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    for method in ["GET", "HEAD", "DELETE", "POST", "OPTIONS", "PUT"] {
        let ask = Ask::new(method, "/mcp/fixture")
            .with("accept", "text/event-stream")
            .with("mcp-session-id", "x")
            .with("origin", "https://evil.example")
            .bearer(&tokens.access);
        assert_eq!(door.ask(ask).await.status, 403, "{method}");
    }
    assert!(door.upstream.requests().is_empty());
}

/// CC-6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_list_of_origins_only_those_may_call() {
    let config = "allowed_origins: [\"https://chat.example\"]".to_owned();
    let door = Door::with(Plan {
        config,
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    let from = |origin: &str| {
        door::call("fixture", "echo_headers", json!({}))
            .bearer(&tokens.access)
            .with("origin", origin.to_owned())
    };
    assert_eq!(door.ask(from("https://chat.example")).await.status, 200);
    for origin in [
        "https://evil.example",
        "https://chat.example.evil.test",
        "http://chat.example",
        "https://chat.example:444",
    ] {
        check(
            origin,
            &door.ask(from(origin)).await,
            Want::Json(403, "forbidden_origin"),
        );
    }
}
